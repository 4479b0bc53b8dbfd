"""Commands for the audit trail: seal, verify, export, checkpoint, erase."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from reseal._async.audit import AsyncAuditTrail
from reseal._async.ports import AsyncStore
from reseal.core.audit import AuditRow
from reseal.core.audit_checkpoints import read_exported
from reseal.core.audit_persons import opened, pseudonym
from reseal.server.cli.arguments import command, configured, group, scoped, settings_of
from reseal.server.cli.audit_log import accountable, author
from reseal.server.cli.audit_ocsf import as_ocsf
from reseal.server.cli.exits import DONE, REFUSED, CommandFailed
from reseal.server.cli.opened import in_store
from reseal.server.cli.output import show
from reseal.server.tenants.directory import Directory

T = TypeVar("T")
AT_ONCE = 500


def add(commands: Any) -> None:
    """Declare these commands."""
    audit = group(commands, "audit", "Verify and export the audit trail.")
    parser = configured(command(audit, "verify", verify))
    parser.add_argument("--checkpoint", metavar="FILE", help="a checkpoint that was exported before")
    parser = scoped(command(audit, "export", export, json_too=False))
    parser.add_argument("--format", choices=("jsonl", "ocsf"), default="jsonl", help="jsonl if absent")
    parser.add_argument("--user", metavar="ID", help="the entries of this user alone, with their private members")
    parser.add_argument("--after", type=int, default=0, metavar="NUMBER", help="only rows behind this one")
    configured(command(audit, "checkpoint", checkpoint, json_too=False))
    configured(command(audit, "seal", seal))
    accountable(configured(command(audit, "replace-key", replace_key)))
    parser = accountable(scoped(command(audit, "erase", erase)))
    parser.add_argument("user", metavar="USER", help="the id of the user")


def verify(options: Namespace) -> int:
    """Check every row of the audit trail, and list what was changed, removed, inserted or moved."""
    kept = None if options.checkpoint is None else _kept(options.checkpoint)
    found = _in_trail(options, lambda trail: trail.verify(kept), looks_only=True)
    facts = {"first": found.first, "last": found.last, "signed_up_to": found.signed_up_to}
    if found.problems:
        show([{"row": seq, "problem": text} for seq, text in found.problems], options)
        return REFUSED
    show([facts], options)
    return DONE


def export(options: Namespace) -> int:
    """Print the audit trail, one line of JSON for each row; with --user also what only that user's key opens."""

    async def run(trail: AsyncAuditTrail) -> None:
        key = None if options.user is None else await trail.person_key(options.user, options.app)
        after = options.after
        while (options.user is None or key is not None) and (page := await trail.read(after, AT_ONCE)):
            for row in page:
                _print(row, key, options.format)
            after = page[-1].seq

    _in_trail(options, run, looks_only=True)
    return DONE


def checkpoint(options: Namespace) -> int:
    """Sign all rows there are, and print the checkpoint: keep it where the owner of the database cannot change it."""
    print(_in_trail(options, lambda trail: trail.checkpoint()))
    return DONE


def seal(options: Namespace) -> int:
    """Put the events of the outbox into the audit trail now; the service does so itself."""
    show([{"sealed": _in_trail(options, lambda trail: trail.seal())}], options)
    return DONE


def replace_key(options: Namespace) -> int:
    """Sign checkpoints with a new key, and destroy the present one; earlier checkpoints are still right."""
    by = f"operator:{author(options)}"
    show([{"key": _in_trail(options, lambda trail: trail.replace_key(by))}], options)
    return DONE


def erase(options: Namespace) -> int:
    """Destroy the key of a user: nobody can tell any more whose entries theirs were, and the chain stays whole."""
    by = f"operator:{author(options)}"
    erased = _in_trail(options, lambda trail: trail.erase(options.user, app_id=options.app, by=by))
    show([{"erased": erased}], options)
    return DONE if erased else REFUSED


def _in_trail(options: Namespace, run: Callable[[AsyncAuditTrail], Awaitable[T]], *, looks_only: bool = False) -> T:
    settings = settings_of(options)

    async def opened_store(_: Directory, store: AsyncStore) -> T:
        return await run(AsyncAuditTrail.of(store, settings))

    return in_store(options, opened_store, looks_only=looks_only)


def _kept(path: str) -> AuditRow:
    try:
        return read_exported(Path(path).read_text("utf-8"))
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read ({error.strerror})") from None
    except ValueError as error:
        raise CommandFailed(f"{path} {error}: write one with reseal audit checkpoint") from None


def _print(row: AuditRow, key: bytes | None, form: str) -> None:
    members = json.loads(row.entry)
    if key is not None and members.get("user") != pseudonym(key):
        return
    private = {"private": opened(members, key)} if key is not None else {}
    line = as_ocsf(members) if form == "ocsf" else {**members, "hash": row.hash.hex(), **private}
    if line is not None:
        print(json.dumps(line, separators=(",", ":")))
