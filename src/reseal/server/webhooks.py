"""Webhooks of the service: each process offers to deliver, and one at a time does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from reseal._async.ports import AsyncStore
from reseal.cdi.paths import DEFAULT
from reseal.core.deliveries import Attempted, ignore
from reseal.server.config import ServiceSettings
from reseal.server.tenants.directory import Directory
from reseal.webhooks import require_client
from reseal.webhooks.running import deliver_for_ever

if TYPE_CHECKING:
    from reseal.server.app import Service


def require(settings: ServiceSettings) -> None:
    """Raise ``ConfigurationError`` if webhooks are configured and cannot be sent."""
    require_client(settings.webhooks)


def tasks(service: Service) -> list[asyncio.Task[None]]:
    """Begin to deliver, if there are endpoints."""
    if not service.settings.webhooks:
        return []
    own = service.settings, service.store, service.directory, service.note_attempt
    return [asyncio.create_task(deliver(*own))]


async def deliver(
    settings: ServiceSettings, store: AsyncStore, directory: Directory, attempted: Attempted = ignore
) -> None:
    """Deliver to the endpoints of a configuration, until it is cancelled."""

    async def access_lifetime(app_id: str) -> int:
        app = await directory.find(app_id, DEFAULT)
        return settings.access_token_validity * 1000 if app is None else app.driver.app.access_token_ms

    await deliver_for_ever(store, settings.webhooks, access_lifetime, attempted=attempted)
