"""The service over HTTP: its processor time and the database's, each call beside its two ceilings.

python -m bench.service [--postgres] [--workers 1] [--rounds 15] [--connections 1 32] [--algorithm RS256]
python -m bench.service --before FOLDER    the same beside another state of the package: a checkout, or what pip
                                           installed with ``--target FOLDER``

Starts the service and the constant as processes on free loopback ports, SQLite (or a PostgreSQL of its own) in a
temporary folder, and drives them from this process. Everything alternates in one run, so that the ratios hold on a
machine whose speed changes. With a core for each worker and one more, the service runs on its own cores; the output
says on which. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import stored
from bench.client import Connection, Line, ask_constant
from bench.measure import print_machine, quartiles, ratio, turns
from bench.processes import Cores, Place, cpu, pinned, resident, server, split_cores
from reseal._async.ports import AsyncStore
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store

CONSTANT = "constant answer"
ALONE = "store alone: "
BEFORE = "before: "
CALLS = {
    "verify, seen before": Line.verify,
    "verify, not seen before": Line.verify_unseen,
    "verify against the store": Line.verify_stored,
    "create": Line.create,
    "refresh": Line.refresh,
}
PAIR = "refresh and its first verify"
"""Two requests: what each user causes once in the life of an access token."""
MEASURED = CALLS | {PAIR: Line.refresh_and_verify}
IN_A_TURN = 512
"""Requests in one turn of a variant, whatever the number of connections."""
IN_A_LONE_TURN = 96
"""The most with one connection, which takes longer."""
ANSWER = json.dumps({"status": "OK", "session": {"handle": "x" * 36, "userId": "user-1"}, "filler": "x" * 1400})

Figures = dict[str, Any]
"""What was measured, in the form in which it is kept as JSON. Times are in microseconds."""


@dataclass(frozen=True)
class Plan:
    """What to measure."""

    postgres: bool = False
    workers: int = 1
    rounds: int = 15
    connections: Sequence[int] = (1, 32)
    algorithm: str = "RS256"
    before: Path | None = None
    requests: int = IN_A_TURN
    """In one turn."""

    @property
    def store(self) -> str:
        return "PostgreSQL" if self.postgres else "SQLite"


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own instead of SQLite")
    parser.add_argument("--workers", type=int, default=1, help="processes of either server")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--requests", type=int, default=IN_A_TURN, help="in one turn of a call")
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--algorithm", default="RS256", choices=["RS256", "ES256"], help="of access tokens")
    parser.add_argument("--before", type=Path, metavar="FOLDER", help="of another state of the package")
    print_machine()
    figures = await measure(Plan(**vars(parser.parse_args())))
    print(f"{figures['cores']}\n")
    print(*tables(figures), sep="\n\n")


async def measure(plan: Plan) -> Figures:
    if plan.workers > 1 and not plan.postgres:
        raise SystemExit("--workers: more than one needs --postgres")
    if plan.rounds < 2:
        raise SystemExit("--rounds: a spread needs at least two")
    if plan.before is not None:
        _sources(plan.before)
    cores = split_cores(plan.workers)
    with (
        pinned(cores.load),
        tempfile.TemporaryDirectory(prefix="reseal-bench-") as folder,
        databases_of(folder, plan) as databases,
    ):
        return await _measure_on(databases, Path(folder), cores, plan)


class Databases(NamedTuple):
    """Three empty ones: for the service, for the state before, and for the store alone."""

    now: str
    before: str
    alone: str
    pid: int | None
    """The process of the database, if it has one."""


async def _measure_on(databases: Databases, folder: Path, cores: Cores, plan: Plan) -> Figures:
    command = ["-m", "reseal", "serve", "--port=0", f"--workers={plan.workers}"]
    environ = _environ(databases.now, folder / "state", plan)
    with server(command, environ, cores.service) as first:
        starts = {"service, makes its keys": await _answers(first)}
    store = make_store(ServiceSettings(database_uri=databases.alone))
    await store.open()
    constant = server(["-m", "bench.service_ceiling", str(plan.workers), ANSWER], environ, cores.service)
    old = nullcontext() if plan.before is None else _other(plan, databases, folder, cores)
    try:
        with server(command, environ, cores.service) as ours:
            starts["service"] = await _answers(ours)
            with constant as ceiling:
                starts["constant"] = await _answers(ceiling)
                with old as before:
                    places = Places(ours, ceiling, before, store, databases.pid)
                    measured = await _loads(places, plan)
    finally:
        await store.close()
    described = {"store": plan.store, "algorithm": plan.algorithm, "workers": plan.workers, "cores": str(cores)}
    return described | measured | {"start": starts}


class Places(NamedTuple):
    """What is measured."""

    ours: Place
    ceiling: Place
    before: Place | None
    store: AsyncStore
    database: int | None


@contextmanager
def _other(plan: Plan, databases: Databases, folder: Path, cores: Cores) -> Iterator[Place]:
    """Start the service of another state of the package."""
    assert plan.before is not None
    imported_from = {"PYTHONPATH": str(_sources(plan.before))}
    environ = _environ(databases.before, folder / "state-before", plan) | imported_from
    with server(["-m", "reseal", "serve", "--port=0", f"--workers={plan.workers}"], environ, cores.service) as place:
        yield place


def _sources(before: Path) -> Path:
    """Return the folder from which the other state is imported."""
    found = (before / "src" if (before / "src" / "reseal").is_dir() else before).resolve()
    if not (found / "reseal" / "__init__.py").is_file():
        raise SystemExit(f"--before: {before} has no package reseal: it is neither a checkout nor a --target of pip")
    return found


def _environ(uri: str, state: Path, plan: Plan) -> dict[str, str]:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
    return environ | {
        "RESEAL_DATABASE_URI": uri,
        "RESEAL_STATE_DIR": str(state),
        "RESEAL_SHUTDOWN_DELAY": "0",
        "RESEAL_ACCESS_TOKEN_SIGNING_ALGORITHM": plan.algorithm,
    }


async def _loads(places: Places, plan: Plan) -> Figures:
    """Measure at each number of connections, and the memory before and afterwards."""
    pids = {"service": places.ours.pid, "constant": places.ceiling.pid}
    idle = {name: resident(pid) for name, pid in pids.items()}
    loads = [await _at(many, places, plan) for many in plan.connections]
    return {"loads": loads, "memory": {name: [idle[name], resident(pid)] for name, pid in pids.items()}}


@dataclass(frozen=True)
class Variant:
    """What one of the connections, or callers of the store, does, and whose processor time it is."""

    acts: Sequence[Callable[[], Awaitable[None]]]
    spent: Callable[[], float]


class Sample(NamedTuple):
    """Seconds of one operation."""

    wall: float
    own: float
    database: float


async def _at(many: int, places: Places, plan: Plan) -> Figures:
    """Compare at so many connections."""
    each = plan.requests // many if many > 1 else min(plan.requests, IN_A_LONE_TURN)
    plain = [await Connection.to(places.ceiling.port) for _ in range(many)]
    opened = list(plain)
    variants = {CONSTANT: Variant([partial(ask_constant, caller) for caller in plain], _spent(places.ceiling))}
    for prefix, place in (("", places.ours), (BEFORE, places.before)):
        if place is not None:
            connections = [await Connection.to(place.port) for _ in range(many)]
            lines = [Line(connection) for connection in connections]
            await asyncio.gather(*(line.begin(each) for line in lines))
            opened += connections
            for name, call in MEASURED.items():
                variants[prefix + name] = Variant([partial(call, line) for line in lines], _spent(place))
    alone = [StoredLine(places.store, f"{many}-{n}") for n in range(many)]
    await asyncio.gather(*(line.create() for line in alone))
    for name, of_store in STORED.items():
        variants[ALONE + name] = Variant([partial(of_store, line) for line in alone], time.process_time)
    samples = await _take_samples(variants, each, places.database, plan.rounds)
    for connection in opened:
        connection.close()
    return {"connections": many, "rows": _rows(samples), "against": _against(samples)}


def _spent(place: Place) -> Callable[[], float]:
    return partial(cpu, place.pid)


async def _take_samples(
    variants: Mapping[str, Variant], each: int, database: int | None, rounds: int
) -> dict[str, list[Sample]]:
    """Let the variants take turns. The first round warms up and is not counted."""
    samples: dict[str, list[Sample]] = {name: [] for name in variants}
    of_database = partial(cpu, database) if database is not None else _nothing
    for name in turns(variants, rounds + 1):
        variant = variants[name]
        if name.endswith("seen before") and "not" not in name:
            await all_of(variant.acts, 1)  # the tokens that were verified meanwhile may have taken their place
        own, theirs, began = variant.spent(), of_database(), time.perf_counter()
        await all_of(variant.acts, each)
        wall, count = time.perf_counter() - began, each * len(variant.acts)
        spent = wall, variant.spent() - own, of_database() - theirs
        samples[name].append(Sample(*(seconds / count for seconds in spent)))
    return {name: taken[1:] for name, taken in samples.items()}


def _nothing() -> float:
    return 0


async def all_of(acts: Iterable[Callable[[], Awaitable[None]]], each: int) -> None:
    async def one(act: Callable[[], Awaitable[None]]) -> None:
        for _ in range(each):
            await act()

    await asyncio.gather(*map(one, acts))


class StoredLine:
    """A session that a caller of the store alone keeps."""

    def __init__(self, store: AsyncStore, name: str) -> None:
        self._store = store
        self._name = name
        self._begun = 0
        self._line = stored.Line(name)

    async def create(self) -> None:
        self._begun += 1
        self._line = stored.Line(f"{self._name}-{self._begun}")
        assert await self._store.insert(stored.SCOPE, self._line.begin())

    async def read(self) -> None:
        assert (await self._store.get(stored.SCOPE, self._line.handle)).record

    async def refresh(self) -> None:
        assert await self._store.rotate(stored.SCOPE, self._line.step())


STORED = {
    "verify against the store": StoredLine.read,
    "create": StoredLine.create,
    "refresh": StoredLine.refresh,
}


def _rows(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Figures]:
    constant = _walls(samples[CONSTANT])
    rows = {}
    for name, taken in samples.items():
        wall, ceiling = _walls(taken), _walls(samples.get(ALONE + name, samples[CONSTANT]))
        slower = [max(pair) for pair in zip(constant, ceiling, strict=True)]
        rows[name] = {
            "own": _micros([sample.own for sample in taken]),
            "database": _micros([sample.database for sample in taken]),
            "wall": _micros(wall),
            "of_ceiling": round(1 / ratio(wall, slower), 3) if name.removeprefix(BEFORE) in CALLS else None,
        }
    return rows


def _against(samples: Mapping[str, Sequence[Sample]]) -> dict[str, Figures]:
    """Compare with the state before: how often its processor time, and how often its rate."""
    compared = {}
    for name in MEASURED:
        if before := samples.get(BEFORE + name):
            pairs = list(zip(before, samples[name], strict=True))
            compared[name] = {
                "cpu": [round(part, 3) for part in quartiles([old.own / new.own for old, new in pairs])],
                "rate": [round(part, 3) for part in quartiles([old.wall / new.wall for old, new in pairs])],
            }
    return compared


def _walls(samples: Iterable[Sample]) -> list[float]:
    return [sample.wall for sample in samples]


def _micros(seconds: Sequence[float]) -> list[float]:
    """Return the quartiles, in microseconds."""
    return [round(part * 1e6, 2) for part in quartiles(seconds)]


def tables(figures: Figures) -> Iterator[str]:
    """Write what was measured as tables."""
    for load in figures["loads"]:
        yield load_table(figures, load)
        if load["against"]:
            yield _comparison(load)
    memory = [f"| {name} | {idle:.0f} MB | {after:.0f} MB |" for name, (idle, after) in figures["memory"].items()]
    yield "\n".join(["| resident, all processes | idle | after the load |", "|---|---|---|", *memory])
    starts = [f"| {name} | {seconds:.2f} s |" for name, seconds in figures["start"].items()]
    yield "\n".join(["| from the start of the process to the first answer | |", "|---|---|", *starts])


def load_table(figures: Figures, load: Figures) -> str:
    many = "one connection" if load["connections"] == 1 else f"{load['connections']} connections"
    workers = "one worker" if figures["workers"] == 1 else f"{figures['workers']} workers"
    title = f"{figures['store']}, {figures['algorithm']}, {workers}, {many}"
    head = ("own processor time", "of the database", "time", "requests a second", "of the slower ceiling's rate")
    lines = [f"| {title} | {' | '.join(head)} |", "|---|---|---|---|---|---|"]
    for name, row in load["rows"].items():
        if not name.startswith(BEFORE):
            reached = "" if row["of_ceiling"] is None else f"{100 * row['of_ceiling']:.0f} %"
            database = f"{row['database'][1]:.0f} µs" if row["database"][1] >= 1 else ""
            rate = f"{1e6 / row['wall'][1]:,.0f}" if name != PAIR else f"{1e6 / row['wall'][1]:,.0f} pairs"
            lines.append(
                f"| {name} | {spread(row['own'])} µs | {database} | {row['wall'][1]:.0f} µs | {rate} | {reached} |"
            )
    return "\n".join(lines)


def _comparison(load: Figures) -> str:
    lines = [
        "| own processor time; requests a second | before | now | processor time, before ÷ now | rate, now ÷ before |",
        "|---|---|---|---|---|",
    ]
    for name, compared in load["against"].items():
        before, now = (
            f"{row['own'][1]:.0f} µs; {1e6 / row['wall'][1]:,.0f}"
            for row in (load["rows"][BEFORE + name], load["rows"][name])
        )
        lines.append(
            f"| {name} | {before} | {now} | {spread(compared['cpu'], 2)} × | {spread(compared['rate'], 2)} × |"
        )
    return "\n".join(lines)


def spread(parts: Sequence[float], digits: int = 0) -> str:
    """Write a median with the quartiles below and above it."""
    low, middle, high = (f"{part:.{digits}f}" for part in parts)
    return middle if low == middle == high else f"{middle} ({low}–{high})"


async def _answers(place: Place) -> float:
    """Return the seconds from the start of the process to its first answer, which is asked for as soon as it can be."""
    connection = await Connection.to(place.port)
    await connection.call("GET", "/hello")
    connection.close()
    return round(time.perf_counter() - place.began, 3)


@contextmanager
def databases_of(folder: str, plan: Plan) -> Iterator[Databases]:
    if not plan.postgres:
        now, before, alone = (f"sqlite:///{folder}/{name}.db" for name in ("now", "before", "alone"))
        yield Databases(now, before, alone, None)
        return
    from tests.support.postgres import cluster

    with cluster() as own:
        now, before, alone = (own.uri(own.schema()) for _ in range(3))
        yield Databases(now, before, alone, own.pid)


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
