"""Webhooks: the events that leave, and the endpoints that get them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Final

from reseal.core.events import EventName
from reseal.core.secret import Secret

TYPES: Final[Mapping[EventName, str]] = {
    EventName.SESSION_CREATED: "session.created",
    EventName.SESSION_CONVERTED: "session.converted",
    EventName.NEW_DEVICE: "session.new_device",
    EventName.IMPERSONATION_BEGUN: "session.impersonation_begun",
    EventName.SESSION_REFRESHED: "session.refreshed",
    EventName.SESSION_REPLAYED: "session.replayed",
    EventName.SESSION_IN_STEP: "session.in_step",
    EventName.SESSION_REVOKED: "session.revoked",
    EventName.TOKEN_THEFT: "session.theft_detected",
    EventName.SESSION_BOUND: "session.bound",
    EventName.STORE_ROLLED_BACK: "session.store_rolled_back",
}
"""The type of the message about each event of the outbox."""
USUAL_TYPES: Final = ("session.created", "session.revoked", "session.theft_detected")
"""Those that an endpoint gets which names none. The others are many, or are for those who operate the store."""
Sources = Mapping[str, frozenset[EventName]]
CHECKPOINT: Final = "audit.checkpoint"
"""The type of the message with a checkpoint of the audit trail, which is about no event."""
SOURCES: Final[Sources] = {kind: frozenset({name}) for name, kind in TYPES.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """A receiver of events, as configured. A subclass for each format of messages."""

    SOURCES: ClassVar[Sources]
    """The types of messages, and the events that each is about."""
    USUAL: ClassVar[tuple[str, ...]]
    """The types that are sent to an endpoint which names none."""

    name: str
    url: str
    events: tuple[str, ...] = ()
    """Types of messages; empty: the usual ones."""
    timeout: float = 15
    """Seconds for one attempt."""
    allow_private_addresses: bool = False
    """Whether its host may be this machine or in a private network, and whether plain http is allowed."""

    @property
    def types(self) -> tuple[str, ...]:
        return self.events or self.USUAL

    @property
    def names(self) -> frozenset[EventName]:
        """The events that messages are sent about."""
        return frozenset[EventName]().union(*(self.SOURCES[kind] for kind in self.types))


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookEndpoint(Endpoint):
    """A receiver of Standard Webhooks."""

    SOURCES: ClassVar[Sources] = {**SOURCES, CHECKPOINT: frozenset()}
    USUAL = USUAL_TYPES

    secrets: tuple[Secret, ...]
    """Each signs every message, so that secrets can be exchanged while messages are sent."""
