"""Refreshes on PostgreSQL at the store: one statement for a batch, one statement each, a transaction with a row lock.

python -m bench.refresh_postgres [--callers 32] [--rounds 7] [--uri postgresql://…]

Without ``--uri`` it starts a server of its own, with its durability as it comes. The variants take turns in one run on
the same rows; the ratio is the claim, the times are of this machine.
"""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from contextlib import contextmanager
from functools import partial
from time import process_time

from bench.measure import median, micro, print_machine, ratio, take_turns
from bench.stored import SCOPE, Line
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.model import Rotation
from reseal.stores import rows

EACH = 40
"""Refreshes of each caller in one turn."""
LOCK = "SELECT current_hash FROM reseal_session WHERE app_id = %s AND tenant_id = %s AND handle = %s FOR UPDATE"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--callers", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--uri")
    options = parser.parse_args()
    print_machine()
    with _server(options.uri) as uri:
        store = AsyncPostgresStore(uri, pool_size=options.callers)
        await store.open()
        try:
            await _compare(store, options.callers, options.rounds)
        finally:
            await store.close()


async def _compare(store: AsyncPostgresStore, callers: int, rounds: int) -> None:
    lines = [Line(f"line {n}") for n in range(callers)]
    await asyncio.gather(*(store.insert(SCOPE, line.begin()) for line in lines))
    for many in sorted({callers, 1}, reverse=True):
        ways = {
            "batch": partial(_all, lines[:many], partial(store.rotate, SCOPE)),
            "one statement": partial(_all, lines[:many], partial(_one_statement, store)),
            "transaction": partial(_all, lines[:many], partial(_transaction, store)),
        }
        cpu: dict[str, list[float]] = {name: [] for name in ways}
        seconds = await take_turns({name: partial(_with_cpu, cpu[name], way) for name, way in ways.items()}, rounds)
        print(f"{many} callers: time, rate, ratio of the times, our own CPU, ratio of the CPU; a refresh")
        for name, each in seconds.items():
            times, work = ratio(each, seconds["batch"]), ratio(cpu[name], cpu["batch"])
            print(f"  {name:14}{micro(median(each))} {1 / median(each):8.0f}/s {times:6.2f} x", end="")
            print(f" {micro(median(cpu[name]))} {work:6.2f} x")


async def _with_cpu(spent: list[float], way: Callable[[], Awaitable[int]]) -> int:
    began = process_time()
    count = await way()
    spent.append((process_time() - began) / count)
    return count


async def _all(lines: list[Line], refresh: Callable[[Rotation], Awaitable[object]]) -> int:
    async def one(line: Line) -> None:
        for _ in range(EACH):
            assert await refresh(line.step())

    await asyncio.gather(*map(one, lines))
    return EACH * len(lines)


async def _one_statement(store: AsyncPostgresStore, rotation: Rotation) -> object:
    values = store._timed(rows.of_rotation(SCOPE, rotation))
    return [rows.to_record(row[2:]) for row in await store._server.fetch("rotate", values)]


async def _transaction(store: AsyncPostgresStore, rotation: Rotation) -> object:
    async def work(link):
        async with link.transaction():
            found = await link.execute(LOCK, (*SCOPE, rotation.handle), prepare=True, binary=True)
            [(current,)] = await found.fetchall()
            assert current == rotation.presented_hash
            values = store._timed(rows.of_rotation(SCOPE, rotation))
            return [rows.to_record(row[2:]) for row in await link.fetch("rotate", values)]

    return await store._server.run(work)


@contextmanager
def _server(uri):
    if uri:
        yield uri
        return
    from tests.support.postgres import cluster

    with cluster() as own:
        yield own.uri()


if __name__ == "__main__":
    asyncio.run(main())
