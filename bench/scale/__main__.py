"""What the calls of the engine take in stores of a thousand to ten million sessions, and what these take themselves.

python -m bench.scale [PostgreSQL MariaDB SQLite Redis] [--sizes 1000 100000 10000000] [--rounds 9] [--record]

Starts each database in a temporary folder (TMPDIR), fills a store for each size by the database's own bulk way, with
rows as the store writes them, and calls engines over them in turns: each call on each size, round by round, so that
what else the machine does falls on all of them. A ratio is the median over the rounds. Ten million sessions take up
to 20 GB of disk and half an hour. ``--record`` keeps the figures in ``bench/scale/figures.json``, from which
``python -m bench.report`` makes tables and plots. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import time
from typing import Any, Final

import uvloop

from bench.measure import machine, median, quartiles, ratio
from bench.scale import tables
from bench.scale.calls import PREPARATIONS, Sample, Stored, opened
from bench.scale.engines import Database, memory, started

LARGE: Final = {"PostgreSQL": 10**7, "MariaDB": 10**7, "SQLite": 10**6, "Redis": 10**6}
Figures = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("engines", nargs="*", metavar="ENGINE", help="default: all", default=list(LARGE))
    parser.add_argument(
        "--sizes", type=int, nargs="+", help="sessions, in thousands' steps; default: up to 10^7 or 10^6"
    )
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--record", action="store_true")
    options = parser.parse_args()
    unknown = set(options.engines) - set(LARGE)
    if unknown:
        parser.error(f"ENGINE: {', '.join(sorted(unknown))} is none of {', '.join(LARGE)}")
    if options.rounds < 2 or any(size % 1000 or size < 1000 for size in options.sizes or ()):
        parser.error("--rounds: at least 2. --sizes: multiples of 1000")
    print(f"{machine()}\n", flush=True)
    for name in options.engines:
        measured = uvloop.run(measure(name, options.sizes or [10**3, 10**5, LARGE[name]], options.rounds))
        print(f"{name}\n\n{tables.calls_table(measured)}\n\n{tables.space_table({name: measured})}\n", flush=True)
        if options.record:
            tables.record(name, measured)


async def measure(name: str, sizes: list[int], rounds: int) -> Figures:
    """Fill stores of these sizes, and measure the calls on each of them."""
    load = os.getloadavg()[0]
    with started(name) as database:
        stores = []
        filled = []
        try:
            for size in sizes:
                stores.append(await opened(database, size))
                filled.append(await _filled(database, stores[-1]))
            await asyncio.to_thread(database.settle, [store.uri for store in stores])
            samples = await _rounds(stores, rounds)
            for kept in filled:
                kept["memory_after_calls"] = memory(database)
        finally:
            for each in stores:
                await each.engine.close()
    when = {"when": time.strftime("%B %Y"), "machine": machine(), "load": [load, os.getloadavg()[0]], "rounds": rounds}
    return when | {"sizes": sizes, "filled": filled, "calls": {call: _summed(each) for call, each in samples.items()}}


async def _filled(database: Database, store: Stored) -> Figures:
    """Fill a store; return the time and what it takes."""
    before, began, on_disk = memory(database), time.perf_counter(), sum(database.disk(store.uri).values())
    await store.fill()
    seconds = time.perf_counter() - began
    disk = database.disk(store.uri)
    print(f"{store.size:,} sessions: {seconds:.0f} s, {sum(disk.values()) - on_disk:,} bytes", flush=True)
    return {"seconds": seconds, "disk": disk, "disk_before": on_disk, "memory": [before, memory(database)]}


async def _rounds(stores: list[Stored], rounds: int) -> dict[str, list[list[Sample]]]:
    """Measure each call on each store in turns; the first round warms up and is not counted."""
    samples: dict[str, list[list[Sample]]] = {call: [[] for _ in stores] for call in PREPARATIONS}
    order = list(range(len(stores)))
    for number in range(rounds + 1):
        for call in PREPARATIONS:
            for n in order:
                sample = await stores[n].turn(call)
                if number:
                    samples[call][n].append(sample)
        order.append(order.pop(0))
    return samples


def _summed(samples: list[list[Sample]]) -> list[Figures]:
    """Return the medians for each size, in microseconds, and the ratios to the first."""
    first = samples[0]
    return [
        {
            "wall": [round(1e6 * value, 1) for value in quartiles([sample.wall for sample in each])],
            "own": round(1e6 * median(sample.own for sample in each), 1),
            "database": round(1e6 * median(sample.database for sample in each), 1),
            "log": round(median(sample.log for sample in each)),
            "growth": round(ratio([sample.wall for sample in each], [sample.wall for sample in first]), 3),
            "growth_of_work": round(
                ratio([one.own + one.database for one in each], [one.own + one.database for one in first]), 3
            ),
        }
        for each in samples
    ]


if __name__ == "__main__":
    main()
