"""The service over HTTP, against the ceiling: the same HTTP stack answering a constant, measured in the same run.

python -m bench.service [--postgres] [--workers 1] [--rounds 5] [--connections 1 32]

Starts the service and the ceiling as processes on free loopback ports, SQLite (or a PostgreSQL of its own) in a
temporary folder, and drives both from this process over connections that are kept. The ratios are the claim. Linux: the
resident memory comes from ``/proc``.
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

from bench.measure import median, micro, print_machine, ratio, take_turns

ROOT = Path(__file__).resolve().parents[1]
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
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 32])
    options = parser.parse_args()
    print_machine()
    with tempfile.TemporaryDirectory(prefix="reseal-bench-") as folder, _database(folder, options) as uri:
        await _compare(Path(folder), uri, options)


async def _compare(folder: Path, uri: str, options: argparse.Namespace) -> None:
    environ = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
    environ |= {"RESEAL_DATABASE_URI": uri, "RESEAL_STATE_DIR": str(folder / "state"), "RESEAL_SHUTDOWN_DELAY": "0"}
    service = ["-m", "reseal", "serve", "--port=0", f"--workers={options.workers}"]
    with _server(service, environ) as first:
        first_start = await _answers(first)
    constant = ["-m", "bench.service_ceiling", str(options.workers), ANSWER]
    with _server(service, environ) as ours:
        starts = {"first start, makes keys": first_start, "start": await _answers(ours)}
        with _server(constant, environ) as ceiling:
            starts["ceiling"] = await _answers(ceiling)
            await _report(ours, ceiling, starts, options)


async def _report(ours: Place, ceiling: Place, starts: Mapping[str, float], options: argparse.Namespace) -> None:
    idle = {"service": _resident(ours.process.pid), "ceiling": _resident(ceiling.process.pid)}
    for many in options.connections:
        await _at(many, ours, ceiling, options.rounds)
    print("resident, all processes of a server")
    for name, place in (("service", ours), ("ceiling", ceiling)):
        print(f"  {name:26}{idle[name]:8.1f} MB idle {_resident(place.process.pid):8.1f} MB afterwards")
    print("from the start of the process to the first answer")
    for name, seconds in starts.items():
        print(f"  {name:26}{seconds * 1000:8.0f} ms")


async def _at(many: int, ours: Place, ceiling: Place, rounds: int) -> None:
    """Compare at so many connections."""
    callers = [await Connection.to(ours.port) for _ in range(many)]
    plain = [await Connection.to(ceiling.port) for _ in range(many)]
    lines = [Line(caller) for caller in callers]
    for line in lines:
        await line.create()
    each = max(IN_A_TURN // many, 1) if many > 1 else IN_A_LONE_TURN
    variants: dict[str, Callable[[], Awaitable[int]]] = {
        "ceiling": partial(_all, [partial(_constant, caller) for caller in plain], each),
        "verify": partial(_all, [line.verify for line in lines], each),
        "verify, asks the store": partial(_all, [partial(line.verify, ask=True) for line in lines], each),
        "create": partial(_all, [line.create for line in lines], each),
        "refresh": partial(_all, [line.refresh for line in lines], each),
        "signature": _signatures(32),
    }
    seconds = await take_turns(variants, rounds)
    signing = seconds.pop("signature")
    print(f"{many} connections: time against the ceiling, against one RSA signature; a request, requests a second")
    for name, took in seconds.items():
        print(f"  {name:26}{ratio(took, seconds['ceiling']):6.2f} x {ratio(took, signing):6.2f} x", end="")
        print(f" {micro(median(took))} {1 / median(took):8.0f}/s")
    print(f"  {'one RSA signature':26}{'':18}{micro(median(signing))}\n")
    for caller in (*callers, *plain):
        caller.close()


async def _all(calls: Sequence[Callable[[], Awaitable[None]]], each: int) -> int:
    async def one(call: Callable[[], Awaitable[None]]) -> None:
        for _ in range(each):
            await call()

    await asyncio.gather(*map(one, calls))
    return each * len(calls)


def _signatures(count: int) -> Callable[[], Awaitable[int]]:
    """Sign as an access token is signed, in this process: what no service can do without."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, rsa

    key = rsa.generate_private_key(65537, 2048)

    async def sign() -> int:
        for _ in range(count):
            key.sign(bytes(500), padding.PKCS1v15(), hashes.SHA256())
        return count

    return sign


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
    """Give the seconds from the start of the process to its first answer, which is asked for as soon as it can be."""
    connection = await Connection.to(place.port)
    await connection.call("GET", "/hello")
    connection.close()
    return time.perf_counter() - place.began


def _resident(pid: int) -> float:
    """Give the resident megabytes of a process and its children."""
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()
    lines = Path(f"/proc/{pid}/status").read_text("utf-8").splitlines()
    own = next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))
    return own + sum(_resident(int(child)) for child in children)


@contextmanager
def _database(folder: str, options: argparse.Namespace) -> Iterator[str]:
    if options.workers > 1 and not options.postgres:
        raise SystemExit("more than one worker needs --postgres")
    if not options.postgres:
        yield f"sqlite:///{folder}/reseal.db"
        return
    from tests.support.postgres import cluster

    with cluster() as server:
        yield server.uri(server.schema())


if __name__ == "__main__":
    asyncio.run(main())
