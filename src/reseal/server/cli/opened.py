"""The store that commands work on while the service runs or does not: it has to be there already."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from reseal._async.ports import AsyncStore
from reseal.cdi.paths import DEFAULT
from reseal.clock import SystemClock
from reseal.server.cli.arguments import settings_of
from reseal.server.cli.audit_log import audit_listener
from reseal.server.cli.exits import CommandFailed
from reseal.server.config import ServiceSettings
from reseal.server.directory import App, Directory
from reseal.server.stores import make_store

T = TypeVar("T")


def in_store(
    options: Namespace, run: Callable[[Directory, AsyncStore], Awaitable[T]], *, looks_only: bool = False
) -> T:
    """Run with what is kept. Raises ``CommandFailed`` where nothing can have been kept.

    ``looks_only``: nothing is changed, not even in the file of an application that embeds its sessions.
    """
    settings = settings_of(options)
    _refuse_nothing(settings)
    on_event = audit_listener(options)

    async def opened() -> T:
        async with open_store(settings, looks_only=looks_only) as store:
            return await run(Directory(settings, store, SystemClock(), on_event=on_event), store)

    return asyncio.run(opened())


def in_app(options: Namespace, run: Callable[[App], Awaitable[T]], *, looks_only: bool = False) -> T:
    """Run with the app and tenant that the options name."""

    async def chosen(directory: Directory, _store: AsyncStore) -> T:
        app = await app_of(directory, options.app, getattr(options, "tenant", None) or DEFAULT)
        return await run(app)

    return in_store(options, chosen, looks_only=looks_only)


async def app_of(directory: Directory, app_id: str, tenant_id: str = DEFAULT) -> App:
    """Find an app by the name of one of its tenants. Raises ``CommandFailed``."""
    app = await directory.find(app_id, tenant_id)
    if app is None:
        raise CommandFailed(f"there is no tenant {tenant_id} of an app {app_id}")
    return app


@asynccontextmanager
async def open_store(settings: ServiceSettings, *, looks_only: bool = False) -> AsyncIterator[AsyncStore]:
    """Open the store; its tables are created or brought up to date, if it is to be more than looked into."""
    store = make_store(settings, looks_only=looks_only)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _refuse_nothing(settings: ServiceSettings) -> None:
    """Make no empty database where another folder or configuration was meant."""
    if settings.database_path is not None and not settings.database_path.parent.exists():
        return  # opening it says more
    if settings.database_path is not None and not settings.database_path.exists():
        raise CommandFailed(
            f"{settings.database_path} does not exist: correct database_uri or go to the service's folder, "
            "or run reseal migrate"
        )
    if settings.database_path is None and settings.postgresql_uri is None:
        raise CommandFailed("database_uri is memory:, which only the service itself can look into; name another store")
