"""The service under ten times the callers that it can serve: what of its peak is left (reliability: E24).

python -m bench.overload [--callers 64] [--times 10] [--rounds 3] [--seconds 5] [--idle 5000] [--limit NUMBER]

Starts the service over SQLite on a free loopback port. In turns, ``callers`` refresh as fast as they are answered (the
peak), and ``times`` as many, half of whose calls have tokens that are garbage, beside ``idle`` connections and readers
that take no reply. A caller gives up after ``PATIENCE`` times what 99 of 100 calls took at the first peak, hangs up and
repeats the call; one that is answered 503 waits as long as the reply says, more or less. Only answered refreshes count.
``--limit`` sets ``concurrent_requests``: by default ``callers``; 0 is no limit. Linux only.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import resource
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench.client import COMMON, CREATE, Connection
from bench.measure import print_machine
from bench.processes import cpu, pinned, resident, server, split_cores

PATIENCE = 5
"""How much longer than at the peak a caller waits before it gives up."""
WARM_UP = 1.0
"""Seconds at the beginning of each turn that are not counted."""
SLOW = 50
PIPELINED = 200
GARBAGE = "x" * 300
ASKED = b"GET /.well-known/jwks.json HTTP/1.1\r\nhost: localhost\r\n\r\n"


class Turn(NamedTuple):
    """What the callers saw during one turn."""

    rate: float
    """Refreshes that were answered, in a second."""
    by_cpu: float
    """And in a second of the service's processor time, whatever else the machine does."""
    middle: float
    late: float
    """Seconds within which half, and 99 of 100, of them were answered."""
    other: Counter[str]
    """The other ends of calls."""
    memory: float
    """Megabytes of the service at the end."""


