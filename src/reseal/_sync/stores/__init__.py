# Generated from src/reseal/_async/stores/__init__.py by tools/unasync.py; edit that file instead.
"""Where sessions are kept."""

from __future__ import annotations

from reseal._sync.ports import Store
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.clock import Clock
from reseal.settings import Settings


def make_store(settings: Settings, clock: Clock | None = None) -> Store:
    """Make the store that ``database_uri`` names; it is not open yet."""
    if settings.database_path is None:
        return MemoryStore(clock)
    return SQLiteStore(settings.database_path, clock)
