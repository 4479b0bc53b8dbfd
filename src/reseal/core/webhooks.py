"""Webhooks: the events that leave, and the endpoints that get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from reseal.core.events import EventName
from reseal.core.secret import Secret

TYPES: Final[Mapping[EventName, str]] = {
    EventName.SESSION_CREATED: "session.created",
    EventName.NEW_DEVICE: "session.new_device",
    EventName.SESSION_REFRESHED: "session.refreshed",
    EventName.SESSION_REPLAYED: "session.replayed",
    EventName.SESSION_IN_STEP: "session.in_step",
    EventName.SESSION_REVOKED: "session.revoked",
    EventName.TOKEN_THEFT: "session.theft_detected",
    EventName.STORE_ROLLED_BACK: "session.store_rolled_back",
}
"""The type of the message about each event of the outbox."""
USUAL_TYPES: Final = ("session.created", "session.revoked", "session.theft_detected")
"""Those that an endpoint gets which names none. The others are many, or are for those who operate the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint:
    """A receiver of webhooks, as configured."""

    name: str
    url: str
    secrets: tuple[Secret, ...]
    """Each signs every message, so that secrets can be exchanged while messages are sent."""
    events: tuple[str, ...] = ()
    """Types of messages; empty: :data:`USUAL_TYPES`."""
    timeout: float = 15
    """Seconds for one attempt."""
    allow_private_addresses: bool = False
    """Whether its host may be this machine or in a private network, and whether plain http is allowed."""

    @property
    def types(self) -> tuple[str, ...]:
        return self.events or USUAL_TYPES
