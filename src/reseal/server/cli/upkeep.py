"""Maintenance commands: migrate, check, clock, version."""

from __future__ import annotations

import asyncio
import platform
import sqlite3
from argparse import Namespace
from importlib.metadata import version as installed_version
from typing import Any

from reseal._async.ports import AsyncStore
from reseal.cdi.versions import SUPPORTED
from reseal.clock import SystemClock
from reseal.core.errors import ConfigurationError
from reseal.core.store_time import Repaired, Times
from reseal.server.cli.arguments import command, configured, group, settings_of
from reseal.server.cli.exits import DONE, REFUSED, CommandFailed
from reseal.server.cli.opened import in_store, open_store
from reseal.server.cli.output import moment_of, print_json, printable, show, time_of
from reseal.server.inspection import Finding, clocks, inspect
from reseal.server.tenants.directory import Directory


def add(commands: Any) -> None:
    """Declare these commands."""
    configured(command(commands, "migrate", migrate))
    parser = configured(command(commands, "check", check))
    parser.add_argument(
        "--restored", metavar="MOMENT", help="list what is at risk after a backup of that time was restored"
    )
    clock = group(commands, "clock", "Show and repair the store's time.")
    configured(command(clock, "show", show_clock))
    configured(command(clock, "repair", repair_clock))
    command(commands, "version", show_version)


def migrate(options: Namespace) -> int:
    """Create or upgrade the tables."""
    settings = settings_of(options)

    async def run() -> None:
        async with open_store(settings):
            pass

    asyncio.run(run())
    show([{"store": "up to date"}], options)
    return DONE


def check(options: Namespace) -> int:
    """Check configuration, store, schema, durability, clock and keys. Changes nothing; lists every failure."""
    try:
        restored = None if options.restored is None else moment_of(options.restored)
        findings = asyncio.run(inspect(settings_of(options), restored=restored))
    except ConfigurationError as error:
        findings = [Finding("configuration", fine=False, text=problem) for problem in error.problems]
    if options.json:
        print_json([finding._asdict() for finding in findings])
    else:
        for finding in findings:
            print(f"{_mark(finding)}  {finding.subject}: {printable(finding.text)}")
    return DONE if all(finding.fine for finding in findings) else REFUSED


def show_clock(options: Namespace) -> int:
    """Show the store's time, the clock that it follows, and this machine's clock."""

    async def run(_directory: Directory, store: AsyncStore) -> Times:
        return await store.times()

    times = in_store(options, run, looks_only=True)
    clocks_now = {"store": times.now, "followed": times.wall, "machine": SystemClock().wall()}
    show([{name: time_of(at) for name, at in clocks_now.items()}], options)
    return DONE


def repair_clock(options: Namespace) -> int:
    """Set the store's time to its clock, even back, once that clock is right. The service may keep running.

    Dates later than that clock become its present time. Sessions that a fast clock seemed to end are live again.
    """

    async def run(_directory: Directory, store: AsyncStore) -> Repaired:
        apart = (await store.times()).wall - SystemClock().wall()
        if abs(apart) > clocks.TOLERANCE:
            raise CommandFailed(
                f"the database server's clock and this machine's differ by {abs(apart) // 1000} seconds: set the wrong "
                "one right first"
            )
        return await store.repair_clock()

    repaired = in_store(options, run)
    row = {"before": time_of(repaired.before), "after": time_of(repaired.after)}
    show([row | {"sessions_redated": repaired.sessions, "keys_redated": repaired.keys}], options)
    return DONE


def show_version(options: Namespace) -> int:
    """Show the versions of Reseal, of its interface, of Python and of SQLite."""
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
