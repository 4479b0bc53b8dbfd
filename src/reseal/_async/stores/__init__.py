"""Where sessions are kept."""

from __future__ import annotations

from reseal._async.ports import AsyncStore
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.clock import Clock
from reseal.settings import Settings


def make_store(settings: Settings, clock: Clock | None = None) -> AsyncStore:
    """Make the store that ``database_uri`` names; it is not open yet."""
    if settings.database_path is None:
        return AsyncMemoryStore(clock)
    return AsyncSQLiteStore(settings.database_path, clock)
