"""The store that a configuration of the service names."""

from __future__ import annotations

from reseal._async.ports import AsyncStore
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.clock import Clock
from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret
from reseal.server.config import ServiceSettings


def make_store(settings: ServiceSettings, clock: Clock | None = None, *, looks_only: bool = False) -> AsyncStore:
    """Make the store; it is not open yet. Raises ``ConfigurationError`` if its driver is not installed.

    ``looks_only``: nothing in it will be changed.
    """
    if settings.postgresql_uri is not None:
        pool_size = settings.postgresql_connection_pool_size
        return _postgres(settings.postgresql_uri, pool_size, clock, looks_only=looks_only)
    if settings.database_path is not None:
        return AsyncSQLiteStore(settings.database_path, clock, looks_only=looks_only)
    return AsyncMemoryStore(clock)


def _postgres(uri: Secret, pool_size: int, clock: Clock | None, *, looks_only: bool) -> AsyncStore:
    try:
        from reseal._async.stores.postgres import AsyncPostgresStore  # noqa: PLC0415 - an optional driver
    except ImportError:
        raise ConfigurationError(
            ('database_uri: PostgreSQL needs its driver: pip install "reseal[postgres]"',)
        ) from None
    return AsyncPostgresStore(uri, pool_size=pool_size, clock=clock, looks_only=looks_only)
