"""The fault experiments for as long as you like, with the clock in hand; fails if a promise was broken.

python -m bench.soak [--engine postgres|mariadb|redis|sqlite] [--minutes 1] [--only E01 E03 E06 E10 E11 E22 E26]

Processes of the service share a database of its own in a temporary folder, on free loopback ports. While callers
refresh, verify, write and sign out, processes are killed (E01), the database crashes (E03; not SQLite), one token is
presented by 64 at once (E06), keys change every second under caches that miss three calls of ten (E10), the connections
run out (E11; PostgreSQL alone), processes are told to leave under an application and behind nginx (E22), and nothing at
all happens (E26); thieves are about in E01 and E03. What the callers saw is checked as the tests check it, with their
load, experiments and history. Here the recovery also has a limit in seconds, and a process that lives through an
experiment one of memory, files and threads. ``--pace`` (seconds between two calls of a client) makes room for others on
a busy machine. Linux: the resources come from ``/proc``.
"""

from __future__ import annotations

import argparse
import asyncio
import re
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import suppress
from itertools import repeat
from pathlib import Path
from typing import NamedTuple

from bench.measure import print_machine
from reseal.server.config import ServiceSettings
from tests.server import experiments, key_caches
from tests.server.behind_nginx import leave_behind_nginx
from tests.server.experiments import Report
from tests.server.load import Load
from tests.server.running import Resources
from tests.server.sharing import PATIENCE, Process, Sharing
from tests.support.engines import ENGINES, Engine

CLIENTS = 32
SESSIONS = 200
PACE = 0.05
"""Seconds between two calls of a client: leaves a machine of two cores some time to start processes in."""
POOL = 5
KEYED = 8
"""Sessions whose tokens are checked while the keys change."""
WARM_UP = 0.6
"""The part of an experiment's time after which its processes must have what they need."""
SETTLED = 100
"""Seconds of load after which the memory of a process no longer grows; it is compared only after a longer warm-up."""
GROWTH = 1.05
SLOWER = 1.5
"""How much longer than before the fault the same calls may take, where even that was longer than the limit."""
CONNECTIONS = ServiceSettings().postgresql_connection_pool_size
"""Files by which a process may grow besides: connections that its pool had not needed so far."""
QUIET = {"RESEAL_LOG_LEVEL": "WARN"}
FULL_MINUTES = 30
FULL_INJECTIONS = 1_000
FULL_REFRESHES = 10_000
"""What a run of 30 minutes or more must have had at least; the refreshes are those of E01."""
COLUMNS = (
    "| ",
    "injected",
    "refreshes",
    "thefts, all found",
    "recovery, median and worst",
    "from the kill, likewise",
    "each process after the warm-up and at the end |",
)


class Site(NamedTuple):
    """Where an experiment takes place, and for how long."""

    engine: Engine
    sharing: Sharing
    seconds: float
    pace: float
    report: Report
    grown: list[tuple[Resources, Resources]]
    """What each process had after the warm-up and at the end."""


async def _killed(site: Site) -> None:
    load, left = await _load(site), _lasting(site.seconds)
    kills = experiments.kill_processes(site.sharing, load, left, site.report, **QUIET)
    await load.during(_with_thieves(load, site, kills))
    await _look_back(load, site)


async def _crashed(site: Site) -> None:
    load = await _load(site)

    async def go_on(left: Iterator[float]) -> None:
        crashes = experiments.crash_store(site.engine, load, left, site.report)
        await load.during(_with_thieves(load, site, crashes))

    await _compared(site, load.processes, go_on)
    await _look_back(load, site)


async def _presented_at_once(site: Site) -> None:
    processes = await site.sharing.start(2, **QUIET)
    _, reply = await processes[0].create("user")

    async def go_on(left: Iterator[float]) -> None:
        nonlocal reply
        for _ in left:
            reply = await experiments.present_at_once(processes, reply["refreshToken"]["token"], site.report)

    await _compared(site, processes, go_on)


async def _rotated(site: Site) -> None:
    processes = await site.sharing.start(2, before=key_caches.QUICK, **key_caches.SETTINGS, **QUIET)
    changes = key_caches.KeyChanges(processes, site.report, sessions=KEYED)
    await changes.begin()

    async def go_on(left: Iterator[float]) -> None:
        for _ in left:
            await changes.go_on()

    await _compared(site, processes, go_on)


