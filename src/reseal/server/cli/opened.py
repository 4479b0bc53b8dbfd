"""Opening the store for a command, whether or not the service runs. The store must exist already."""

from __future__ import annotations

import asyncio
from argparse import Namespace
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import TypeVar

from reseal._async.ports import AsyncStore
from reseal.cdi.paths import DEFAULT
from reseal.clock import SystemClock
from reseal.core.acting import ACTING
from reseal.server.cli.arguments import settings_of
from reseal.server.cli.audit_log import audit_listener, author
from reseal.server.cli.exits import CommandFailed
from reseal.server.config import ServiceSettings
from reseal.server.stores import make_store
from reseal.server.tenants.directory import App, Directory

T = TypeVar("T")


def in_store(
    options: Namespace, run: Callable[[Directory, AsyncStore], Awaitable[T]], *, looks_only: bool = False
) -> T:
    """Run on the open store. Raises ``CommandFailed`` if there is no store yet.

    ``looks_only``: read only; not even the tables of an embedding application's file are upgraded.
    """
    settings = settings_of(options)
    _refuse_nothing(settings)
    on_event = audit_listener(options)

    async def opened() -> T:
        ACTING.set(f"operator:{author(options)}" if "by" in options else None)
        async with open_store(settings, looks_only=looks_only) as store:
            return await run(Directory(settings, store, SystemClock(), on_event=on_event), store)

    return asyncio.run(opened())


def in_app(options: Namespace, run: Callable[[App], Awaitable[T]], *, looks_only: bool = False) -> T:
    """Run on the app and tenant that the options name."""

    async def chosen(directory: Directory, _store: AsyncStore) -> T:
        app = await app_of(directory, options.app, getattr(options, "tenant", None) or DEFAULT)
        return await run(app)

    return in_store(options, chosen, looks_only=looks_only)


async def app_of(directory: Directory, app_id: str, tenant_id: str = DEFAULT) -> App:
    """Return an app, if it has the tenant. Raises ``CommandFailed``."""
    app = await directory.find(app_id, tenant_id)
    if app is None:
        raise CommandFailed(f"there is no tenant {tenant_id} of an app {app_id}")
    return app


@asynccontextmanager
async def open_store(settings: ServiceSettings, *, looks_only: bool = False) -> AsyncIterator[AsyncStore]:
    """Open the store. Unless ``looks_only``, its tables are created or upgraded."""
    store = make_store(settings, looks_only=looks_only)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


def _refuse_nothing(settings: ServiceSettings) -> None:
    """Refuse to create an empty database: the user probably meant another folder or configuration."""
    if settings.database_path is not None and not settings.database_path.parent.exists():
        return  # opening it reports more
    if settings.database_path is not None and not settings.database_path.exists():
        raise CommandFailed(
            f"{settings.database_path} does not exist: correct database_uri or go to the service's folder, "
            "or run reseal migrate"
        )
    if settings.database_path is None and settings.server_uri is None:
        raise CommandFailed("database_uri is memory:, which only the service itself can read; name another store")
