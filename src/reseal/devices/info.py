"""A session as its user may see it: no token, no hash, no session data, and of the JWT payload only how it began."""

from __future__ import annotations

from typing import Any

import msgspec

from reseal.core import binding, payload
from reseal.core.actor import actor_of
from reseal.core.model import Device, SessionRecord
from reseal.devices import about
from reseal.devices.kinds import DeviceKind, kind_of
from reseal.devices.labels import label_of
from reseal.devices.places import place_of


class ShownDevice(msgspec.Struct, frozen=True):
    """A client, as it described itself; not evidence."""

    label: str
    """``Firefox on Linux``, or the user agent as it was sent where no parser is installed."""
    kind: DeviceKind
    address: str | None
    """The address or its network, as far as ``client_details`` lets it be known."""
    user_agent: str | None
    place: str | None = None
    """``Vienna, Austria``, by ``place_database``."""

    @classmethod
    def of(cls, device: Device, places: str | None = None) -> ShownDevice:
        """Describe a client. ``places``: the database file of places, if there is one."""
        address, agent = device
        return cls(label_of(agent), kind_of(agent), address, agent, place_of(address, places))


class SessionInfo(msgspec.Struct, frozen=True, kw_only=True):
    """One entry in the list of devices. Times are ms since the epoch, by the store's clock."""

    handle: str
    """Names the session in calls; worthless as a credential."""
    name: str | None
    """What its user calls it."""
    current: bool
    """Whether it is the session that asks."""
    created_at: int
    last_seen_at: int
    """When it was begun or last refreshed: at most the life of an access token before the last request."""
    expires_at: int
    """When it ends if it is not refreshed."""
    device: ShownDevice
    """The client of the last refresh."""
    first_device: ShownDevice | None
    """The client that signed in; ``None`` unless ``device_list`` was on then."""
    authenticated_by: tuple[str, ...]
    """The methods in the ``amr`` claim (RFC 8176), where the application puts it into the JWT payload."""
    actor: str | None
    """Who acts as this user in it; ``None``: the user."""
    bound: bool = False
    """Whether it is bound to its device, so that copied cookies are of no use."""
    ended_at: int | None = None
    """``None``: it is live."""
    end_reason: str | None = None
    """Why it ended: a value of :class:`reseal.Refusal`."""
    end_note: str | None = None
    """The same in the words of whoever ended it."""


def live(record: SessionRecord, current: str | None, places: str | None = None) -> SessionInfo:
    """Describe a live session; ``current`` is the handle of the session that asks."""
    members, kept = payload.decode(record.jwt_payload), about.read(record.about)
    actor = actor_of(members)
    return SessionInfo(
        handle=record.handle,
        name=kept.name,
        current=record.handle == current,
        created_at=record.created_at,
        last_seen_at=record.last_seen_at,
        expires_at=record.expires_at,
        device=ShownDevice.of(record.device, places),
        first_device=None if kept.device is None else ShownDevice.of(kept.device, places),
        authenticated_by=_methods(members.get("amr")),
        actor=actor and actor.user_id,
        bound=binding.is_bound(record.policy),
    )


def ended(record: SessionRecord, places: str | None = None) -> SessionInfo:
    """Describe a session that is over."""
    reason = "expired" if record.end_reason is None else record.end_reason.value
    if record.end_reason is None and record.expires_at == record.absolute_expires_at:
        reason = "absolute_timeout"
    at = record.expires_at if record.ended_at is None else record.ended_at
    return msgspec.structs.replace(live(record, None, places), ended_at=at, end_reason=reason, end_note=record.end_note)


def _methods(claim: Any) -> tuple[str, ...]:
    return tuple(each for each in claim if isinstance(each, str)) if isinstance(claim, list) else ()
