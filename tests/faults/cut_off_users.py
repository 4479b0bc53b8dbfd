"""Users whose calls go on while servers are cut off from one another, and what they and the servers know afterwards."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from typing import Any, Final

from reseal._async.ports import AsyncStore
from reseal.core.errors import ResealError, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.model import Scope

KINDS: Final = ("refreshes", "sign-ins", "sign-outs")
USERS: Final = 12
"""At each place."""
PACE: Final = 0.05
DOOR: ContextVar[str] = ContextVar("DOOR", default="127.0.0.1")
"""By which process the present call goes."""


class User:
    """Signs in, refreshes and signs out, by the processes of a place in turns."""

    def __init__(self, name: str, place: str, doors: Sequence[tuple[str, Any]]) -> None:
        self.name, self.place, self.doors = name, place, doors
        self.chance = random.Random(name)
        self.tokens: list[str] = []
        """Of the session that lasts; the newest one is the last."""
        self.handle = ""
        self.is_leaving = False
        self.ended: list[str] = []
        """Sessions whose end was acknowledged."""

    async def go_on(self) -> str:
        """Make one call; returns what was acknowledged."""
        door, sessions = self.doors[self.chance.randrange(len(self.doors))]
        DOOR.set(door)
        if self.tokens and (self.is_leaving or self.chance.random() < 0.05):
            self.is_leaving = True
            await sessions.revoke([self.handle])
            self.ended.append(self.handle)
            self.tokens, self.is_leaving = [], False
            return "sign-outs"
        pair = await (sessions.refresh(self.tokens[-1]) if self.tokens else sessions.create(self.name))
        self.tokens.append(pair.refresh_token)
        self.handle = pair.claims.sid
        return "refreshes" if len(self.tokens) > 1 else "sign-ins"


class Crowd:
    """All users, what was acknowledged to them, and what went wrong."""

    def __init__(self, places: Mapping[str, Sequence[str]], doors: Mapping[str, Any]) -> None:
        self.users = [
            User(f"{place} {n}", place, [(name, doors[name]) for name in names])
            for place, names in places.items()
            for n in range(USERS)
        ]
        self.done: Counter[tuple[str, str]] = Counter()
        self.refused: Counter[str] = Counter()
        self.signed_out: Counter[str] = Counter()
        """Users whose session was not found where they came back."""
        self.wrong: list[str] = []

    async def live(self, is_over: Callable[[], bool]) -> None:
        await asyncio.gather(*(asyncio.create_task(self._live(user, is_over)) for user in self.users))

    async def during(self, course: Callable[[], object]) -> None:
        going = asyncio.create_task(asyncio.to_thread(course))
        await self.live(going.done)
        await going

    async def _live(self, user: User, is_over: Callable[[], bool]) -> None:
        while not is_over():
            try:
                self.done[user.place, await user.go_on()] += 1
            except StoreUnavailable:
                self.refused[user.place] += 1
            except Unauthorised:
                self.signed_out[user.place] += 1
                user.tokens, user.is_leaving = [], False
            except ResealError as error:
                self.wrong.append(f"{user.name} was answered {error!r}")
                user.tokens, user.is_leaving = [], False
            await asyncio.sleep(PACE)

    async def compare(self, store: AsyncStore) -> Counter[tuple[str, str]]:
        """Compare what the servers have with what was acknowledged: count what is lost, and forget the lost sign-ins."""
        lost: Counter[tuple[str, str]] = Counter()
        for user in self.users:
            for handle in user.ended:
                record = (await store.get(Scope(), handle)).record
                lost[user.place, "sign-outs"] += record is not None and record.ended_at is None
            if not user.tokens or user.is_leaving:
                continue
            record = (await store.get(Scope(), user.handle)).record
            if record is None:
                lost[user.place, "sign-ins"] += 1
                user.tokens = []
            else:
                lost[user.place, "refreshes"] += max(0, generation(user.tokens[-1]) - record.generation)
        return lost

    async def look_back(self, sessions: Any) -> None:
        """Let each user refresh once more, and then a thief with an old token."""
        for user in self.users:
            if len(user.tokens) < 4 or user.is_leaving:
                continue
            await sessions.refresh(user.tokens[-1])
            try:
                await sessions.refresh(user.tokens[0])
            except TokenTheftDetected:
                continue
            self.wrong.append(f"the thief of {user.name} was not found")


def generation(token: str) -> int:
    return int(token.split(".")[2])
