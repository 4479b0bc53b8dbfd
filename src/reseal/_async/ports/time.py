"""The time of a store."""

from __future__ import annotations

from typing import Protocol

from reseal.core.store_time import Times


class AsyncStoreTime(Protocol):
    """Reads the time of a store."""

    async def times(self) -> Times:
        """Read the store's time, and the clock that it follows."""
