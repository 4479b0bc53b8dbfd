"""The event outbox: events kept in the store, with the change that they report, until every consumer has read them.

A :class:`Report` is the draft of such an event. The store adds what only the change itself knows: id, time, session
and user. No event contains a token, the hash of one, a cookie or a secret.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from itertools import takewhile
from typing import Any, Final, NamedTuple

import msgspec

from reseal.core.events import NO_DEVICE, Event, EventName
from reseal.core.kill_list import Kill
from reseal.core.model import Device, Scope, printable

ID_BYTES: Final = 16
SEEN_EVERY: Final = 60_000
"""Milliseconds between two notes of when a consumer last read."""
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Report(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """An event to be written in the same transaction as the change that it reports."""

    name: EventName
    reason: str | None = None
    device: Device = NO_DEVICE
    other_device: Device | None = None
    correlation_id: str | None = None
    note: str | None = None
    by: str | None = None
    """Who caused it: ``api_key:`` and the key's name, ``operator:`` and the name, or ``user:`` and the id."""
    traceparent: str | None = None
    """Of the request (W3C Trace Context)."""
    response: str | None = None

    def body(self) -> str:
        """Return what is the same for every session that the change is about, as a JSON object."""
        other = self.other_device or NO_DEVICE
        members = {
            "reason": self.reason,
            "ip": self.device.ip,
            "user_agent": self.device.user_agent,
            "other_ip": other.ip,
            "other_user_agent": other.user_agent,
            "correlation_id": self.correlation_id,
            "note": self.note,
            "by": self.by,
            "traceparent": self.traceparent,
            "response": self.response,
        }
        # Unprintable characters would become escapes that a database's JSON functions refuse.
        kept = {name: printable(value) for name, value in members.items() if value is not None}
        return _encode(kept)


Row = tuple[bytes, int, str, str, str, str | None, str | None, str]
"""An event as stored: id, time, app, tenant, name, session handle, user id and body."""
Drafts = tuple[Report, ...]
"""The events of one change; empty where the outbox takes none of them."""
Reports = tuple[Report | Kill, ...]
"""The events of one change, and for an ended session the order to put it on the kill list, if there is one."""


class Occurrence(NamedTuple):
    """An event without a change of a row."""

    scope: Scope
    session_handle: str
    user_id: str | None
    report: Report
    id: bytes
    """:data:`ID_BYTES` bytes. An occurrence whose id is still in the outbox is not written again."""

    def row(self, at: int) -> Row:
        """Return its columns, in the order in which :func:`to_event` reads them."""
        report = self.report
        return self.id, at, *self.scope, report.name.value, self.session_handle, self.user_id, report.body()


class EventPage(NamedTuple):
    """The next events for a consumer, in the order of their numbers, which has no gaps."""

    events: tuple[Event, ...]
    cursor: int
    """The number of the last one: acknowledge it once all of them are handled."""
    lost: int = 0
    """How many events were removed before this consumer acknowledged them."""

    def cursor_after(self, handled: int) -> int:
        """Return the number of the last event that was handled, of the first ``handled`` ones."""
        return self.cursor - len(self.events) + handled


class Delivered(NamedTuple):
    """What one delivery did."""

    events: int
    """Events that were handled; 0: there are none at present."""
    lost: int
    """Events that were removed before this consumer acknowledged them."""


class Retention(NamedTuple):
    """What is kept for consumers that fall behind."""

    ms: int = 7 * 24 * 3600 * 1000
    events: int = 1_000_000


RETENTION: Final = Retention()


class PurgedEvents(NamedTuple):
    """The result of one step of purging the outbox."""

    removed: int
    unread: int = 0
    """Those of them that some consumer had not acknowledged; all of them where there is no consumer."""
    more: bool = False
    """Whether another step may find more to do."""


def id_of(scope: Scope, name: EventName, session_handle: str, token_hash: bytes) -> bytes:
    """Return the id of what may be met several times and is to be reported once: this token, presented once more."""
    text = json.dumps([*scope, name.value, session_handle]).encode()
    return hashlib.sha256(text + token_hash).digest()[:ID_BYTES]


def page_of(rows: Sequence[tuple[Any, ...]], acknowledged: int, last: int) -> EventPage:
    """Make a page of rows that end with their number. ``last``: the last number that was given."""
    cursor = rows[-1][-1] if rows else max(acknowledged, last)
    return EventPage(tuple(to_event(row[:-1]) for row in rows), cursor, max(0, cursor - acknowledged - len(rows)))


def over(oldest: Iterable[tuple[int, int]], acknowledged: int, beyond: int, before: int) -> list[int]:
    """Return the numbers of the first events, of ``oldest`` with their times, that are not kept any longer.

    These are acknowledged by every consumer, beyond the number that is kept, or of the time ``before`` or earlier.
    """
    return [seq for seq, _ in takewhile(lambda each: each[0] <= max(acknowledged, beyond) or each[1] <= before, oldest)]


def events_of(reports: Reports) -> Drafts:
    """Return those that are events."""
    return tuple(each for each in reports if not isinstance(each, Kill))


def kill_of(reports: Reports) -> Kill | None:
    """Return the order to put the change on the kill list, if there is one."""
    return next((each for each in reports if isinstance(each, Kill)), None)


def as_json(reports: Reports) -> str:
    """Return events as a JSON array of objects with ``name`` and ``body``: the parameter of a statement."""
    return "[" + ",".join(f'{{"name":"{each.name.value}","body":{each.body()}}}' for each in events_of(reports)) + "]"


def to_event(row: Row) -> Event:
    """Read an event as stored."""
    event_id, at, app_id, tenant_id, name, session_handle, user_id, body = row
    members: dict[str, Any] = json.loads(body)
    other = Device(members.get("other_ip"), members.get("other_user_agent"))
    return Event(
        id=bytes(event_id).hex(),
        name=EventName(name),
        at=at,
        scope=Scope(app_id, tenant_id),
        session_handle=session_handle,
        user_id=user_id,
        reason=members.get("reason"),
        device=Device(members.get("ip"), members.get("user_agent")),
        other_device=None if other == NO_DEVICE else other,
        correlation_id=members.get("correlation_id"),
        note=members.get("note"),
        by=members.get("by"),
        traceparent=members.get("traceparent"),
        response=members.get("response"),
    )
