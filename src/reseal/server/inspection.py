"""What ``reseal check`` looks at, in a service that need not run: the store, its clock, its schema, its keys."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote

from reseal._async.ports import AsyncStore
from reseal.clock import Clock, SystemClock
from reseal.core.errors import ConfigurationError, ResealError
from reseal.core.keys import Wrapping
from reseal.core.model import Scope
from reseal.core.wire_keys import DYNAMIC, STATIC
from reseal.server.config import ServiceSettings
from reseal.server.directory import DEFAULT_APP
from reseal.server.stores import make_store
from reseal.sql import schema_steps

CLOCK_TOLERANCE: Final = 5_000
"""Milliseconds by which the store's time may differ from this machine's."""


class Finding(NamedTuple):
    """One thing looked at."""

    subject: str
    fine: bool
    text: str


async def inspect(settings: ServiceSettings, clock: Clock | None = None) -> list[Finding]:
    """Look at everything that can be looked at."""
    findings = [Finding("configuration", fine=True, text="fine")]
    findings += [Finding("note", fine=True, text=note) for note in settings.notes]
    if settings.secret_key is None:
        findings.append(Finding("note", fine=True, text="without secret_key the keys rest unencrypted in the store"))
    if settings.database_path is not None:
        before = _sqlite_file(settings.database_path)
        findings += before
        if not all(finding.fine for finding in before):
            return findings
    try:
        store = make_store(settings)
        await store.open()
    except ResealError as error:
        return [*findings, *_told("store", error)]
    try:
        findings.append(Finding("store", fine=True, text="opens, and keeps what it acknowledged"))
        findings += await _open_store(settings, store, clock or SystemClock())
    except ResealError as error:
        findings += _told("store", error)
    finally:
        await store.close()
    return findings


def _sqlite_file(path: Path) -> list[Finding]:
    if not path.exists():
        text = f"{path} does not exist: run reseal migrate, or correct database_uri"
        return [Finding("store", fine=False, text=text)]
    try:
        with sqlite3.connect(f"file:{quote(str(path))}?mode=rw", uri=True) as database:
            schema = database.execute("PRAGMA user_version").fetchone()[0]
        database.close()
    except sqlite3.Error as error:
        text = f"{path} cannot be read ({getattr(error, 'sqlite_errorname', 'no reason given')})"
        return [Finding("store", fine=False, text=text)]
    wanted = len(schema_steps("sqlite"))
    if schema < wanted:
        text = f"is at {schema}, this version needs {wanted}: run reseal migrate"
    elif schema > wanted:
        text = f"is at {schema}, newer than the {wanted} known here: upgrade Reseal"
    else:
        text = f"is at {schema}"
    return [Finding("schema", fine=schema == wanted, text=text)]


async def _open_store(settings: ServiceSettings, store: AsyncStore, clock: Clock) -> list[Finding]:
    findings = [_clock(clock, (await store.get(Scope(), "-")).now)]
    wrapping = Wrapping(settings.secret_key.reveal() if settings.secret_key else None)
    apps = {DEFAULT_APP, *(row.scope.app_id for row in await store.tenants())}
    for app_id in sorted(apps):
        findings += await _keys(store, wrapping, app_id)
    return findings


def _clock(clock: Clock, store_now: int) -> Finding:
    apart = store_now - clock.wall()
    if abs(apart) <= CLOCK_TOLERANCE:
        return Finding("clock", fine=True, text="agrees with the store")
    side = "behind" if apart > 0 else "ahead of"
    text = f"this machine's clock is {abs(apart) / 1000:.0f} seconds {side} the store's: set it right"
    return Finding("clock", fine=False, text=text)


async def _keys(store: AsyncStore, wrapping: Wrapping, app_id: str) -> list[Finding]:
    stored, findings = await store.keys(app_id), []
    for key in stored:
        try:
            wrapping.open(app_id, key)
        except ConfigurationError as error:
            findings += _told("keys", error)
    kinds = {prefix for prefix in (DYNAMIC, STATIC) for key in stored if key.kid.startswith(prefix)}
    if not findings:
        text = f"{len(stored)} open" if kinds == {DYNAMIC, STATIC} else "none yet; they are made at the first start"
        findings.append(Finding("keys", fine=True, text=f"app {app_id}: {text}"))
    return findings


def _told(subject: str, error: ResealError) -> list[Finding]:
    texts = error.problems if isinstance(error, ConfigurationError) else (str(error),)
    return [Finding(subject, fine=False, text=text) for text in texts]
