"""Lines between processes are cut and heal, with thieves about (reliability: E17, E20)."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from itertools import cycle, repeat
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from reseal import AsyncRemote, Settings
from tests.server.experiments import Report, steal
from tests.server.history import OK
from tests.server.load import Load
from tests.server.sharing import Process, Sharing
from tests.support.firewall import WAYS, Firewall, Line
from tests.support.users import Users

ADDRESSES: Final = ("127.0.0.2", "127.0.0.3")
"""Of the database, for each of the processes."""
ANSWER_S: Final = 12
"""Seconds after which every call has been answered, however a line is cut: those for a connection and a statement."""
VERIFIED_S: Final = 1
"""Seconds in which a token is verified meanwhile, on a busy machine."""
RECOVERED_S: Final = 5
"""Seconds after which nothing fails any more: an attempt to connect that began during the cut ends by itself."""


class Cut(NamedTuple):
    """What is done to which lines, and for how long (s)."""

    way: str
    lines: tuple[Line, ...]
    seconds: float


def cuts(lines: tuple[Line, ...], seconds: float, left: Iterable[object]) -> Iterable[Cut]:
    """Go through the ways: one line, the other one, both."""
    sides = cycle([lines[:1], lines[1:], lines])
    ways = cycle(WAYS)
    for _ in left:
        yield Cut(next(ways), next(sides), seconds)


async def start(sharing: Sharing, uri: str, **variables: str) -> tuple[list[Process], tuple[Line, ...]]:
    """Start two processes, each with a line of its own to the database at ``uri``; returns the lines as well."""
    port = urlsplit(uri).port
    assert port is not None
    uris = [uri.replace(f"127.0.0.1:{port}", f"{address}:{port}") for address in ADDRESSES]
    processes = [(await sharing.start(1, RESEAL_DATABASE_URI=each, **variables))[0] for each in uris]
    return processes, tuple(Line(address, port) for address in ADDRESSES)


async def cut_from_the_store(
    firewall: Firewall, load: Load, stolen: set[str], plan: Iterable[Cut], report: Report
) -> None:
    """Cut one process from the database, or both, amid the calls of users and thieves."""
    thieves = asyncio.ensure_future(steal(load, stolen, repeat(None), report))
    try:
        for cut in plan:
            await load.more(load.clients)
            await _cut_once(firewall, load, cut, report)
    finally:
        thieves.cancel()
        with suppress(asyncio.CancelledError):
            await thieves


async def _cut_once(firewall: Firewall, load: Load, cut: Cut, report: Report) -> None:
    _, known = await load.processes[0].create("bystander")
    token, ends = known["accessToken"]["token"], time.monotonic() + cut.seconds
    before, load.slowest = Counter(load.seen), 0.0
    await asyncio.to_thread(firewall.cut, cut.way, *cut.lines)
    try:
        while time.monotonic() < ends:
            for process in load.processes:
                began = time.monotonic()
                status, reply = await process.verify(token)
                took = time.monotonic() - began
                if (status, reply.get("status")) != (200, OK) or took > VERIFIED_S:
                    report.violations.append(f"P10: a verification was answered {status} after {took:.2f} s")
            await asyncio.sleep(0.1)
    finally:
        kept = await asyncio.to_thread(firewall.heal)
    load.mark()
    ended = time.monotonic()
    await load.more(2 * load.clients)
    await asyncio.sleep(ANSWER_S)  # the calls that began during the cut end too
    seen = load.seen - before
    report.injected[f"{cut.way}, {len(cut.lines)} of 2"] += 1
    report.recoveries.append(load.recovery(ended))
    report.slowest.append(load.slowest)
    for what, is_wrong in {
        f"the cut ({cut.way}) kept no packets": not kept,
        f"P10: the cut ({cut.way}) was not noticed: {dict(seen)}": not seen[503],
        f"P10: a process did not answer: {dict(seen)}": seen[0] > 0,
        f"P15: a call took {load.slowest:.1f} s ({cut.way})": load.slowest > ANSWER_S,
        f"P15: calls failed for {report.recoveries[-1]:.1f} s ({cut.way})": report.recoveries[-1] > RECOVERED_S,
    }.items():
        if is_wrong:
            report.violations.append(what)


async def cut_from_the_service(
    firewall: Firewall, processes: list[Process], plan: Iterable[Cut], report: Report
) -> None:
    """Cut an application from one process of the service, or both, amid the calls of its users."""
    users = Users(16, pace=0.1)
    lines = service_lines(processes)
    hosts = ";".join(f"http://{line.address}:{line.port}" for line in lines)
    async with AsyncRemote(Settings(api_domain="https://api.example.com"), hosts) as remote:
        backend: Any = remote

        def course() -> None:
            for cut in plan:
                _wait_for(lambda wanted=users.done + 16: users.done >= wanted)
                refused = users.refused
                firewall.cut(cut.way, *cut.lines)
                time.sleep(cut.seconds)
                kept = firewall.heal()
                ended, done = time.monotonic(), users.done
                _wait_for(lambda wanted=done + 1: users.done >= wanted)
                report.recoveries.append(time.monotonic() - ended)
                report.injected[f"{cut.way}, {len(cut.lines)} of 2 of the application's"] += 1
                if not kept:
                    report.violations.append(f"the cut ({cut.way}) kept no packets")
                if len(cut.lines) == len(lines) and users.refused == refused:
                    report.violations.append(f"P10: the cut ({cut.way}) was not noticed")

        await users.during(backend, course)
        await users.look_back(backend)
    report.refreshes += users.done
    report.slowest.append(users.slowest)
    report.violations += users.violations
    if users.slowest > ANSWER_S:
        report.violations.append(f"P15: a call of the application took {users.slowest:.1f} s")
    if users.slowest_verify > VERIFIED_S:
        report.violations.append(f"P10: a verification took {users.slowest_verify:.1f} s")


def service_lines(processes: list[Process]) -> tuple[Line, ...]:
    """Return how the processes are reached."""
    return tuple(Line(*process.address) for process in processes)


def _wait_for(is_so: Any) -> None:
    ends = time.monotonic() + 60
    while not is_so():
        if time.monotonic() > ends:
            raise RuntimeError("it did not happen")
        time.sleep(0.02)