class Caller:
    """Refreshes its session again and again."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._patience = 60.0
        self._connection: Connection | None = None
        self._token = ""
        self.answered: list[tuple[float, float]] = []
        """When, and how long after the call."""
        self.other = Counter[str]()

    async def sign_in(self) -> None:
        found = await self._call("sign-in", "/recipe/session", CREATE)
        assert found is not None
        self._token = found["refreshToken"]["token"]

    async def go_on(self, patience: float, *, garbage: bool) -> None:
        self._patience = patience
        self.answered, self.other = [], Counter()
        while True:
            if garbage:
                await self._call("garbage", "/recipe/session/refresh", {"refreshToken": GARBAGE})
            await self._refresh()

    async def _refresh(self) -> None:
        began = time.perf_counter()
        found = await self._call("", "/recipe/session/refresh", {"refreshToken": self._token})
        if found is None:
            return
        if found["status"] != "OK":
            raise RuntimeError(f"a session was lost: {found['status']}")
        ended = time.perf_counter()
        self._token = found["refreshToken"]["token"]
        self.answered.append((ended, ended - began))

    async def _call(self, counted: str, path: str, value: dict[str, Any]) -> dict[str, Any] | None:
        try:
            async with asyncio.timeout(self._patience):
                if self._connection is None:
                    self._connection = await Connection.to(self._port)
                body = await self._connection.call("POST", path, value | COMMON | {"useDynamicSigningKey": True})
        except (TimeoutError, OSError) as error:
            self.other["given up" if isinstance(error, TimeoutError) else "broken"] += 1
            self.hang_up()
            return None
        except RuntimeError as refusal:
            self.other[str(refusal).partition(": ")[2][:3]] += 1
            await asyncio.sleep(random.uniform(0.5, 1.5))  # Retry-After is 1
            return None
        if counted:
            self.other[counted] += 1
        found: dict[str, Any] = msgspec.json.decode(body)
        return found

    def hang_up(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


async def turn(pid: int, callers: Sequence[Caller], patience: float, seconds: float, *, garbage: bool) -> Turn:
    tasks = [asyncio.create_task(caller.go_on(patience, garbage=garbage)) for caller in callers]
    await asyncio.sleep(WARM_UP)
    began, spent = time.perf_counter(), cpu(pid)
    await asyncio.sleep(seconds)
    ended, spent, memory = time.perf_counter(), cpu(pid) - spent, resident(pid)
    for task in tasks:
        task.cancel()
    done = await asyncio.gather(*tasks, return_exceptions=True)
    if failed := [each for each in done if not isinstance(each, asyncio.CancelledError)]:
        raise RuntimeError(f"a caller failed: {failed[0]!r}")
    for caller in callers:
        caller.hang_up()
    took = sorted(each for caller in callers for at, each in caller.answered if began <= at < ended)
    other = sum((caller.other for caller in callers), Counter[str]())
    middle, late = (took[int(len(took) * part)] if took else float("inf") for part in (0.5, 0.99))
    return Turn(len(took) / (ended - began), len(took) / spent, middle, late, other, memory)


async def hold(port: int, idle: int) -> list[asyncio.StreamWriter]:
    """Open connections that rest after one call, and such that ask and do not read."""
    held = []
    for n in range(idle + SLOW):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(ASKED)
        if n < idle:
            await reader.readuntil(b"\r\n\r\n")
        else:
            writer.write(ASKED * PIPELINED)
        held.append(writer)
    return held


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--callers", type=int, default=64)
    parser.add_argument("--times", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--idle", type=int, default=5000)
    parser.add_argument("--limit", type=int)
    options = parser.parse_args()
    print_machine()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    cores = split_cores(1)
    with pinned(cores.load), tempfile.TemporaryDirectory(prefix="reseal-overload-") as folder:
        environ = _environ(Path(folder), options.callers if options.limit is None else options.limit)
        with server(["-m", "reseal", "serve", "--port=0"], environ, cores.service) as place:
            _print(await measure(place.port, place.pid, options))


async def measure(port: int, pid: int, options: argparse.Namespace) -> list[tuple[Turn, Turn]]:
    """Measure the peak and the overload in turns, the idle connections from the first overload on."""
    callers = [Caller(port) for _ in range(options.callers * options.times)]
    for caller in callers:
        await caller.sign_in()
        caller.hang_up()
    few = callers[: options.callers]
    first = await turn(pid, few, 60, options.seconds, garbage=False)
    patience, held, turns = PATIENCE * first.late, list[asyncio.StreamWriter](), list[tuple[Turn, Turn]]()
    print(f"callers give up after {patience:.2f} s")
    for _ in range(options.rounds):
        peak = await turn(pid, few, 60, options.seconds, garbage=False)
        held = held or await hold(port, options.idle)
        turns.append((peak, await turn(pid, callers, patience, options.seconds, garbage=True)))
    for writer in held:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    return turns


def _environ(folder: Path, limit: int) -> dict[str, str]:
    inherited = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
    ours = {"DATABASE_URI": f"sqlite:///{folder}/r.db", "STATE_DIR": str(folder / "state"), "LOG_LEVEL": "NONE"}
    ours |= {"SHUTDOWN_DELAY": "0", "CONCURRENT_REQUESTS": str(limit)}
    return inherited | {f"RESEAL_{name}": text for name, text in ours.items()}


def _print(turns: Sequence[tuple[Turn, Turn]]) -> None:
    for pair in turns:
        for name, each in zip(("peak", "overload"), pair, strict=True):
            times = f"half within {each.middle * 1000:.0f} ms, 99 of 100 within {each.late * 1000:.0f} ms"
            rate = f"{each.rate:5.0f} refreshes/s, {each.by_cpu:5.0f} per second of its processor time"
            print(f"{name:9} {rate}, {times}, {each.memory:.0f} MB, {dict(each.other)}")
    goodput, by_cpu = (statistics.median(many[n] / peak[n] for peak, many in turns) for n in (0, 1))
    late = statistics.median(many.late / peak.late for peak, many in turns)
    print(
        f"goodput: {goodput:.2f} of the peak, by processor time {by_cpu:.2f}; "
        f"99 of 100 within {late:.2f} times the time at the peak"
    )


if __name__ == "__main__":
    asyncio.run(main())
