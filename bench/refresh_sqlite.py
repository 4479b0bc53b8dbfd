"""The cost of a refresh on SQLite with ``synchronous=FULL``, and its growth with the table.

1. Group commit: callers that refresh concurrently through one engine, each its own session, against the same engine
   doing the same refreshes one after the other on a plain connection, ``BEGIN … UPDATE … COMMIT`` for each.
2. Statements: the store alone, one statement for all writes of a batch against one for each, either in one transaction.
3. Growth: 32 callers on sessions picked at random out of 10^3, 10^4, 10^5 (``--large``: 10^6) against 10^3.

    python bench/refresh_sqlite.py [--rounds 30] [--large] [--folder DIR]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import sqlite3
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from measure import Variant, median, micro, print_machine, ratio, take_turns
from stored import SCOPE, Line

from reseal import AsyncEngine, AsyncSQLiteStore, Engine, Settings, SQLiteStore
from reseal.clock import Mark
from reseal.core import refresh_token
from reseal.core.model import Device, NewSession
from reseal.stores import rows
from reseal.stores.sqlite import file as sqlite_file
from reseal.stores.sqlite.batch_jobs import Job, T
from reseal.stores.sqlite.tables import Tables

CALLERS = 32
GROUP_TARGET = 5.0
GROWTH_TARGET = 1.5
SETTINGS = Settings(api_domain="https://api.example.com", database_uri="memory:")
PAYLOAD = {"role": "admin", "organisation": "6f0b8c1e", "mfa": True}
DEVICE = Device("192.0.2.7", "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--large", action="store_true", help="also a table of a million sessions (about 1 GB)")
    parser.add_argument("--folder", type=Path, help="where the databases go, not in memory; default: the usual place")
    options = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as folder:
        asyncio.run(group_commit(Path(folder), options.rounds))
        asyncio.run(statements(Path(folder), options.rounds))
    sizes = [10**3, 10**4, 10**5] + ([10**6] if options.large else [])
    with tempfile.TemporaryDirectory(dir=options.folder, ignore_cleanup_errors=True) as folder:
        asyncio.run(growth(Path(folder), options.rounds, sizes))


# -- group commit ----------------------------------------------------------------------------------------------------


class CommitEach(SQLiteStore):
    """The same statements in the thread of the caller: one transaction, and one ``fsync``, for each write."""

    def _write(self, job: Callable[[sqlite3.Connection], Any]) -> Any:
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        result = job(connection)
        self._raise_high_water(connection)
        connection.execute("COMMIT")
        return result

    def open(self) -> None:
        super().open()
        self._connection = self._connect()


async def group_commit(folder: Path, rounds: int) -> None:
    each = Engine(SETTINGS, CommitEach(folder / "each.db"))
    each.open()
    chain = each.create("user-0", PAYLOAD).refresh_token or ""

    async def one_commit_each() -> int:
        nonlocal chain
        for _ in range(50):
            chain = each.refresh(chain).refresh_token or ""
        return 50

    async with AsyncEngine(SETTINGS, AsyncSQLiteStore(folder / "group.db")) as engine:
        variants = {
            "one commit for each refresh": one_commit_each,
            "Reseal, 1 caller": await _callers(engine, 1, 50),
            f"Reseal, {CALLERS} callers": await _callers(engine, CALLERS, 10),
            "fsync of 4 KB, nothing else": _fsync(folder / "fsync"),
        }
        seconds = await take_turns(variants, rounds)
    each.close()
    base = seconds["one commit for each refresh"]
    print("Refresh on SQLite, synchronous=FULL")
    for name, times in seconds.items():
        print(
            f"  {name:<34}{micro(median(times))}   {1 / median(times):8.0f}/s   {ratio(base, times):5.2f} × the first"
        )
    print(f"  target: with {CALLERS} callers at least {GROUP_TARGET} × the first\n")


async def _callers(engine: AsyncEngine, callers: int, refreshes: int) -> Variant:
    chains = [(await engine.create(f"user-{n}", PAYLOAD)).refresh_token or "" for n in range(callers)]

    async def chain(n: int) -> None:
        for _ in range(refreshes):
            chains[n] = (await engine.refresh(chains[n])).refresh_token or ""

    async def all_chains() -> int:
        await asyncio.gather(*(chain(n) for n in range(callers)))
        return callers * refreshes

    return all_chains


def _fsync(path: Path) -> Variant:
    file = os.open(path, os.O_CREAT | os.O_WRONLY)
    block = os.urandom(4096)

    async def variant() -> int:
        for _ in range(50):
            os.write(file, block)
            os.fdatasync(file)
        return 50

    return variant


# -- statements ------------------------------------------------------------------------------------------------------


class StatementEach(AsyncSQLiteStore):
    """A statement for each write, in the one transaction of its batch."""

    async def _write(self, job: Job[T]) -> T:
        return await super()._write(partial(job))  # no longer one of a kind


async def statements(folder: Path, rounds: int) -> None:
    variants: dict[str, Variant] = {}
    stores = {"a statement for all": AsyncSQLiteStore(folder / "all.db")}
    stores["a statement for each"] = StatementEach(folder / "for-each.db")
    for name, store in stores.items():
        await store.open()
        variants[name] = await _refreshes(store)
    cpu: dict[str, list[float]] = {name: [] for name in variants}
    seconds = await take_turns({name: partial(_with_cpu, cpu[name], way) for name, way in variants.items()}, rounds)
    print(f"The store alone, {CALLERS} callers: time, processor time, and both of a statement for each against it")
    each = "a statement for each"
    for name, times in seconds.items():
        print(
            f"  {name:<34}{micro(median(times))} {micro(median(cpu[name]))}"
            f"   {ratio(seconds[each], times):5.2f} × {ratio(cpu[each], cpu[name]):5.2f} ×"
        )
    print()
    for store in stores.values():
        await store.close()


async def _with_cpu(spent: list[float], variant: Variant) -> int:
    began = time.process_time()
    count = await variant()
    spent.append((time.process_time() - began) / count)
    return count


async def _refreshes(store: AsyncSQLiteStore) -> Variant:
    lines = [Line(str(uuid.uuid4())) for _ in range(CALLERS)]
    for line in lines:
        await store.insert(SCOPE, line.begin())

    async def caller(line: Line) -> None:
        for _ in range(10):
            assert await store.rotate(SCOPE, line.step())

    async def all_callers() -> int:
        await asyncio.gather(*map(caller, lines))
        return CALLERS * 10

    return all_callers


# -- growth ----------------------------------------------------------------------------------------------------------


async def growth(folder: Path, rounds: int, sizes: list[int]) -> None:
    async with _engines(folder, sizes) as engines:
        variants = {}
        for size, engine in engines.items():
            variants[f"{size:>9,} sessions"] = _scattered(engine, _fill(engine, folder / f"{size}.db", size))
        seconds = await take_turns(variants, rounds)
    smallest = next(iter(seconds.values()))
    print(f"Refresh among more and more sessions, {CALLERS} callers, sessions picked at random")
    for name, times in seconds.items():
        print(f"  {name:<34}{micro(median(times))}   {1 / median(times):8.0f}/s   {ratio(times, smallest):5.2f} ×")
    print(f"  target: at most {GROWTH_TARGET} × the smallest")


@asynccontextmanager
async def _engines(folder: Path, sizes: list[int]) -> AsyncIterator[dict[int, AsyncEngine]]:
    engines = {size: AsyncEngine(SETTINGS, AsyncSQLiteStore(folder / f"{size}.db")) for size in sizes}
    for engine in engines.values():
        await engine.open()
    try:
        yield engines
    finally:
        for engine in engines.values():
            await engine.close()


def _fill(engine: Any, path: Path, size: int) -> list[str]:
    """Write sessions straight into the file, in one transaction; return the refresh tokens of some of them."""
    mac_key, scope, tables = engine._keeper.ring.refresh_key, SETTINGS.scope, Tables()
    wanted = set(random.sample(range(size), 1000))
    tokens = []
    connection = sqlite_file.connect(path)
    connection.execute("BEGIN IMMEDIATE")
    for n in range(size):
        token = refresh_token.mint(scope, mac_key, str(uuid.uuid4()), 0, os.urandom(refresh_token.SECRET_BYTES))
        tables.insert(connection, rows.of_new(scope, _new(token, n)), engine._clock.wall(), ())
        if n in wanted:
            tokens.append(token.text)
    tables.raise_high_water(connection, Mark(engine._clock.wall()))
    connection.execute("COMMIT")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    return tokens


def _new(token: refresh_token.RefreshToken, n: int) -> NewSession:
    return NewSession(
        handle=token.handle,
        user_id=f"user-{n}",
        token_hash=token.hash,
        idle_ms=SETTINGS.idle_ms,
        absolute_ms=None,
        jwt_payload=b'{"role":"admin","organisation":"6f0b8c1e","mfa":true}',
        session_data=b"{}",
        device=DEVICE,
    )


def _scattered(engine: AsyncEngine, tokens: list[str]) -> Variant:
    random.shuffle(tokens)

    async def caller(mine: range) -> None:
        for n in mine:
            tokens[n] = (await engine.refresh(tokens[n])).refresh_token or ""

    async def variant() -> int:
        await asyncio.gather(*(caller(range(first, len(tokens), CALLERS)) for first in range(CALLERS)))
        return len(tokens)

    return variant


if __name__ == "__main__":
    main()
