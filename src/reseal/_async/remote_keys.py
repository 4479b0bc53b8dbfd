"""The public keys that a service publishes, kept here so that access tokens are verified without asking it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from reseal._async.remote_calls import AsyncCalls
from reseal._async.waiting import briefly
from reseal.clock import Clock
from reseal.core.access_token import Audience, Claims, Verifier
from reseal.core.errors import ResealError, StoreUnavailable
from reseal.core.key_ring import KeyRing, read_jwks
from reseal.core.session_keys import PUBLISHED
from reseal.forks import PerProcess

RELOAD_EVERY: Final = 30_000
"""Milliseconds after which new keys are looked for; well inside the publication lead."""
COOL_DOWN: Final = 5_000
"""Milliseconds between two looks at the keys at least."""
Jwks = dict[str, list[dict[str, str]]]


class AsyncPublishedKeys:
    """A cache of the keys, and a verifier that uses them. ``chance`` gives numbers from 0 up to 1."""

    def __init__(self, calls: AsyncCalls, audience: Audience, clock: Clock, chance: Callable[[], float]) -> None:
        self._calls = calls
        self._clock = clock
        self._chance = chance
        self._jwks: Jwks = {"keys": []}
        self._ring = KeyRing(PUBLISHED)
        self._verifier = Verifier(self._ring, audience)
        self._reload_at = 0
        self._asked_at: int | None = None
        self._lock = PerProcess(lambda: asyncio.Lock())  # noqa: PLW0108 - looked up late: gevent patches forked workers

    async def load(self) -> None:
        """Read the keys now. Raises what a call raises."""
        self._asked_at = self._clock.monotonic()
        jwks = await self._calls.call("jwks", Jwks, repeatable=True)
        try:
            ring = read_jwks(PUBLISHED, jwks)
        except ValueError as error:
            raise StoreUnavailable("the service published keys that cannot be read") from error
        if ring.kids != self._ring.kids:
            self._verifier.use(ring)
        self._jwks, self._ring = jwks, ring
        self._reload_at = self._clock.monotonic() + RELOAD_EVERY - int(COOL_DOWN * self._chance())

    async def keep_fresh(self) -> None:
        """Look for new keys if it is time to; never fails for a silent service, and does not wait for it for long."""
        now = self._clock.monotonic()
        if now < self._reload_at or self._lock.here().locked():
            return
        if self._asked_at is None or now >= self._asked_at + COOL_DOWN:
            await briefly(self._look)

    async def _look(self) -> None:
        async with self._lock.here():
            if self._clock.monotonic() < self._reload_at:
                return  # another thread has looked meanwhile
            try:
                await self.load()
            except ResealError:
                self._reload_at = self._clock.monotonic() + COOL_DOWN + int(COOL_DOWN * self._chance())

    async def changed(self) -> None:
        """Look again at once: there is a key that the service has just made."""
        self._reload_at, self._asked_at = 0, None
        await self.keep_fresh()

    async def learn(self, access_token: str) -> None:
        """Look again, though not within the cool-down, if a token of ours is signed with a key that is not known."""
        if self._ring.find(access_token.partition(".")[0]) is None:
            self._reload_at = 0
            await self.keep_fresh()

    def verify(self, access_token: str, *, expired_too: bool) -> Claims:
        """Check an access token. Raises ``TryRefreshToken``."""
        return self._verifier.verify(access_token, self._clock.wall() // 1000, expired_too=expired_too)

    def published(self) -> Jwks:
        """Give the keys as they were published (RFC 7517)."""
        return {"keys": [dict(key) for key in self._jwks["keys"]]}
