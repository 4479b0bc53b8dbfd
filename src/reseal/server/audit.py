"""The audit trail of the service: each process seals, before it removes events."""

from __future__ import annotations

from reseal._async.audit import AsyncAuditTrail
from reseal._async.ports import AsyncStore
from reseal._async.purger import ROWS, purge_events
from reseal.core.errors import StoreUnavailable
from reseal.log import LOGGER
from reseal.server.config import ServiceSettings


class Housekeeping:
    """Seals and removes the events of a store, and entries of its kill list. Without ``audit`` it only removes."""

    def __init__(self, store: AsyncStore, settings: ServiceSettings) -> None:
        self._store = store
        self._trail = AsyncAuditTrail.of(store, settings) if settings.audit else None

    async def step(self) -> bool:
        """Take one step; returns whether there is more to do. Raises ``StoreUnavailable``."""
        is_behind = await self._store.purge_kills(ROWS) >= ROWS  # also those from before kill_list was turned off
        if self._trail is None:
            return await purge_events(self._store) or is_behind
        try:
            await self._trail.seal()
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - sessions go on, and everything else is purged
            LOGGER.exception("the audit trail cannot go on, and events wait: run reseal audit verify")
        return is_behind
