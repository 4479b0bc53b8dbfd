"""Users to whose store something happens meanwhile, and what must hold for them afterwards (reliability: C2).

They sign in, refresh, are verified and sign out. Whatever is answered by ``StoreUnavailable`` they ask for again. Each
other refusal of an honest user is a violation, and so is every accusation.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from reseal.core.errors import ResealError, StoreUnavailable, TokenTheftDetected, Unauthorised

PACE: Final = 0.02
"""Seconds between two calls of a user."""
OLD: Final = 4
"""So many generations back, a token is a thief's."""
PATIENCE: Final = 60
"""Seconds, for a busy machine, after which a user must have been answered once the fault is over."""
KEPT: Final = 20
"""Ended sessions of each user that are looked at again in the end: the last ones."""


class User:
    """One person with one session at a time, and what was acknowledged to them."""

    def __init__(self, name: str, stays: float) -> None:
        self.name = name
        self.handle = ""
        self.tokens = deque[str](maxlen=2 * OLD)
        """The newest refresh tokens of the session; none without one."""
        self.ended = deque[str](maxlen=KEPT)
        """The last tokens of sessions whose end was acknowledged."""
        self.is_leaving = False
        """Whether the sign-out was sent and is not acknowledged yet: the session may have ended."""
        self.slowest_verify = 0.0
        self._chance = random.Random(name)
        self._stays = stays

    async def go_on(self, sessions: Any) -> None:
        if self.tokens and (self.is_leaving or self._chance.random() > self._stays):
            self.is_leaving = True
            await sessions.revoke([self.handle])
            self.ended.append(self.tokens[-1])
            self.leave()
            return
        pair = await (sessions.refresh(self.tokens[-1]) if self.tokens else sessions.create(self.name))
        self.tokens.append(pair.refresh_token)
        self.handle = pair.claims.sid
        began = time.monotonic()
        claims = sessions.verify(pair.access_token)
        self.slowest_verify = max(self.slowest_verify, time.monotonic() - began)
        if self._chance.random() > self._stays:
            await sessions.check(claims)

    def leave(self) -> None:
        """Forget the session."""
        self.tokens.clear()
        self.is_leaving = False

    async def look_back(self, sessions: Any) -> list[str]:
        """Say what was acknowledged and does not hold, and whether somebody with an old token was not found."""
        wrong = []
        is_there = bool(self.tokens) and not self.is_leaving
        if is_there and (found := await _outcome(sessions, self.tokens[-1])) != "fine":
            wrong.append(f"P1: the session of {self.name} was lost: {found}")
        outcomes = [await _outcome(sessions, token) for token in self.ended]
        wrong += [
            f"P5, P8: a session of {self.name} that was ended is {found}" for found in outcomes if found != "gone"
        ]
        if is_there and len(self.tokens) > OLD and (found := await _outcome(sessions, self.tokens[0])) != "theft":
            wrong.append(f"P4: an old token of {self.name} is {found}")
        return wrong


class Users:
    """Several, who all call at the same time."""

    def __init__(self, count: int = 8, *, pace: float = PACE, stays: float = 0.9) -> None:
        """``stays``: how likely a user is to refresh instead of signing out."""
        self.all = [User(f"user {n}", stays) for n in range(count)]
        self.done = 0
        """Calls that were answered."""
        self.refused = 0
        """Calls that were answered by ``StoreUnavailable``."""
        self.times: list[float] = []
        """Seconds that each answer took, of whatever kind."""
        self.violations: list[str] = []
        self._pace = pace

    @property
    def slowest(self) -> float:
        return max(self.times)

    @property
    def slowest_verify(self) -> float:
        return max(user.slowest_verify for user in self.all)

    async def live(self, sessions: Any, is_over: Callable[[], bool], *, rest: int = 3) -> None:
        """Go on until it is over, and then until each user has got ``rest`` more answers."""
        await asyncio.gather(*(self._live(sessions, user, is_over, rest) for user in self.all))

    async def during(self, sessions: Any, fault: Callable[[], object], *, rest: int = 3) -> None:
        """Go on while a fault takes its course in a thread. Raises what that raises."""
        course = asyncio.create_task(asyncio.to_thread(fault))
        await self.live(sessions, course.done, rest=rest)
        await course

    async def look_back(self, sessions: Any) -> None:
        """See that what was acknowledged holds."""
        for wrong in await asyncio.gather(*(user.look_back(sessions) for user in self.all)):
            self.violations += wrong

    async def _live(self, sessions: Any, user: User, is_over: Callable[[], bool], rest: int) -> None:
        left, over = rest, 0.0
        while not is_over() or left > 0:
            began = time.monotonic()
            over = over or (began if is_over() else 0.0)
            if over and began > over + PATIENCE:
                self.violations.append(f"P15: {user.name} was not answered any more")
                return
            try:
                await user.go_on(sessions)
            except StoreUnavailable:
                self.refused += 1
            except ResealError as error:
                self.violations.append(f"P2, P10: {user.name} was answered {error!r}")
                user.leave()
                left -= is_over()
            else:
                self.done += 1
                left -= is_over()
            self.times.append(time.monotonic() - began)
            await asyncio.sleep(self._pace)


async def _outcome(sessions: Any, token: str) -> str:
    try:
        await sessions.refresh(token)
    except TokenTheftDetected:
        return "theft"
    except Unauthorised:
        return "gone"
    except ResealError as error:
        return repr(error)
    return "fine"
