# Generated from src/reseal/_async/stores/__init__.py by tools/unasync.py; edit that file instead.
"""Where sessions are kept."""

from __future__ import annotations

from reseal._sync.ports import Store
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.clock import Clock
from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret
from reseal.settings import Settings


def make_store(settings: Settings, clock: Clock | None = None) -> Store:
    """Make the store that ``database_uri`` names; it is not open yet.

    Raises ``ConfigurationError`` if its driver is not installed.
    """
    if settings.postgresql_uri is not None:
        return _postgres(settings.postgresql_uri, clock)
    if settings.database_path is not None:
        return SQLiteStore(settings.database_path, clock)
    return MemoryStore(clock)


def _postgres(uri: Secret, clock: Clock | None) -> Store:
    try:
        from reseal._sync.stores.postgres import PostgresStore  # noqa: PLC0415 - an optional driver
    except ImportError as error:
        raise ConfigurationError(
            ('database_uri: PostgreSQL needs its driver: pip install "reseal[postgres]"',)
        ) from error
    return PostgresStore(uri, clock=clock)
