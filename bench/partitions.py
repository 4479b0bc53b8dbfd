"""Compare one table of sessions on PostgreSQL with hash partitions, in turns.

python -m bench.partitions [--sessions 1000000] [--partitions 16] [--turns 5]

A PostgreSQL of its own in a temporary folder gets the sessions twice. One of the two tables is moved into partitions as
``reseal partition`` does it. Then the same work is done on both in turns: the ratio of the medians is the claim, the
times are of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Callable
from typing import Any, NamedTuple

import psycopg

from bench.measure import print_machine
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.model import Scope
from reseal.core.secret import Secret
from reseal.core.selection import UserPlace
from reseal.server.partitioning import Move, server_of
from reseal.testing.material import new_session, step
from tests.support.postgres import cluster

PUBLIC = Scope()
TOGETHER = 64
"""Calls that are made at once, and so share statements."""
CALLS = 1280
SETTINGS = "-c shared_buffers=512MB -c max_wal_size=4GB -c autovacuum=off"
FILLING = """
INSERT INTO reseal_session (
    app_id, tenant_id, handle, user_id, created_at, expires_at, generation, current_hash, rotated_at, jwt_payload,
    session_data, use_static_key, last_seen_at, version, due_at
)
SELECT
    'public', 'public', 'h-' || n, 'user ' || n / 3, 1, 9999999999999, 0,
    sha256(convert_to('h-' || n || '/0', 'UTF8')), 1,
    json_build_object('text', repeat('x', 200))::text, '{{}}', false, 1, 1, 9999999999999
FROM generate_series(0, {count} - 1) AS n
"""


class Side(NamedTuple):
    """One of the two tables."""

    uri: str
    store: AsyncPostgresStore


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--partitions", type=int, default=16)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    print_machine()
    with cluster(SETTINGS) as server:
        sides = [await _side(server.uri(server.schema()), options.sessions) for _ in range(2)]
        await _move(sides[1].uri, options)
        for name, work in WORK.items():
            seconds: list[list[float]] = [[], []]
            for turn in range(options.turns):
                for n, side in enumerate(sides):
                    seconds[n].append(await _timed(work, side, turn))
            one, parts = map(statistics.median, seconds)
            print(f"{name:<44}{one * 1e3:10.1f} ms{parts * 1e3:10.1f} ms{parts / one:8.2f}", flush=True)
        for side in sides:
            await side.store.close()


async def _side(uri: str, count: int) -> Side:
    store = AsyncPostgresStore(uri, pool_size=2, statement_timeout_ms=600_000)
    await store.open()
    began = time.monotonic()
    _execute(uri, FILLING.format(count=count), "VACUUM ANALYZE reseal_session")
    print(f"filled in {time.monotonic() - began:.0f} s", flush=True)
    return Side(uri, store)


async def _move(uri: str, options: argparse.Namespace) -> None:
    server = server_of(Secret(uri))
    await server.open(upgrade=False)
    began = time.monotonic()
    await Move(server, lambda line: print(f"{time.monotonic() - began:7.1f} s  {line}", flush=True)).run(
        options.partitions
    )
    await server.close()
    _execute(uri, "VACUUM ANALYZE reseal_session")


def _execute(uri: str, *statements: str) -> None:
    with psycopg.connect(uri, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement.encode())


async def _timed(work: Callable[[Side, int], Awaitable[Any]], side: Side, turn: int) -> float:
    began = time.perf_counter()
    await work(side, turn)
    return time.perf_counter() - began


async def _refresh_alone(side: Side, turn: int) -> None:
    for n in range(CALLS // 4):
        assert await side.store.rotate(PUBLIC, step(f"h-{turn * CALLS + n}"))


async def _refresh_together(side: Side, turn: int) -> None:
    first = 10_000 + turn * CALLS
    for n in range(first, first + CALLS, TOGETHER):
        assert all(await asyncio.gather(*(side.store.rotate(PUBLIC, step(f"h-{m}")) for m in range(n, n + TOGETHER))))


async def _create(side: Side, turn: int) -> None:
    for n in range(0, CALLS, TOGETHER):
        new = [new_session(f"new-{turn}-{m}") for m in range(n, n + TOGETHER)]
        assert all(await asyncio.gather(*(side.store.insert(PUBLIC, each) for each in new)))


async def _read(side: Side, turn: int) -> None:
    for n in range(CALLS // 4):
        assert (await side.store.get(PUBLIC, f"h-{turn * CALLS + n}")).record


async def _list(side: Side, turn: int) -> None:
    for n in range(CALLS // 4):
        assert len(await side.store.list_user(PUBLIC, f"user {turn * CALLS + n}", UserPlace(), 10)) == 3


async def _purge(side: Side, turn: int) -> None:
    gone = [(await side.store.purge(500)).removed for _ in range(10)]
    assert sum(gone) == 5_000, turn


async def _make_due(side: Side, turn: int) -> None:
    first = 30_000 + turn * 5_000
    _execute(
        side.uri,
        "UPDATE reseal_session SET due_at = 1, expires_at = 1 WHERE app_id = 'public' AND tenant_id = 'public' "
        f"AND handle = ANY (SELECT 'h-' || n FROM generate_series({first}, {first + 4_999}) AS n)",
    )


async def _vacuum(side: Side, _turn: int) -> None:
    _execute(side.uri, "VACUUM (INDEX_CLEANUP ON) reseal_session")


async def _vacuum_longest(side: Side, _turn: int) -> None:
    """The longest vacuum of what one worker has to do at a stretch: the table, or a partition."""
    with psycopg.connect(side.uri) as connection:
        found = connection.execute("SELECT relid::regclass::text FROM pg_partition_tree('reseal_session') WHERE isleaf")
        table = next((name for (name,) in found), "reseal_session")
    _execute(side.uri, f"VACUUM (INDEX_CLEANUP ON) {table}")


WORK = {
    f"{CALLS // 4} refreshes, one after the other": _refresh_alone,
    f"{CALLS} refreshes, {TOGETHER} at once": _refresh_together,
    f"{CALLS} new sessions, {TOGETHER} at once": _create,
    f"{CALLS // 4} reads, one after the other": _read,
    f"{CALLS // 4} lists of a user's sessions": _list,
    "(5,000 sessions become due)": _make_due,
    "purge of 5,000": _purge,
    "vacuum of all": _vacuum,
    "vacuum of one table": _vacuum_longest,
}


if __name__ == "__main__":
    asyncio.run(main())
