# Generated from src/reseal/_async/ports/time.py by tools/unasync.py; edit that file instead.
"""The time of a store."""

from __future__ import annotations

from typing import Protocol

from reseal.core.store_time import Times


class StoreTime(Protocol):
    """Reads the time of a store."""

    def times(self) -> Times:
        """Read the store's time, and the clock that it follows."""