async def _exhausted(site: Site) -> None:
    [process] = await site.sharing.start(1, RESEAL_POSTGRESQL_CONNECTION_POOL_SIZE=str(POOL), **QUIET)
    assert site.engine.cluster is not None
    crowd = experiments.Crowd(process, site.engine.cluster, POOL, site.report)
    await crowd.gather()

    async def go_on(left: Iterator[float]) -> None:
        for _ in left:
            await crowd.meet_a_lock()
            await crowd.is_served()

    await _compared(site, [process], go_on)


async def _left(site: Site) -> None:
    """Half of the time with an application that knows both processes, half behind a proxy."""
    half = site.seconds / 2
    await experiments.leave_in_turn(site.sharing, _lasting(half), site.report, **QUIET)
    with tempfile.TemporaryDirectory(prefix="reseal-nginx-") as folder:
        await leave_behind_nginx(site.sharing, Path(folder), _lasting(half), site.report, pace=site.pace, **QUIET)


async def _undisturbed(site: Site) -> None:
    load = await _load(site)

    async def go_on(left: Iterator[float]) -> None:
        await load.during(_with_thieves(load, site, asyncio.sleep(next(left))))

    await _compared(site, load.processes, go_on)
    await _look_back(load, site)


class Experiment(NamedTuple):
    title: str
    share: float
    """Its part of the time."""
    run: Callable[[Site], Awaitable[None]]
    limit: float | None = None
    """Seconds that a recovery may take, once the process answers, the database takes connections, the lock is gone."""
    engines: tuple[str, ...] = tuple(ENGINES)


EXPERIMENTS = {
    "E01": Experiment("a process is killed", 0.3, _killed, 2),
    "E03": Experiment("the database crashes", 0.25, _crashed, 5, ("postgres", "mariadb", "redis")),
    "E06": Experiment("64 present one token", 0.05, _presented_at_once),
    "E10": Experiment("keys change", 0.15, _rotated),
    "E11": Experiment("500 callers, 5 connections", 0.1, _exhausted, 2, ("postgres",)),
    "E22": Experiment("processes leave", 0.15, _left),
    "E26": Experiment("nothing happens", 0.15, _undisturbed),
}


async def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=1)
    parser.add_argument("--engine", choices=ENGINES, default="postgres")
    parser.add_argument("--pace", type=float, default=PACE)
    parser.add_argument("--only", nargs="+", choices=EXPERIMENTS, default=list(EXPERIMENTS), metavar="E")
    options = parser.parse_args()
    print_machine()
    only = [name for name in options.only if options.engine in EXPERIMENTS[name].engines]
    whole = sum(EXPERIMENTS[name].share for name in only)
    violations: list[str] = []
    injected, refreshes = 0, dict[str, int]()
    print(f"{' | '.join(COLUMNS)}\n|{'---|' * (len(COLUMNS) - 1)}", flush=True)
    with ENGINES[options.engine]() as engine:
        print(engine.title, flush=True)
        for name in only:
            part = EXPERIMENTS[name].share / whole
            site = await _run(EXPERIMENTS[name], engine, options.minutes * 60 * part, options.pace)
            print(_row(name, site), flush=True)
            injected += sum(site.report.injected.values())
            refreshes[name] = site.report.refreshes
            violations += [f"{name}: {text}" for text in (*site.report.violations, *_broken(name, site))]
    if options.minutes >= FULL_MINUTES and options.only == list(EXPERIMENTS):
        violations += _too_small(injected, refreshes["E01"])
    lost, accused = (sum(re.search(rf"\b{kind}\b", text) is not None for text in violations) for kind in ("P1", "P2"))
    print(
        f"\n{injected} faults; lost sessions: {lost}, false thefts: {accused}, all broken promises: {len(violations)}"
    )
    for text in violations:
        print(text)
    return 1 if violations else 0


