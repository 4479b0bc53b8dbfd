"""The store that a configuration of the service names."""

from __future__ import annotations

from reseal._async.audit_actions import audited
from reseal._async.ports import AsyncStore
from reseal._async.stores import make_server_store
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.clock import Clock
from reseal.server.config import ServiceSettings


def make_store(settings: ServiceSettings, clock: Clock | None = None, *, looks_only: bool = False) -> AsyncStore:
    """Make the store; it is not open yet. Raises ``ConfigurationError`` if its driver is not installed.

    ``looks_only``: nothing in it will be changed. With ``audit``, changes of keys and tenants are recorded.
    """
    return audited(_made(settings, clock, looks_only=looks_only), settings)


def _made(settings: ServiceSettings, clock: Clock | None, *, looks_only: bool) -> AsyncStore:
    if settings.server_uri is not None:
        pool_size = settings.postgresql_connection_pool_size
        return make_server_store(settings.server_uri, pool_size=pool_size, clock=clock, looks_only=looks_only)
    if settings.database_path is not None:
        return AsyncSQLiteStore(settings.database_path, clock, looks_only=looks_only)
    return AsyncMemoryStore(clock)
