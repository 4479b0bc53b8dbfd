"""The command that moves the table of sessions into partitions, or out of them."""

from __future__ import annotations

import asyncio
import sys
from argparse import Namespace
from typing import Any

from reseal.core.secret import Secret
from reseal.server.cli.arguments import command, configured, settings_of
from reseal.server.cli.exits import DONE, CommandFailed
from reseal.server.cli.output import Row, printable, show
from reseal.server.config import ServiceSettings
from reseal.settings.rules import MARIADB_SCHEMES, REDIS_SCHEMES

_MOST = 128


def add(commands: Any) -> None:
    """Declare this command."""
    parser = configured(command(commands, "partition", partition))
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--into", type=int, metavar="NUMBER", help="how many partitions; 1 is one table again")
    which.add_argument("--abandon", action="store_true", help="take an unfinished move back")
    parser.add_argument("--dry-run", action="store_true", help="only check whether it is possible")


def partition(options: Namespace) -> int:
    """Move the sessions on PostgreSQL into hash partitions, while services run. If it was interrupted, run it again.

    Without options, show the form of the table.
    """
    if options.into is not None and not 1 <= options.into <= _MOST:
        raise CommandFailed(f"--into is not {options.into} but between 1 and {_MOST}")
    show([asyncio.run(_run(_postgres(settings_of(options)), options))], options)
    return DONE


async def _run(uri: Secret, options: Namespace) -> Row:
    from reseal.server import partitioning  # noqa: PLC0415 - needs the driver

    server = partitioning.server_of(uri)
    await server.open(upgrade=False)
    move = partitioning.Move(server, _tell)
    try:
        if options.abandon:
            return {"abandoned": await move.abandon()}
        if options.into and options.dry_run:
            await move.require_possible(options.into)
        elif options.into:
            await move.run(options.into)
        form, progress = await move.look()
        row = {"partitions": form.partitions, "sessions": form.rows, "megabytes": form.size // 1_000_000}
        return row | {"moving_into": progress and progress.into, "copied": progress and progress.copied}
    except partitioning.MoveRefused as refusal:
        raise CommandFailed(str(refusal)) from None
    finally:
        await server.close()


def _postgres(settings: ServiceSettings) -> Secret:
    uri = settings.server_uri
    others = MARIADB_SCHEMES + REDIS_SCHEMES
    if uri is None or uri.reveal().decode("utf-8", "replace").startswith(others):
        raise CommandFailed("only the table on PostgreSQL has partitions, and database_uri names another store")
    return uri


def _tell(line: str) -> None:
    print("reseal:", printable(line), file=sys.stderr, flush=True)
