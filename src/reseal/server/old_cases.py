"""Removal of theft cases that are kept no longer, of every app and tenant: an app with no new case has old ones too."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from reseal._async import paging
from reseal._async.ports import AsyncStore
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope
from reseal.settings.checks import milliseconds
from reseal.settings.rules import DAY

if TYPE_CHECKING:
    from reseal.server.app import Service

EVERY: Final = 3_600
"""Seconds between two removals."""


def tasks(service: Service) -> list[asyncio.Task[None]]:
    """Begin to remove old cases, if any are written."""
    kept_ms = milliseconds(service.settings.theft_cases, DAY)
    return [asyncio.create_task(remove_for_ever(service.store, kept_ms))] if kept_ms else []


async def remove_for_ever(store: AsyncStore, kept_ms: int) -> None:
    """Remove old cases until this is cancelled."""
    while True:
        with suppress(StoreUnavailable):  # requests report an unavailable store
            await remove(store, kept_ms)
        await asyncio.sleep(EVERY)


async def remove(store: AsyncStore, kept_ms: int) -> int:
    """Remove the cases that were opened ``kept_ms`` ago or earlier; returns how many. Raises ``StoreUnavailable``."""
    until = (await store.times()).now - kept_ms
    scopes = {Scope(), *(tenant.scope for tenant in (await paging.changed_tenants(store, 0)).there)}
    return sum([await store.remove_cases(scope, until) for scope in scopes])
