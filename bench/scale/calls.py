"""The calls that are measured, on one store of one size."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Final, NamedTuple

from bench.processes import cpu
from bench.scale import population
from bench.scale.engines import Database
from bench.scale.population import CALLER, DAY, PAYLOAD, Population, user_of
from reseal import AsyncEngine, Settings
from reseal._async.stores import make_store
from reseal._async.user_sessions import listed
from reseal.core.access_token import Claims

CALLERS: Final = 32
EACH: Final = 8
"""Calls of each caller in a turn."""
ALONE: Final = 48
"""Calls of a lone caller in a turn."""
ENDED_USERS: Final = 8
"""Users whose sessions are ended in a turn: few, because the smallest store has to last for all of them."""
PURGED: Final = 500
"""Sessions that are removed in a turn."""
FEW: Final = 4
"""The most sessions of a user who has few."""
Call = Callable[[], Awaitable[object]]


class Sample(NamedTuple):
    """Seconds for one call, or one session of a purge."""

    wall: float
    own: float
    """Processor time of this process."""
    database: float
    """Processor time of the server."""
    log: float
    """Bytes that the server wrote to its log."""


class Work(NamedTuple):
    """What a turn does. The calls of each caller follow one another."""

    callers: list[list[Call]]
    counts: int
    """By how much the time is divided."""


class Stored:
    """A store of one size, and what its sessions have become."""

    def __init__(self, database: Database, engine: AsyncEngine, uri: str, size: int) -> None:
        self.engine, self.uri, self.size = engine, uri, size
        self._database = database
        self._tokens: dict[int, str] = {}
        self._ended: set[str] = set()
        self._purged = 0
        self.population: Population

    async def fill(self) -> None:
        """Fill the store."""
        template = await population.template_of(self.engine)
        self.population = Population(self.engine, template, int(time.time() * 1000))
        numbers = population.by_handle(self.size) if self._database.sorts else range(self.size)
        await asyncio.to_thread(self._database.fill, self.uri, map(self.population.session, numbers))

    async def turn(self, name: str) -> Sample:
        """Make ready, and measure one turn of a call."""
        work = await PREPARATIONS[name](self)
        log = self._database.log()
        database, own, wall = self._spent(), time.process_time(), time.perf_counter()
        await asyncio.gather(*map(_run, work.callers))
        wall, own = time.perf_counter() - wall, time.process_time() - own
        database, log = self._spent() - database, self._database.log() - log
        return Sample(*(each / work.counts for each in (wall, own, database, log)))

    def _spent(self) -> float:
        return sum(map(cpu, self._database.pids))

    # -- preparations -----------------------------------------------------------------------------------------------

    async def creates(self) -> Work:
        number = random.getrandbits(40)
        return self._spread(lambda n: self.engine.create(f"new-{number}-{n}", PAYLOAD, caller=CALLER))

    async def refreshes(self) -> Work:
        numbers = self._picked(CALLERS * EACH)
        return self._spread(lambda n: self._refresh(numbers[n]))

    async def lone_refreshes(self) -> Work:
        numbers = self._picked(ALONE)
        return Work([[_bound(self._refresh, number) for number in numbers]], ALONE)

    async def first_verifies(self) -> Work:
        """Verify what was just refreshed, which writes that the browser has the new token."""
        claims = []
        for number in self._picked(CALLERS * EACH):
            await self._refresh(number)
            claims.append(self._claims(number))
        return self._spread(lambda n: self.engine.check(claims[n]))

    async def verifies(self) -> Work:
        claims = [self._claims(number) for number in self._picked(CALLERS * EACH)]
        for each in claims:  # what the turns before have refreshed
            if each.gen > self.population.generation:
                await self.engine.check(each)
        return self._spread(lambda n: self.engine.check(claims[n]))

    async def lone_verifies(self) -> Work:
        work = await self.verifies()
        calls = [call for caller in work.callers for call in caller][:ALONE]
        return Work([calls], len(calls))

    async def lists(self) -> Work:
        users = [user_of(number) for number in self._picked(CALLERS * EACH, few=True)]
        return self._spread(lambda n: self.engine.list_user(users[n]))

    async def lists_of_many(self) -> Work:
        users = [f"user-{random.randrange(self.size // population.BLOCK)}-0" for _ in range(CALLERS)]
        return Work([[_bound(self.engine.list_user, user)] for user in users], CALLERS)

    async def device_lists(self) -> Work:
        users = [user_of(number) for number in self._picked(CALLERS * EACH, few=True)]
        return self._spread(lambda n: listed(self.engine, users[n], None, 30 * DAY))

    async def ends(self) -> Work:
        users = list(dict.fromkeys(user_of(number) for number in self._picked(4 * ENDED_USERS, few=True)))[:ENDED_USERS]
        self._ended.update(users)
        return Work([[_bound(self.engine.revoke_user, user)] for user in users], len(users))

    async def purges(self) -> Work:
        numbers = population.expired(self._purged, PURGED)
        self._purged += PURGED
        await asyncio.to_thread(self._database.add, self.uri, map(self.population.session, numbers))
        return Work([[self._purge]], PURGED)

    # -- steps ------------------------------------------------------------------------------------------------------

    async def _purge(self) -> None:
        removed = await self.engine.purge()
        if removed != PURGED:
            raise AssertionError(f"{removed} of {PURGED} expired sessions were removed")

    async def _refresh(self, number: int) -> None:
        presented = self._tokens.get(number) or self.population.token(number).text
        self._tokens[number] = (await self.engine.refresh(presented, caller=CALLER)).refresh_token or ""

    def _claims(self, number: int) -> Claims:
        token = self.population.token(number)
        generation = int(self._tokens[number].split(".")[2]) if number in self._tokens else token.generation
        now = int(time.time() * 1000)
        return self.engine._claims(token.handle, user_of(number), generation, b"{}", None, now)

    def _spread(self, call: Callable[[int], Awaitable[object]]) -> Work:
        """Give each caller its calls."""
        callers = [[_bound(call, n) for n in range(first, CALLERS * EACH, CALLERS)] for first in range(CALLERS)]
        return Work(callers, CALLERS * EACH)

    def _picked(self, count: int, *, few: bool = False) -> list[int]:
        """Pick sessions that are live; ``few``: of users who have few."""
        found: dict[int, None] = {}
        while len(found) < count:
            number = random.randrange(self.size)
            if user_of(number) not in self._ended and not (few and population.sessions_of_its_user(number) > FEW):
                found[number] = None
        return list(found)


PREPARATIONS: Final[Mapping[str, Callable[[Stored], Awaitable[Work]]]] = {
    "create": Stored.creates,
    "refresh": Stored.refreshes,
    "first verify after a refresh": Stored.first_verifies,
    "verify against the store": Stored.verifies,
    "list a user's sessions": Stored.lists,
    "list 100 sessions of a user": Stored.lists_of_many,
    "device list with ended ones": Stored.device_lists,
    "end a user's sessions": Stored.ends,
    "purge, a session": Stored.purges,
    "refresh, one caller": Stored.lone_refreshes,
    "verify, one caller": Stored.lone_verifies,
}
"""The calls; without another number, by 32 callers at a time."""


async def opened(database: Database, size: int) -> Stored:
    """Open an engine over an empty store."""
    uri = database.store(size)
    settings = Settings(
        api_domain="https://api.example.com",
        database_uri=uri,
        device_list=True,
        access_token_signing_algorithm="ES256",
    )
    engine = AsyncEngine(settings, make_store(settings), on_event=lambda _event: None)
    await engine.open()
    return Stored(database, engine, uri, size)


async def _run(calls: Iterable[Call]) -> None:
    for call in calls:
        await call()


def _bound(call: Callable[..., Awaitable[object]], argument: object) -> Call:
    return lambda: call(argument)
