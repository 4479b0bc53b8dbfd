"""Following the kill list of a service: one request that waits there, so that requests here need not read on.

While it waits with success, the list is as new as the service's own. If it fails, requests read on themselves, and this
comes back later, by chance: not all verifiers at once when a service is there again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reseal._async.background import AsyncBackground, Going
from reseal._async.kill_reading import EVERY, AsyncKillReader
from reseal._async.remote_hosts import AsyncFailover
from reseal._async.remote_kills import AsyncRemoteKills, NoKillList, WaitCut
from reseal._async.waiting import pause
from reseal.clock import Clock
from reseal.core.errors import ConfigurationError, ResealError
from reseal.log import LOGGER
from reseal.metrics.exposition import Samples
from reseal.settings import Settings

WAIT: Final = 20
"""Upper limit of the seconds that a request waits at the service."""
CUT_WAIT: Final = 2
"""The same, once a proxy has cut a request that waited: to some of them a server that is late is one that is down."""
MARGIN: Final = 5_000
"""Milliseconds that an answer may be late before requests read on themselves."""
EARLY: Final = 1_000
"""Milliseconds before which an answer without news means that the service lets nobody wait at present."""
PAUSES: Final = (0.5, 1, 2, 4, 8, 16, 30)
"""Upper limits of the pauses after failures, in seconds."""
_NONE: Final = "kill_list: the service has none; set kill_list to true there, or update it"


class AsyncKillFollower(AsyncKillReader):
    """What one process knows of the kill list of a service. ``chance`` gives numbers from 0 up to 1."""

    def __init__(
        self,
        settings: Settings,
        hosts: AsyncFailover,
        clock: Clock,
        random: Callable[[int], bytes],
        chance: Callable[[], float],
    ) -> None:
        self._kills = AsyncRemoteKills(hosts)
        super().__init__(settings, self._kills, clock, random)
        self._wait_s = max(1, min(WAIT, int(settings.kill_list_max_age / 3)))
        self._chance = chance
        self._background = AsyncBackground("reseal-kill-list", self._follow)

    async def open(self) -> None:
        """Read the whole list, before the first request. Raises ``ConfigurationError``, ``StoreUnavailable``."""
        try:
            await super().open()
        except NoKillList:
            raise ConfigurationError((_NONE,)) from None

    async def close(self) -> None:
        """Follow no longer."""
        await self._background.stop()

    def is_due(self) -> bool:
        """Return whether to read on now: also in a process that was forked, for which nobody has waited until now."""
        return super().is_due() or (self.age() > EVERY and not self._background.goes_on())

    async def keep_fresh(self) -> None:
        """Read on if that is due, and follow, if this process does not already. Raises nothing."""
        if self.is_due():
            await super().keep_fresh()
        self._background.ensure()

    def samples(self) -> Samples:
        """Return age, entries and state, for metrics: a process that is watched follows, also if it is idle."""
        self._background.ensure()
        return super().samples()

    async def _follow(self, going: Going) -> None:
        failures, longest = 0, 0.0
        while going():
            try:
                longest = PAUSES[1] if await self._step() else 0.0
                failures = 0
            except ResealError as error:
                LOGGER.debug("the kill list is not followed: %s", error)
                if isinstance(error, WaitCut) and self._wait_s > CUT_WAIT:
                    LOGGER.warning("kill_list: %s; until then requests wait %d seconds", error, CUT_WAIT)
                    self._wait_s = CUT_WAIT
                self.wake()
                longest = PAUSES[min(failures, len(PAUSES) - 1)]
                failures += 1
            except RuntimeError:  # the connections were closed meanwhile
                return
            if longest and going():
                await pause(longest * (0.5 + self._chance() / 2))

    async def _step(self) -> bool:
        """Wait for one answer; returns whether it was early and brought nothing."""
        cursor, began = self.entries.cursor, self._clock.monotonic()
        loaded_at = began - self.age()  # a service that is told of entries reads seldom: its answer may be rather old
        self._due_at = min(began + self._wait_s * 1000 + MARGIN, loaded_at + self._max_age * 2 // 3)
        told = await self._kills.wait_for(self._scope, cursor, self._wait_s)
        async with self._lock.here():
            self.entries.apply(told.page, began + told.waited_ms)
        is_news = told.page.more or told.page.cursor != cursor
        return not is_news and self._clock.monotonic() - began < EARLY
