"""Removes expired sessions while an application uses others: there is no process that would do nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from reseal._async.case_files import AsyncCaseFiles
from reseal._async.killing import AsyncLeftOverKills
from reseal._async.ports import AsyncEventStore, AsyncStore
from reseal.clock import Clock
from reseal.core.errors import StoreUnavailable
from reseal.log import LOGGER
from reseal.settings import Settings

EVERY: Final = 10_000
"""Milliseconds between two steps while there is little to do."""
ROWS: Final = 500
"""Sessions that one step looks at."""
CALLS: Final = 100
"""While a step leaves something to do, the next one comes after so many calls: five rows for each new session."""


class AsyncPurger:
    """The purging of one engine, as its settings say; with an audit trail, that one removes events."""

    def __init__(self, settings: Settings, store: AsyncStore, clock: Clock, case_files: AsyncCaseFiles) -> None:
        self._settings, self._clock = settings, clock
        self._store, self._case_files = store, case_files
        self._left_over = AsyncLeftOverKills(settings, settings, store, clock)
        self._at = 0
        self._calls = 0
        self._is_behind = False

    def is_due(self) -> bool:
        """Count a call, and return whether it is time to purge; called wherever a session is written anyway."""
        self._calls += 1
        return self._clock.monotonic() >= self._at or (self._is_behind and self._calls >= CALLS)

    async def step(self) -> None:
        """Purge a little. Raises nothing."""
        self._at, self._calls = self._clock.monotonic() + EVERY, 0
        with suppress(StoreUnavailable):  # purging can wait, and the write that follows reports an unavailable store
            self._is_behind = (await self._store.purge(ROWS, self._settings.ended_sessions_kept_ms)).looked_at >= ROWS
            self._is_behind |= not self._settings.audit and await purge_events(self._store)
            self._is_behind |= await self._left_over.purge(ROWS)
            if self._case_files.kept:
                await self._case_files.forget_at_times()


async def purge_events(store: AsyncEventStore) -> bool:
    """Purge the outbox a little; returns whether there is more to do. Raises ``StoreUnavailable``."""
    purged = await store.purge_events(ROWS)
    if purged.unread:
        LOGGER.warning("%d events were removed from the outbox before every consumer had read them", purged.unread)
    return purged.more