async def _run(experiment: Experiment, engine: Engine, seconds: float, pace: float) -> Site:
    with tempfile.TemporaryDirectory(prefix="reseal-soak-") as folder:
        sharing = Sharing(engine.make_store(), Path(folder))
        site = Site(engine, sharing, seconds, pace, Report(), [])
        try:
            await experiment.run(site)
        finally:
            await sharing.close()
        site.report.violations += [f"P2: false theft of {handle}" for handle in sharing.accused()]
    return site


def _broken(name: str, site: Site) -> Iterator[str]:
    """Say what was too slow, too much or too little."""
    limit, report = EXPERIMENTS[name].limit, site.report
    most, worst = max([limit or 0, *(SLOWER * usual for usual in report.usual)]), max(report.recoveries, default=0)
    if limit is not None and worst > most:
        yield f"P15: the worst recovery took {worst:.2f} s, which is more than {most:.2f} s"
    if report.failed_afterwards:
        yield f"P15: calls that began after the fault had ended failed: {dict(report.failed_afterwards)}"
    for before, after in site.grown:
        for what, was, now in zip(Resources._fields, before, after, strict=True):
            if what == "memory" and site.seconds * WARM_UP < SETTLED:
                continue
            most = was * GROWTH + (CONNECTIONS if what == "files" else 0)
            if now > most:
                yield f"P14: {what} grew from {was} to {now}"


def _too_small(injected: int, refreshes: int) -> Iterator[str]:
    if injected < FULL_INJECTIONS:
        yield f"only {injected} faults were injected: {FULL_INJECTIONS} are wanted"
    if refreshes < FULL_REFRESHES:
        yield f"E01 had only {refreshes} refreshes: {FULL_REFRESHES} are wanted"


def _row(name: str, site: Site) -> str:
    report = site.report
    injected = [f"{count} × {what}" for what, count in report.injected.items()]
    injected += [f"{report.lost_calls} calls for the keys lost"] if report.lost_calls else []
    cells = (
        f"{name}: {EXPERIMENTS[name].title}",
        ", ".join(injected),
        str(report.refreshes),
        str(report.thefts or ""),
        _times(report.recoveries) + (f" (without a fault {report.usual[0]:.3f} s)" if report.usual else ""),
        _times(report.restarts),
        "; ".join(_grown(before, after) for before, after in site.grown),
    )
    return f"| {' | '.join(cells)} |"


def _grown(before: Resources, after: Resources) -> str:
    memory = f"{before.memory / 2**20:.1f} → {after.memory / 2**20:.1f} MB"
    return f"{memory}, {before.files} → {after.files} files, {before.threads} → {after.threads} threads"


def _times(seconds: Sequence[float]) -> str:
    return f"{statistics.median(seconds):.3f} s, {max(seconds):.3f} s" if seconds else ""


async def _load(site: Site) -> Load:
    processes = await site.sharing.start(2, **QUIET)
    return Load(processes, clients=CLIENTS, sessions=SESSIONS, pace=site.pace, patience=site.seconds + PATIENCE)


async def _with_thieves(load: Load, site: Site, faults: Awaitable[None]) -> None:
    thieves = asyncio.ensure_future(experiments.steal(load, site.sharing.stolen, repeat(None), site.report))
    try:
        await faults
    finally:
        thieves.cancel()
        with suppress(asyncio.CancelledError):
            await thieves


async def _look_back(load: Load, site: Site) -> None:
    await load.nothing_was_lost()
    site.report.note_load(load)


async def _compared(
    site: Site, processes: Sequence[Process], go_on: Callable[[Iterator[float]], Awaitable[None]]
) -> None:
    """Note what the processes have after the warm-up and at the end."""
    await go_on(_lasting(site.seconds * WARM_UP))
    before = await _at_rest(processes)
    await go_on(_lasting(site.seconds * (1 - WARM_UP)))
    site.grown.extend(zip(before, await _at_rest(processes), strict=True))


async def _at_rest(processes: Sequence[Process]) -> list[Resources]:
    """Hang up, and see what each process has once it has noticed."""
    for process in processes:
        await process.connections.close()
    await asyncio.sleep(1)
    return [process.resources() for process in processes]


def _lasting(seconds: float) -> Iterator[float]:
    """Go round for so long; return what is left."""
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        yield left


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
