"""The message about an event: id, body and the session that orders it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Final

import msgspec

from reseal.core.acting import USER
from reseal.core.events import Event, EventName
from reseal.core.webhooks import CHECKPOINT, TYPES

TEST_TYPE: Final = "webhook.test"
_encode: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A message, and what became of its attempts."""

    id: str
    body: str
    """JSON, exactly as it is signed and sent."""
    at: int = 0
    """Milliseconds: when the event occurred."""
    traceparent: str | None = None
    """Of the request that caused the event; it is not sent."""
    session: str = ""
    """Messages about the same session are sent in their order."""
    attempts: int = 0
    begun_at: int = 0
    """Milliseconds: the first attempt."""
    next_at: int = 0
    """Milliseconds: no attempt before this."""
    problem: str = ""
    """Why the last attempt failed."""


def message_of(event: Event, access_ms: int) -> Message:
    """Write the message about an event of the outbox.

    ``access_ms``: the longest lifetime of an access token of its app, which bounds how long one may be accepted after
    the session has ended. No address, user agent or token leaves.
    """
    access_exp = -(-(event.at + access_ms) // 1000) if event.name is EventName.SESSION_REVOKED else None
    data = {
        "app_id": event.scope.app_id,
        "tenant_id": event.scope.tenant_id,
        "session_handle": event.session_handle,
        "user_id": event.user_id,
        "reason": event.reason,
        "access_exp": access_exp,
        "actor": event.by.removeprefix(USER) if event.by and event.name is EventName.IMPERSONATION_BEGUN else None,
    }
    session, body = order_of(event), _body(TYPES[event.name], event.at, data)
    return Message(id=str(event.id), body=body, at=event.at, traceparent=event.traceparent, session=session)


def order_of(event: Event) -> str:
    """Return what orders the messages about an event: its session."""
    return "/".join((*event.scope, event.session_handle or ""))


def trial_message(message_id: str, at: int) -> Message:
    """Write a message that only shows whether an endpoint is reached."""
    return Message(id=message_id, body=_body(TEST_TYPE, at, {}))


def checkpoint_message(message_id: str, at: int, text: str) -> Message:
    """Write the message with a checkpoint of the audit trail, as ``reseal audit verify`` reads it."""
    return Message(id=message_id, body=_body(CHECKPOINT, at, {"checkpoint": text}), at=at)


def _body(kind: str, at: int, data: dict[str, str | int | None]) -> str:
    moment = datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    present = {name: value for name, value in data.items() if value is not None}
    return _encode({"type": kind, "timestamp": moment, "data": present})
