"""Looking after an installation: migrate, check, version."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
from argparse import Namespace
from importlib.metadata import version as installed_version
from typing import Any

from reseal.core.errors import ConfigurationError
from reseal.server.cli.arguments import command, configured, settings_of
from reseal.server.cli.exits import DONE, REFUSED
from reseal.server.cli.opened import open_store
from reseal.server.cli.output import print_json, printable, show
from reseal.server.inspection import Finding, inspect
from reseal.wire.versions import SUPPORTED


def add(commands: Any) -> None:
    """Declare these commands."""
    configured(command(commands, "migrate", migrate))
    configured(command(commands, "check", check))
    command(commands, "version", show_version)


def migrate(options: Namespace) -> int:
    """Create the tables, or bring them up to date."""
    settings = settings_of(options)

    async def run() -> None:
        async with open_store(settings):
            pass

    asyncio.run(run())
    show([{"store": "up to date"}], options)
    return DONE


def check(options: Namespace) -> int:
    """Check configuration, store, schema, durability, clock and keys; change nothing, list every failure."""
    try:
        findings = asyncio.run(inspect(settings_of(options)))
    except ConfigurationError as error:
        findings = [Finding("configuration", fine=False, text=problem) for problem in error.problems]
    if options.json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            print(f"{_mark(finding)}  {finding.subject}: {printable(finding.text)}")
    return DONE if all(finding.fine for finding in findings) else REFUSED


def show_version(options: Namespace) -> int:
    """Show the versions of Reseal, of the interface that it serves, of Python and of SQLite."""
    facts = {
        "reseal": installed_version("reseal"),
        "interface": f"{SUPPORTED[0]} to {SUPPORTED[-1]}",
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }
    show([facts], options)
    return DONE


def _mark(finding: Finding) -> str:
    if not finding.fine:
        return "FAIL"
    return "WARN" if finding.warning else "ok  "
