"""Where sessions are kept."""

from __future__ import annotations

from reseal._async.ports import AsyncStore
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.clock import Clock
from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret
from reseal.settings import Settings


def make_store(settings: Settings, clock: Clock | None = None) -> AsyncStore:
    """Make the store that ``database_uri`` names; it is not open yet.

    Raises ``ConfigurationError`` if its driver is not installed.
    """
    if settings.postgresql_uri is not None:
        return _postgres(settings.postgresql_uri, clock)
    if settings.database_path is not None:
        return AsyncSQLiteStore(settings.database_path, clock)
    return AsyncMemoryStore(clock)


def _postgres(uri: Secret, clock: Clock | None) -> AsyncStore:
    try:
        from reseal._async.stores.postgres import AsyncPostgresStore  # noqa: PLC0415 - an optional driver
    except ImportError as error:
        raise ConfigurationError(
            ('database_uri: PostgreSQL needs its driver: pip install "reseal[postgres]"',)
        ) from error
    return AsyncPostgresStore(uri, clock=clock)
