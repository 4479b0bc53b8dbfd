"""Removes expired sessions while an application uses others: there is no process that would do nothing else."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from reseal._async.case_files import AsyncCaseFiles
from reseal._async.ports import AsyncEventStore, AsyncSessionStore
from reseal.clock import Clock
from reseal.core.errors import StoreUnavailable
from reseal.log import LOGGER

EVERY: Final = 10_000
"""Milliseconds between two steps while there is little to do."""
ROWS: Final = 500
"""Sessions that one step looks at."""
CALLS: Final = 100
"""While a step leaves something to do, the next one comes after so many calls: five rows for each new session."""


class AsyncPurger:
    """The purging of one engine. ``audited``: events stay until the audit trail has them, which removes them itself.

    ``kept_ms``: how long ended sessions stay; see the port of stores.
    """

    def __init__(
        self,
        store: AsyncSessionStore,
        clock: Clock,
        case_files: AsyncCaseFiles | None = None,
        *,
        audited: bool = False,
        kept_ms: int | None = None,
    ) -> None:
        self._audited, self._kept_ms = audited, kept_ms
        self._store = store
        self._clock = clock
        self._case_files = case_files
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
            self._is_behind = (await self._store.purge(ROWS, self._kept_ms)).looked_at >= ROWS
            self._is_behind |= not self._audited and await purge_events(self._store)
            if self._case_files is not None:
                await self._case_files.forget_at_times()


async def purge_events(store: AsyncEventStore) -> bool:
    """Purge the outbox a little; returns whether there is more to do. Raises ``StoreUnavailable``."""
    purged = await store.purge_events(ROWS)
    if purged.unread:
        LOGGER.warning("%d events were removed from the outbox before every consumer had read them", purged.unread)
    return purged.more
