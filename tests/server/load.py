"""Browsers at work on processes to which something happens meanwhile, and what they think of the answers."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, NamedTuple

from tests.server.history import GONE, OK, THEFT, UNKNOWN, Call, History, generation
from tests.server.sharing import PATIENCE, Process, Reply

PACE = 0.01
"""Seconds between two calls of a client."""
KEPT = 10
"""So many of its ended sessions a browser tries again at the end: the last ones."""


class Answer(NamedTuple):
    """The answer to a call, with the times (s) between which the call did its work."""

    began: float
    ended: float
    status: int
    reply: dict[str, Any]

    @property
    def outcome(self) -> str:
        return str(self.reply["status"]) if self.status == 200 else UNKNOWN


class Load:
    """``clients`` that make one call at a time, for ``sessions`` browsers; the items of ``processes`` may be replaced."""

    def __init__(
        self,
        processes: list[Process],
        *,
        clients: int = 16,
        sessions: int = 16,
        pace: float = PACE,
        patience: float = PATIENCE,
    ) -> None:
        self.processes = processes
        self.clients = clients
        self.seen = Counter[str | int]()
        """Answers by call, and those that were none by status: 0 for a broken connection."""
        self.since = Counter[int]()
        """Statuses of the calls that began after the last mark."""
        self.slowest = 0.0
        """Seconds that the slowest answer took, of whatever kind."""
        self.violations: list[str] = []
        self.browsers = [Browser(self, f"user {n}", n) for n in range(sessions)]
        self._pace = pace
        self._patience = patience
        self._chance = random.Random(clients)
        self._marked = self._trouble = time.monotonic()
        self._first: float | None = None

    async def during(self, faults: Coroutine[Any, Any, None]) -> None:
        """Work as long as this coroutine does."""
        done = asyncio.Event()

        async def bounded() -> None:
            try:
                async with asyncio.timeout(self._patience):
                    await faults
            finally:
                done.set()

        async with asyncio.TaskGroup() as group:
            for n in range(self.clients):
                group.create_task(self._work(random.Random(n), self.browsers[n :: self.clients], done))
            group.create_task(bounded())

    async def ask(
        self, call: str, request: Callable[[Process], Awaitable[Reply]], *, at: Process | None = None
    ) -> Answer:
        """Have a process answer, any one or this one; count the answer. A process is chosen when the call begins."""
        began = time.monotonic()
        status, reply = await request(at or self._chance.choice(self.processes))
        answer = Answer(began, time.monotonic(), status, reply)
        self.seen[call if status == 200 else status] += 1
        self.slowest = max(self.slowest, answer.ended - began)
        if status not in {0, 200, 503}:
            self.violations.append(f"P10: {call} was answered {status}")
        if status != 200:
            self._trouble = answer.ended
        if began > self._marked:
            self.since[status] += 1
            if status == 200 and self._first is None:
                self._first = answer.ended
        return answer

    async def more(self, count: int, key: str | int = "refresh") -> None:
        """Wait until there have been so many more answers of a kind."""
        wanted = self.seen[key] + count
        while self.seen[key] < wanted:  # noqa: ASYNC110 - looking costs nothing
            await asyncio.sleep(0.005)

    def mark(self) -> None:
        """Begin to count and to take the time anew."""
        self._marked, self._first, self.since = time.monotonic(), None, Counter()

    def recovery(self, since: float) -> float:
        """Give the seconds from a moment to the end of the last call that failed, or else to the first answer."""
        end = self._trouble if self._trouble > since else self._first
        assert end is not None, "no call was answered"
        return end - since

    async def nothing_was_lost(self) -> None:
        """Have every browser look whether what was acknowledged holds."""
        turns = asyncio.Semaphore(self.clients)

        async def one(browser: Browser) -> None:
            async with turns:
                await browser.look_back()

        await asyncio.gather(*map(one, self.browsers))

    async def _work(self, chance: random.Random, browsers: list[Browser], done: asyncio.Event) -> None:
        while not done.is_set():
            await asyncio.sleep(self._pace)
            await chance.choice(browsers).go_on()


class Browser:
    """Refreshes, in two tabs at times, is verified, writes and reads, signs out and in again."""

    def __init__(self, load: Load, name: str, seed: int) -> None:
        self._load = load
        self._chance = random.Random(seed)
        self._written = 0
        self._is_leaving = False
        """Whether the sign-out was sent and is not acknowledged yet."""
        self.name = name
        self.refresh_token: str | None = None
        self._history: History | None = None
        self.ended = deque[tuple[str, str]](maxlen=KEPT)

    @property
    def history(self) -> History:
        """What it saw of its session."""
        assert self._history is not None
        return self._history

    async def go_on(self) -> None:
        luck = self._chance.random()
        if self.refresh_token is None:
            await self._sign_in()
        elif self._is_leaving or luck < 0.05:
            await self._sign_out()
        elif luck < 0.1:
            await self._update()
        elif luck < 0.15:
            await self._read()
        else:
            await self._refresh()
        if self._was_refused():
            self._load.violations += self.history.violations()
            self.refresh_token = None

    async def look_back(self) -> None:
        """What was acknowledged holds: the newest token works and moves the line by one; who left is out."""
        one, other = self._load.processes
        if self.refresh_token is not None and not self._is_leaving:
            await self._read(at=other)
            await self._refresh(at=one, verify_at=other)
            _, listed = await one.call("GET", "/recipe/session/user", userId=self.name)
            if self.history.handle not in listed["sessionHandles"]:
                self._load.violations.append(f"P1, P6: {self.history.handle} is not in the list")
            newest = [call.outcome for call in self.history.calls[-3:]]
            if newest != [OK, OK, OK]:
                self._load.violations.append(f"P1: {self.history.handle} was lost: {newest}")
            self._load.violations += self.history.violations()
        for handle, token in self.ended:
            _, refreshed = await one.refresh(token)
            _, read = await other.data(handle)
            if (refreshed.get("status"), read.get("status")) != (GONE, GONE):
                self._load.violations.append(f"P5: {handle} was ended: {refreshed}, {read}")

    async def _sign_in(self) -> None:
        answer = await self._load.ask("create", lambda process: process.create(self.name))
        if answer.status == 200:
            self.refresh_token = answer.reply["refreshToken"]["token"]
            self._history, self._written = History(answer.reply["session"]["handle"]), 0

    async def _sign_out(self) -> None:
        self._is_leaving, handle = True, self.history.handle
        answer = await self._load.ask("remove", lambda process: process.remove(handle))
        ended = answer.status == 200 and handle in answer.reply["sessionHandlesRevoked"]
        self._note("remove", answer, got=ended)
        if answer.status == 200:
            assert self.refresh_token is not None
            self.ended.append((handle, self.refresh_token))
            self._load.violations += self.history.violations()
            self.refresh_token, self._is_leaving = None, False

    async def _refresh(self, *, at: Process | None = None, verify_at: Process | None = None) -> None:
        assert self.refresh_token is not None
        presented, tabs = self.refresh_token, 2 if self._chance.random() < 0.2 else 1
        asked = [self._load.ask("refresh", lambda process: process.refresh(presented), at=at) for _ in range(tabs)]
        answers = await asyncio.gather(*asked)
        for answer in answers:
            got = answer.reply["refreshToken"]["token"] if answer.outcome == OK else None
            self._note("refresh", answer, sent=presented, got=got)
        fine = [answer.reply for answer in answers if answer.outcome == OK]
        if not fine:
            return
        self.refresh_token = max((reply["refreshToken"]["token"] for reply in fine), key=generation)
        if verify_at or self._chance.random() < 0.5:
            await self._verify(fine[0]["accessToken"]["token"], at=verify_at)

    async def _verify(self, token: str, *, at: Process | None) -> None:
        self._note(
            "verify", await self._load.ask("verify", lambda process: process.verify(token, check_database=True), at=at)
        )

    async def _update(self) -> None:
        self._written += 1
        handle, data = self.history.handle, {"n": self._written}
        answer = await self._load.ask("update", lambda process: process.update(handle, data))
        self._note("update", answer, sent=self._written)

    async def _read(self, *, at: Process | None = None) -> None:
        handle = self.history.handle
        answer = await self._load.ask("read", lambda process: process.data(handle), at=at)
        got = answer.reply["userDataInDatabase"].get("n", 0) if answer.outcome == OK else None
        self._note("read", answer, got=got)

    def _note(self, call: str, answer: Answer, *, sent: Any = None, got: Any = None) -> None:
        self.history.note(Call(call, answer.began, answer.ended, answer.outcome, sent, got))

    def _was_refused(self) -> bool:
        calls = self.history.calls if self.refresh_token is not None and not self._is_leaving else []
        return bool(calls) and calls[-1].outcome in {GONE, THEFT}
