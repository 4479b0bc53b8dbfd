"""Delivery to all endpoints, until it is cancelled."""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from reseal.core.deliveries import Attempted, ignore
from reseal.core.errors import StoreUnavailable
from reseal.core.webhooks import CHECKPOINT, Endpoint, WebhookEndpoint
from reseal.log import LOGGER
from reseal.webhooks.checkpoints import AuditedStore, CheckpointSender
from reseal.webhooks.delivering import AccessLifetime, Deliverer, Sender
from reseal.webhooks.senders import sender_of

RETRY: Final = 5_000
"""Milliseconds after which a store that did not answer is tried again."""


async def deliver_for_ever(
    store: AuditedStore,
    endpoints: Iterable[Endpoint],
    access_lifetime: AccessLifetime,
    make_sender: Callable[[Endpoint], Sender] = sender_of,
    attempted: Attempted = ignore,
) -> None:
    """Deliver to these endpoints. Any number of processes may do so: one at a time delivers to an endpoint.

    ``attempted`` is called after each attempt.
    """
    worker = os.urandom(8).hex()
    async with asyncio.TaskGroup() as tasks:
        for endpoint in endpoints:
            sender = make_sender(endpoint)
            deliverer = Deliverer(
                store, endpoint, sender, access_lifetime, worker=worker, chance=random.random, attempted=attempted
            )
            tasks.create_task(_deliver(deliverer, sender, endpoint.name))
            if isinstance(endpoint, WebhookEndpoint) and CHECKPOINT in endpoint.types:
                forwarder = CheckpointSender(store, endpoint, sender, attempted)
                tasks.create_task(_forward(forwarder, endpoint.name))


async def _deliver(deliverer: Deliverer, sender: Sender, name: str) -> None:
    try:
        while True:
            wait = await _turn(deliverer, name)
            await asyncio.sleep(wait / 1000)
    finally:
        with suppress(StoreUnavailable):  # another worker delivers a little later
            await deliverer.release()
        await sender.close()


async def _forward(forwarder: CheckpointSender, name: str) -> None:
    while True:
        wait = await _turn(forwarder, name)
        await asyncio.sleep(wait / 1000)


async def _turn(deliverer: Deliverer | CheckpointSender, name: str) -> int:
    try:
        return await deliverer.turn()
    except StoreUnavailable as error:
        LOGGER.warning("webhook %s waits for the store: %s", name, error)
    except Exception:  # noqa: BLE001 - others are delivered to
        LOGGER.exception("webhook %s failed", name)
    return RETRY
