"""The sessions by which a device is recognised at a sign-in."""

from __future__ import annotations

from typing import Final

from reseal._async import paging
from reseal._async.ports import AsyncSessionStore
from reseal.core.ids import ANONYMOUS
from reseal.core.model import Device, Scope
from reseal.core.selection import PAGE
from reseal.devices.recognition import Newness, newness

REMEMBERED: Final = 180 * 24 * 3600 * 1000
"""For so many ms an ended session counts, as long as its row is kept."""


async def newness_of(store: AsyncSessionStore, scope: Scope, user_id: str, device: Device) -> Newness | None:
    """Say what is new about the device of a sign-in. Raises ``StoreUnavailable``."""
    if user_id == ANONYMOUS:
        return None
    live = await paging.sessions_of_user(lambda after, limit: store.list_user(scope, user_id, after, limit))
    return newness(device, (*live, *await store.list_ended(scope, user_id, REMEMBERED, PAGE)))
