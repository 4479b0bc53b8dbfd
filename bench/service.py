"""The service over HTTP, against two ceilings of the same run: its HTTP stack alone, and its store alone.

python -m bench.service [--postgres] [--workers 1] [--rounds 9] [--connections 1 32] [--algorithm RS256]

Starts the service and the constant as processes on free loopback ports, SQLite (or a PostgreSQL of its own) in a
temporary folder, and drives both from this process over connections that are kept. It prints tables for
``docs/benchmarks.md``; their ratios are the claim. Linux: the resident memory comes from ``/proc``.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bench import stored
from bench.measure import median, print_machine, ratio, take_turns
from reseal._async.ports import AsyncStore
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store

ROOT = Path(__file__).resolve().parents[1]
CONSTANT = "constant answer"
ALONE = "store alone: "
IN_A_TURN = 256
"""Requests in one turn of a variant, whatever the number of connections."""
IN_A_LONE_TURN = 96
STOP_SECONDS = 60
VERSION = "5.4"
CREATE = {"userId": "user-1", "userDataInJWT": {"role": "reader"}, "userDataInDatabase": {}}
COMMON = {"enableAntiCsrf": False}
ANSWER = json.dumps({"status": "OK", "session": {"handle": "x" * 36, "userId": "user-1"}, "filler": "x" * 1400})


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--postgres", action="store_true", help="on a PostgreSQL of its own instead of SQLite")
    parser.add_argument("--workers", type=int, default=1, help="processes of either server")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    parser.add_argument("--algorithm", default="RS256", choices=["RS256", "ES256"], help="of access tokens")
    options = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="reseal-bench-") as folder, _databases(folder, options) as uris:
        await _compare(Path(folder), *uris, options)


async def _compare(folder: Path, uri: str, uri_alone: str, options: argparse.Namespace) -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
    environ |= {"RESEAL_DATABASE_URI": uri, "RESEAL_STATE_DIR": str(folder / "state"), "RESEAL_SHUTDOWN_DELAY": "0"}
    environ |= {"RESEAL_ACCESS_TOKEN_SIGNING_ALGORITHM": options.algorithm}
    service = ["-m", "reseal", "serve", "--port=0", f"--workers={options.workers}"]
    with _server(service, environ) as first:
        first_start = await _answers(first)
    constant = ["-m", "bench.service_ceiling", str(options.workers), ANSWER]
    store = make_store(ServiceSettings(database_uri=uri_alone))
    await store.open()
    try:
        with _server(service, environ) as ours:
            starts = {"service, makes its keys": first_start, "service": await _answers(ours)}
            with _server(constant, environ) as ceiling:
                starts["constant"] = await _answers(ceiling)
                await _report(ours, ceiling, store, starts, options)
    finally:
        await store.close()


async def _report(
    ours: Place, ceiling: Place, store: AsyncStore, starts: Mapping[str, float], options: argparse.Namespace
) -> None:
    places = {"service": ours, "constant": ceiling}
    idle = {name: _resident(place.process.pid) for name, place in places.items()}
    for many in options.connections:
        await _at(many, ours, ceiling, store, options)
    print("| resident, all processes | idle | afterwards |\n|---|---|---|")
    for name, place in places.items():
        print(f"| {name} | {idle[name]:.0f} MB | {_resident(place.process.pid):.0f} MB |")
    print("\n| from the start of the process to the first answer | |\n|---|---|")
    for name, seconds in starts.items():
        print(f"| {name} | {seconds:.2f} s |")


async def _at(many: int, ours: Place, ceiling: Place, store: AsyncStore, options: argparse.Namespace) -> None:
    """Compare at so many connections."""
    callers = [await Connection.to(ours.port) for _ in range(many)]
    plain = [await Connection.to(ceiling.port) for _ in range(many)]
    lines = [Line(caller) for caller in callers]
    for line in lines:
        await line.create()
    alone = [StoredLine(store, f"{many}-{n}") for n in range(many)]
    await asyncio.gather(*(line.create() for line in alone))
    each = max(IN_A_TURN // many, 1) if many > 1 else IN_A_LONE_TURN
    calls: dict[str, list[Callable[[], Awaitable[None]]]] = {
        CONSTANT: [partial(_constant, caller) for caller in plain],
        "verify": [line.verify for line in lines],
        "verify, asks the store": [partial(line.verify, ask=True) for line in lines],
        "create": [line.create for line in lines],
        "refresh": [line.refresh for line in lines],
        f"{ALONE}verify, asks the store": [line.read for line in alone],
        f"{ALONE}create": [line.create for line in alone],
        f"{ALONE}refresh": [line.refresh for line in alone],
    }
    pids = {name: ours.process.pid for name in calls if not name.startswith(ALONE)} | {CONSTANT: ceiling.process.pid}
    cpu: dict[str, list[float]] = {name: [] for name in calls}
    turns = {name: partial(_all, each_of, each) for name, each_of in calls.items()}
    watched = {name: partial(_with_cpu, cpu[name], pids.get(name), turn) for name, turn in turns.items()}
    _print(many, await take_turns(watched, options.rounds), cpu, options)
    for caller in (*callers, *plain):
        caller.close()


def _print(
    many: int, seconds: Mapping[str, list[float]], cpu: Mapping[str, list[float]], options: argparse.Namespace
) -> None:
    store = "PostgreSQL" if options.postgres else "SQLite"
    print(f"{store}, {options.algorithm}, workers: {options.workers}, connections: {many}\n")
    print(
        "| | time | its own CPU | requests a second | of the constant's rate | of the slower ceiling's rate |\n"
        "|---|---|---|---|---|---|"
    )
    constant = seconds[CONSTANT]
    for name, took in seconds.items():
        alone = seconds.get(f"{ALONE}{name}", constant)
        slower = [max(pair) for pair in zip(constant, alone, strict=True)]
        reached = "" if name == CONSTANT or name.startswith(ALONE) else f"{100 / ratio(took, slower):.0f} %"
        rate, of_constant = 1 / median(took), f"{100 / ratio(took, constant):.0f} %"
        own = f"{median(cpu[name]) * 1e6:.0f} µs"
        print(f"| {name} | {median(took) * 1e6:.0f} µs | {own} | {rate:.0f} | {of_constant} | {reached} |")
    print()


async def _with_cpu(spent: list[float], pid: int | None, turn: Callable[[], Awaitable[int]]) -> int:
    """Note the processor time of a server, or of this process: it says more than the clock where others work too."""
    spend = time.process_time if pid is None else partial(_cpu, pid)
    began = spend()
    count = await turn()
    spent.append((spend() - began) / count)
    return count


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


async def _all(calls: Sequence[Callable[[], Awaitable[None]]], each: int) -> int:
    async def one(call: Callable[[], Awaitable[None]]) -> None:
        for _ in range(each):
            await call()

    await asyncio.gather(*map(one, calls))
    return each * len(calls)


class Connection:
    """A connection that is kept, for one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
        self._reader = reader
        self._writer = writer
        self._host = f"127.0.0.1:{port}"

    @classmethod
    async def to(cls, port: int) -> Connection:
        connection = cls(*await asyncio.open_connection("127.0.0.1", port), port)
        connection._writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return connection

    async def call(self, method: str, path: str, value: Mapping[str, Any] | None = None) -> bytes:
        body = b"" if value is None else json.dumps(value).encode()
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\ncdi-version: {VERSION}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._writer.write(head.encode() + body)
        answer = (await self._reader.readuntil(b"\r\n\r\n")).lower()
        length = int(answer.split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])
        found = await self._reader.readexactly(length)
        if not answer.startswith(b"http/1.1 200"):
            raise RuntimeError(f"{method} {path}: {answer.split(b' ', 2)[1].decode()} {found.decode()}")
        return found

    def close(self) -> None:
        self._writer.close()


