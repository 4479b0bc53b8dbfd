"""The inventory of security events and their fields. No event carries a secret."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from reseal.core.model import Device, Scope

NO_DEVICE: Final = Device()
CORRELATION_ID_MAX: Final = 128
"""Characters."""


class EventName(StrEnum):
    """Every event that can occur. Log readers may rely on this list being complete."""

    SESSION_CREATED = "session_created"
    SESSION_CONVERTED = "session_converted"
    """A visitor signed in: a session of the user took over the data of the visitor's, whose handle is ``reason``."""
    NEW_DEVICE = "new_device"
    """A user signed in from a device that no earlier session of theirs was on (``new_device_events``)."""
    SESSION_REFRESHED = "session_refreshed"
    SESSION_REPLAYED = "session_replayed"
    """A previous refresh token was presented within its window and got the same successor."""
    SESSION_IN_STEP = "session_in_step"
    """Three generations in a row needed a replay: two parties may be refreshing in step."""
    ACCESS_TOKEN_REISSUED = "access_token_reissued"
    """A new access token of the same generation was issued: the payload changed, or the generation was confirmed."""
    SESSION_REVOKED = "session_revoked"
    TOKEN_THEFT = "token_theft"
    REFRESH_REFUSED = "refresh_refused"
    SESSION_BOUND = "session_bound"
    """A session was bound to a device: from now on no refresh without a proof of its key."""
    BINDING_REFUSED = "binding_refused"
    """Somebody came with a token of a bound session, and with a proof of another key, or an unusable one."""
    STORE_ROLLED_BACK = "store_rolled_back"
    """A genuine token is newer than the store: a backup was restored, or writes were lost."""
    CROSS_SITE_REFUSED = "cross_site_refused"
    REFRESH_COOKIE_MISSING = "refresh_cookie_missing"
    """A refresh came with the access cookie alone: the refresh cookie's path is not the path that browsers call."""
    IMPERSONATION_BEGUN = "impersonation_begun"
    """A user (``by``) got an access token of another user, for a stated reason (``note``)."""
    IMPERSONATION_ENDED = "impersonation_ended"
    KEY_PUBLISHED = "key_published"
    KEY_RETIRED = "key_retired"
    STORE_UNAVAILABLE = "store_unavailable"


class EventOutbox(StrEnum):
    """Which events are kept in the store until they were read: see :data:`OUTBOX_EVENTS`."""

    OFF = "off"
    SECURITY = "security"
    ALL = "all"


_SECURITY: Final = frozenset(
    {
        EventName.SESSION_REVOKED,
        EventName.TOKEN_THEFT,
        EventName.SESSION_IN_STEP,
        EventName.STORE_ROLLED_BACK,
        EventName.NEW_DEVICE,
        EventName.IMPERSONATION_BEGUN,
    }
)
OUTBOX_EVENTS: Final[Mapping[EventOutbox, frozenset[EventName]]] = {
    EventOutbox.OFF: frozenset(),
    EventOutbox.SECURITY: _SECURITY,
    EventOutbox.ALL: _SECURITY
    | {EventName.SESSION_CREATED, EventName.SESSION_REFRESHED, EventName.SESSION_REPLAYED, EventName.SESSION_CONVERTED}
    | {EventName.SESSION_BOUND},
}
"""The events of each setting. None of them can be caused without a genuine token or a call of the application: a
stranger cannot fill the outbox."""


class Caller(NamedTuple):
    """The caller as described by the request: evidence for events, never a reason to trust."""

    device: Device = NO_DEVICE
    correlation_id: str | None = None

    def bounded(self) -> Caller:
        """Return it with each field cut to its maximum length: the caller chose the text."""
        device, correlation_id = Device.of(*self.device), self.correlation_id
        if device == self.device and (correlation_id is None or len(correlation_id) <= CORRELATION_ID_MAX):
            return self
        return Caller(device, correlation_id and correlation_id[:CORRELATION_ID_MAX])


NOBODY: Final = Caller()


class Event(msgspec.Struct, frozen=True, gc=False):
    """One event: its name, time (ms), session, origin and reason."""

    name: EventName
    at: int
    scope: Scope
    session_handle: str | None = None
    user_id: str | None = None
    reason: str | None = None
    device: Device = NO_DEVICE
    """The device that sent this request."""
    other_device: Device | None = None
    """The device seen before it (theft, and parties in step)."""
    correlation_id: str | None = None
    by: str | None = None
    """Who caused it, if known: the name of an API key, or of the operator who ran a command."""
    note: str | None = None
    """Their reason, in their own words."""
    response: str | None = None
    """What was done about a theft: a value of :class:`reseal.core.model.TheftResponse`."""
    id: str | None = None
    """Of an event from the outbox: 32 hexadecimal digits, the same at every delivery."""
    traceparent: str | None = None
    """Of an event from the outbox: the trace of its request (W3C Trace Context), if that was traced."""


EventListener = Callable[[Event], None]
"""Called for each event, in the thread of the request; an exception in it fails the request."""
