"""The fault experiments (reliability: C3): each injects its faults for as long as it is told to, and reports.

How long a recovery took is reported in seconds, for who measures. For who tests there is what does not depend on how busy
a machine is: which calls failed that began after the fault had ended. If there are none, nothing in the service waits,
backs off or remembers the fault, and a recovery takes as long as one answer.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Protocol

import psycopg

from reseal import AsyncRemote, ResealError, Settings
from tests.server.history import GONE, OK, THEFT, generation
from tests.server.load import PACE, Load
from tests.server.sharing import PATIENCE, Process, Sharing
from tests.support.ports import free_port
from tests.support.postgres import Cluster

CALLERS = 64
"""Callers that present one token."""
CROWD = 500
"""Callers for a few connections."""
OF_THE_CROWD = 100
"""Sessions that these have."""
APPLICATION = 16
"""Calls that an application makes at a time."""
CONNECTIONS = "SELECT state FROM pg_stat_activity WHERE application_name = 'reseal'"


@dataclass
class Report:
    """What was done, and what came of it."""

    injected: Counter[str] = field(default_factory=Counter)
    recoveries: list[float] = field(default_factory=list)
    """Seconds from the end of a fault until nothing failed any more."""
    usual: list[float] = field(default_factory=list)
    """Seconds that the same calls took before there was a fault (E11)."""
    restarts: list[float] = field(default_factory=list)
    """Seconds from a kill until nothing failed any more, the start of the next process included."""
    slowest: list[float] = field(default_factory=list)
    """Seconds of the slowest answer during each fault (E17)."""
    failed_afterwards: Counter[int] = field(default_factory=Counter)
    """Statuses of failed calls that began after a fault had ended."""
    refreshes: int = 0
    lost_calls: int = 0
    """Calls for the keys that did not come through (E10)."""
    thefts: int = 0
    """Real ones, all of them found; otherwise there is a violation."""
    violations: list[str] = field(default_factory=list)

    def note_recovery(self, load: Load, ended: float) -> None:
        self.recoveries.append(load.recovery(ended))
        self.failed_afterwards += Counter({status: n for status, n in load.since.items() if status != 200})

    def note_load(self, load: Load) -> None:
        self.refreshes += load.seen["refresh"]
        self.violations += load.violations


async def kill_processes(sharing: Sharing, load: Load, left: Iterable[object], report: Report, **how: str) -> None:
    """E01: a process is killed amid calls, any time, and started again; meanwhile the other one goes on."""
    chance = random.Random(1)
    for _ in left:
        await load.more(chance.randrange(1, 2 * load.clients))
        killed = chance.randrange(2)
        old, began = load.processes[killed], time.monotonic()
        old.kill()
        starting = asyncio.ensure_future(sharing.start(1, **how))
        await load.more(load.clients)
        [load.processes[killed]] = await starting
        load.mark()
        ended = time.monotonic()
        await load.more(2 * load.clients)
        report.injected["kill -9 of a process"] += 1
        report.note_recovery(load, ended)
        report.restarts.append(load.recovery(began))
        assert old.connections is not None
        await old.connections.close()


class Crashing(Protocol):
    """A server of a database, or whatever else crashes and starts again."""

    @property
    def title(self) -> str: ...

    def stop(self) -> object: ...
    def start(self) -> object: ...


async def crash_store(server: Crashing, load: Load, left: Iterable[object], report: Report) -> None:
    """E03: the database crashes amid calls and is started again. Until then it is 503, and tokens are verified."""
    for _ in left:
        await load.more(load.clients)
        _, known = await load.processes[0].create("bystander")
        token = known["accessToken"]["token"]
        await asyncio.to_thread(server.stop)
        try:
            await load.more(10, 503)
            for process in load.processes:
                shown = await process.ready(), (await process.verify(token))[1].get("status")
                if shown != (503, OK):
                    report.violations.append(f"P10: without the database: {shown}")
        finally:
            await asyncio.to_thread(server.start)
        load.mark()
        ended = time.monotonic()
        await load.more(2 * load.clients)
        report.injected[f"crash of {server.title}"] += 1
        report.note_recovery(load, ended)


async def present_at_once(processes: list[Process], token: str, report: Report) -> dict[str, Any]:
    """E06: many present one token, to either process. They get one child, one generation on; gives its reply."""
    answers = await asyncio.gather(*(processes[n % 2].refresh(token) for n in range(CALLERS)))
    report.injected[f"{CALLERS} refreshes at once"] += 1
    report.refreshes += CALLERS
    fine = [reply for status, reply in answers if (status, reply.get("status")) == (200, OK)]
    children = {reply["refreshToken"]["token"] for reply in fine}
    if len(fine) != CALLERS or len(children) != 1 or {*map(generation, children)} != {generation(token) + 1}:
        seen = Counter((status, reply.get("status")) for status, reply in answers)
        report.violations.append(f"P3, P7: answers {dict(seen)}, children {len(children)}")
    for process in processes:
        status, shown = await process.verify(fine[0]["accessToken"]["token"], check_database=True)
        if (status, shown.get("status")) != (200, OK):
            report.violations.append(f"P6: the child is not verified: {status}, {shown}")
    return fine[0]


class Crowd:
    """E11: more callers than connections, one of which is stuck behind a lock."""

    def __init__(self, process: Process, server: Cluster, pool: int, report: Report) -> None:
        self._process = process
        self._server = server
        self._pool = pool
        self._report = report
        self._users: list[dict[str, Any]] = []

    async def gather(self) -> None:
        """Sign in, and call once before there is a fault."""
        answers = await asyncio.gather(*(self._process.create(f"user {n}") for n in range(OF_THE_CROWD)))
        self._users = [reply for _, reply in answers]
        await self.is_served()
        self._report.usual.append(self._report.recoveries.pop())

    async def meet_a_lock(self) -> None:
        """Those in excess wait or hear 503, and who needs no connection hears nothing of it."""
        first, before = self._users[0], self._tokens()
        _, known = await self._process.create("bystander")
        with psycopg.connect(self._process.uri) as holder, self._server.admin() as watcher:
            locked = "SELECT FROM reseal_session WHERE handle = %s FOR UPDATE"
            holder.execute(locked, [first["session"]["handle"]])
            calls = [asyncio.create_task(self._process.refresh(before[n % OF_THE_CROWD])) for n in range(CROWD)]
            most = 0
            while not all(call.done() for call in calls):
                most = max(most, len(watcher.execute(CONNECTIONS).fetchall()))
                status, reply = await self._process.verify(known["accessToken"]["token"])
                self._expect((status, reply.get("status")) == (200, OK), f"P10: verify was answered {status}")
                await asyncio.sleep(0.01)
            seen = Counter(status for status, _ in await asyncio.gather(*calls))
            self._expect(seen.keys() <= {200, 503}, f"P10: answers {dict(seen)}")
            self._expect(seen[503] > 0, f"nobody met the lock: {dict(seen)}")
            self._expect((await self._process.refresh(before[0]))[0] == 503, "the lock was not kept")
            self._expect(0 < most <= self._pool, f"P14: {most} connections")
        self._report.injected["exhausted pool"] += 1

    async def is_served(self) -> None:
        """After the release all are answered, and whatever was answered 503, every session has made one step."""
        before, ended = self._tokens(), time.monotonic()
        answers = await asyncio.gather(*(self._process.refresh(before[n % OF_THE_CROWD]) for n in range(CROWD)))
        self._report.recoveries.append(time.monotonic() - ended)
        self._report.failed_afterwards += Counter(status for status, _ in answers if status != 200)
        self._report.refreshes += CROWD
        for n, token in enumerate(before):
            mine = [reply for status, reply in answers[n::OF_THE_CROWD] if (status, reply.get("status")) == (200, OK)]
            children = {reply["refreshToken"]["token"] for reply in mine}
            made = [generation(child) for child in children]
            self._expect(made == [generation(token) + 1], f"P3: generation {generation(token)} was followed by {made}")
            if mine:
                self._users[n] = mine[-1] | {"session": self._users[n]["session"]}
        with self._server.admin() as watcher:
            states = {state for (state,) in watcher.execute(CONNECTIONS)}
        self._expect(states == {"idle"}, f"P14: connections are {states}")

    def _tokens(self) -> list[str]:
        return [user["refreshToken"]["token"] for user in self._users]

    def _expect(self, is_so: bool, text: str) -> None:
        if not is_so:
            self._report.violations.append(text)


async def leave_in_turn(
    sharing: Sharing, left: Iterable[object], report: Report, *, next_version: str = "", **how: str
) -> None:
    """E22: one process after the other is told to leave amid calls of an application, which notices nothing.

    E21: each that takes the place of one first runs ``next_version``.
    """
    variables = [{"RESEAL_PORT": str(free_port()), "RESEAL_SHUTDOWN_DELAY": "3", **how} for _ in range(2)]
    processes = [(await sharing.start(1, **each))[0] for each in variables]
    hosts = ";".join(f"http://127.0.0.1:{each['RESEAL_PORT']}" for each in variables)
    remote = AsyncRemote(Settings(api_domain="https://api.example.com"), hosts, timeout_s=PATIENCE)
    done, turn = asyncio.Event(), 0
    async with remote, asyncio.TaskGroup() as group:
        for _ in range(APPLICATION):
            group.create_task(_visit(remote, report, done))
        try:
            for _ in left:
                await _more(report, 2 * APPLICATION)
                if code := await asyncio.to_thread(processes[turn].leave):
                    report.violations.append(f"P15: a process left with {code}")
                report.injected["SIGTERM"] += 1
                [processes[turn]] = await sharing.start(1, before=next_version, **variables[turn])
                turn = 1 - turn
            await _more(report, 2 * APPLICATION)
        finally:
            done.set()


async def _visit(remote: AsyncRemote, report: Report, done: asyncio.Event) -> None:
    """Sign in, refresh once, sign out. A second refresh so soon would no honest browser need."""
    while not done.is_set():
        try:
            pair = await remote.create("visitor")
            pair = await remote.refresh(pair.refresh_token or "")
            await remote.check(pair.claims)
            await remote.revoke([pair.claims.sid])
            report.refreshes += 1
        except ResealError as error:
            report.violations.append(f"P10, P15: {type(error).__name__}: {error}")
        await asyncio.sleep(PACE)


async def _more(report: Report, refreshes: int) -> None:
    wanted = report.refreshes + refreshes
    while report.refreshes < wanted:  # noqa: ASYNC110 - looking costs nothing
        await asyncio.sleep(PACE)


async def steal(load: Load, stolen: set[str], left: Iterable[object], report: Report) -> None:
    """E20: a jar is copied, and used late or first, which is the same: one of the two comes with an older token.

    The service says so at the second refresh of the other one at the latest, and the backend ends the session.
    """
    chance = random.Random(2)
    for _ in left:
        user = Persistent(load, chance)
        made = await user.create("robbed")
        handle, copied = made["session"]["handle"], made["refreshToken"]["token"]
        stolen.add(handle)
        one = await user.refresh(copied)
        two = await user.refresh(one["refreshToken"]["token"])
        found = await user.refresh(copied)
        if found["status"] != THEFT:
            report.violations.append(f"P4: a stolen token of {handle} was answered {found}")
        await user.remove(handle)
        for token in (copied, one["refreshToken"]["token"], two["refreshToken"]["token"]):
            if (after := await user.refresh(token))["status"] != GONE:
                report.violations.append(f"P4, P5: the session {handle} lives on: {after}")
        report.thefts += 1
        await asyncio.sleep(PACE)


class Persistent:
    """A caller that asks until it is answered, whatever call of a process that is."""

    def __init__(self, load: Load, chance: random.Random) -> None:
        self._load = load
        self._chance = chance

    def __getattr__(self, call: str) -> Callable[..., Awaitable[dict[str, Any]]]:
        async def asked(*arguments: Any) -> dict[str, Any]:
            while True:
                status, reply = await getattr(self._chance.choice(self._load.processes), call)(*arguments)
                if status == 200:
                    return dict(reply)
                await asyncio.sleep(0.02)

        return asked