class Line:
    """A session of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._access = self._refresh = ""

    async def create(self) -> None:
        found = await self._post("/recipe/session", CREATE | COMMON | {"useDynamicSigningKey": True})
        self._access, self._refresh = found["accessToken"]["token"], found["refreshToken"]["token"]

    async def verify(self, *, ask: bool = False) -> None:
        more = {"accessToken": self._access, "doAntiCsrfCheck": False, "checkDatabase": ask}
        await self._post("/recipe/session/verify", COMMON | more)

    async def refresh(self) -> None:
        """Go on with the refresh token only: the access token of ``create`` stays the one that is verified."""
        more = {"refreshToken": self._refresh, "useDynamicSigningKey": True}
        found = await self._post("/recipe/session/refresh", COMMON | more)
        self._refresh = found["refreshToken"]["token"]

    async def _post(self, path: str, value: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(await self._connection.call("POST", path, value))
        if found["status"] != "OK":
            raise RuntimeError(f"{path}: {found['status']}")
        return found


async def _constant(connection: Connection) -> None:
    """Send as much as a refresh does, and read the answer as it is read."""
    json.loads(await connection.call("POST", "/", COMMON | {"refreshToken": "x" * 400}))


class Place(NamedTuple):
    """A running server."""

    process: subprocess.Popen[str]
    port: int
    began: float


@contextmanager
def _server(arguments: Sequence[str], environ: Mapping[str, str]) -> Iterator[Place]:
    """Start a server that says ``… <host>:<port> with PID: …`` once it answers; stop it by its pid."""
    began = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *arguments], env=dict(environ), cwd=ROOT, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        line = process.stdout.readline() if process.stdout else ""
        if " with PID: " not in line:
            raise RuntimeError(f"did not start: {' '.join(arguments[:3])}")
        yield Place(process, int(line.partition(" with PID: ")[0].rpartition(":")[2]), began)
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


async def _answers(place: Place) -> float:
    """Return the seconds from the start of the process to its first answer, which is asked for as soon as it can be."""
    connection = await Connection.to(place.port)
    await connection.call("GET", "/hello")
    connection.close()
    return time.perf_counter() - place.began


def _cpu(pid: int) -> float:
    """Return the seconds of processor time of a process and its children, all threads."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    own = sum(int(task.read_text("ascii").split()[0]) for task in tasks) / 1e9
    return own + sum(map(_cpu, _children(pid)))


def _children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()]


def _resident(pid: int) -> float:
    """Return the resident megabytes of a process and its children."""
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    own = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
    return own + sum(map(_resident, _children(pid)))


@contextmanager
def _databases(folder: str, options: argparse.Namespace) -> Iterator[tuple[str, str]]:
    """Return two empty ones: for the service, and for the store alone."""
    if options.workers > 1 and not options.postgres:
        raise SystemExit("more than one worker needs --postgres")
    if not options.postgres:
        yield f"sqlite:///{folder}/reseal.db", f"sqlite:///{folder}/alone.db"
        return
    from tests.support.postgres import cluster

    with cluster() as server:
        yield server.uri(server.schema()), server.uri(server.schema())


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
