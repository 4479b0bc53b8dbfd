"""What a call of the embedded product sends to its database: statements, and the bytes that SQLite writes for it.

Counted by ``bench.counts``. A statement is what the driver is told to execute, ``BEGIN`` and ``COMMIT`` too.
"""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final
from unittest import mock

import psycopg

from reseal import AsyncReseal, Settings
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock
from tests.support.postgres import cluster

TIMES: Final = 32
"""Calls that are counted, one after the other, or all at once."""
Counts = dict[str, float]


async def count_statements() -> dict[str, Counts]:
    """Count the calls on SQLite and on PostgreSQL."""
    counted = {}
    with tempfile.TemporaryDirectory(prefix="reseal-counts-") as folder, _sqlite_statements() as seen:
        path = Path(folder, "reseal.db")
        async for name, counts in _count(f"sqlite:///{path}", seen, path.with_name("reseal.db-wal")):
            counted[f"SQLite: {name}"] = counts
    with cluster() as server, _postgres_statements() as seen:
        uri = server.uri(server.schema())
        async for name, counts in _count(uri, seen, None):
            counted[f"PostgreSQL: {name}"] = counts
        async for name, counts in _count(uri, seen, None, at_once=True):
            counted[f"PostgreSQL: {name}, {TIMES} at once"] = counts
    return counted


async def _count(
    uri: str, seen: list[str], log: Path | None, *, at_once: bool = False
) -> AsyncIterator[tuple[str, Counts]]:
    """Count a create, a refresh and a read. ``log``: the file to which SQLite appends what it writes."""
    settings = Settings(api_domain="https://api.example.com", database_uri=uri)
    async with AsyncReseal(settings, clock=ManualClock(), on_event=lambda _event: None) as reseal:
        backend = reseal.backend
        sessions = [await backend.create("user") for _ in range(TIMES)]

        calls: dict[str, Callable[[TokenPair], Awaitable[object]]] = {
            "create": lambda _tokens: backend.create("user"),
            "read a session": lambda tokens: backend.get(tokens.claims.sid),
            "refresh": lambda tokens: backend.refresh(tokens.refresh_token or ""),
        }
        for name, call in calls.items():
            await call(await backend.create("user"))  # opens what it needs
            seen.clear()
            before = _size(log)
            await _run(call, sessions, at_once=at_once)
            counts = {"statements": round(len(seen) / TIMES, 3)}
            if log:
                counts["bytes"] = round((_size(log) - before) / TIMES)
            yield name, counts


async def _run(call: Callable[[TokenPair], Awaitable[object]], sessions: Sequence[TokenPair], *, at_once: bool) -> None:
    if at_once:
        await asyncio.gather(*map(call, sessions))
    else:
        for tokens in sessions:
            await call(tokens)


def _size(log: Path | None) -> int:
    return log.stat().st_size if log else 0


@contextmanager
def _sqlite_statements() -> Iterator[list[str]]:
    seen: list[str] = []
    connect = sqlite3.connect

    def connect_and_trace(*arguments: Any, **options: Any) -> sqlite3.Connection:
        connection = connect(*arguments, **options)
        connection.set_trace_callback(seen.append)
        return connection

    with mock.patch("sqlite3.connect", connect_and_trace):
        yield seen


@contextmanager
def _postgres_statements() -> Iterator[list[str]]:
    seen: list[str] = []
    execute = psycopg.AsyncCursor.execute

    async def execute_and_note(cursor: Any, query: Any, *arguments: Any, **options: Any) -> Any:
        seen.append(str(query))
        return await execute(cursor, query, *arguments, **options)

    with mock.patch.object(psycopg.AsyncCursor, "execute", execute_and_note):
        yield seen
