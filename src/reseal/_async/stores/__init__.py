"""Where sessions are kept."""

from __future__ import annotations

from reseal._async.ports import AsyncStore
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.clock import Clock
from reseal.core.errors import ConfigurationError
from reseal.core.secret import Secret
from reseal.settings import Settings
from reseal.settings.rules import MARIADB_SCHEMES, REDIS_SCHEMES


def make_store(settings: Settings, clock: Clock | None = None) -> AsyncStore:
    """Make the store that ``database_uri`` names; it is not open yet.

    Raises ``ConfigurationError`` if its driver is not installed.
    """
    if settings.server_uri is not None:
        return make_server_store(settings.server_uri, clock=clock, replica=settings.replica_uri)
    if settings.database_path is not None:
        return AsyncSQLiteStore(settings.database_path, clock)
    return AsyncMemoryStore(clock)


def make_server_store(
    uri: Secret,
    *,
    pool_size: int = 10,
    clock: Clock | None = None,
    looks_only: bool = False,
    replica: Secret | None = None,
) -> AsyncStore:
    """Make a store on a server; it is not open yet. Raises ``ConfigurationError`` if its driver is not installed."""
    text = uri.reveal().decode("utf-8", "replace")
    is_redis = text.startswith(REDIS_SCHEMES)
    if text.startswith(MARIADB_SCHEMES):
        from reseal._async.stores.mariadb import AsyncMariaDBStore  # noqa: PLC0415 - only where it is asked for

        return AsyncMariaDBStore(uri, pool_size=pool_size, clock=clock, looks_only=looks_only)
    try:
        if is_redis:
            from reseal._async.stores.redis import AsyncRedisStore  # noqa: PLC0415 - an optional driver

            return AsyncRedisStore(uri, pool_size=pool_size, clock=clock, looks_only=looks_only)
        from reseal._async.stores.postgres import AsyncPostgresStore  # noqa: PLC0415 - an optional driver
    except ImportError as error:
        name, extra = ("Redis", "redis") if is_redis else ("PostgreSQL", "postgres")
        raise ConfigurationError((f'database_uri: {name} needs its driver: pip install "reseal[{extra}]"',)) from error
    return AsyncPostgresStore(uri, pool_size=pool_size, clock=clock, looks_only=looks_only, replica_uri=replica)
