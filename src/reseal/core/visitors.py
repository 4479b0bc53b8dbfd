"""Visitors who are not signed in: what a sign-in takes over of their session.

Their sessions belong to :data:`reseal.core.ids.ANONYMOUS`. At the sign-in such a session does not change its owner: it
ends, and a new one of the user begins with its data, so that nothing that anybody holds of it opens the user's.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from reseal.core import actor, payload
from reseal.core.errors import Refusal
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, Found, NewSession, SessionRecord
from reseal.core.rotation import ended, why_ended

_TAKEN_BY: Final = "sub"


def taken_over(new: NewSession, found: Found, window_ms: int) -> tuple[NewSession, SessionRecord | None]:
    """Return a new session of a user with the data of a visitor's session, and that one as ended.

    What the new session has already wins, member by member. A session that was ended before gives nothing, except to
    another sign-in of the same user, such as that of a second tab: then there is nothing to end. That sign-in may
    present the user's session instead, which began up to ``window_ms`` before.
    """
    record, now = found
    if record is None or not _may_take(new.user_id, record, now, window_ms):
        return new, None
    data = payload.decode(record.session_data) | payload.decode(new.session_data)
    taking = replace(new, session_data=payload.encode("session_data", data))
    if record.end_reason is not None:
        return taking, None
    over = ended(record, EndReason.REPLACED, now)
    return taking, over if record.user_id == new.user_id else replace(over, jwt_payload=_taken_by(new.user_id))


def _may_take(user_id: str, record: SessionRecord, now: int, window_ms: int) -> bool:
    if why_ended(record, now) not in {None, Refusal.REPLACED}:
        return False
    if record.user_id == user_id:
        return now - record.created_at <= window_ms and not actor.stored(record.jwt_payload)
    if record.user_id != ANONYMOUS:
        return False
    return record.end_reason is None or record.jwt_payload == _taken_by(user_id)


def _taken_by(user_id: str) -> bytes:
    """Return the payload of a visitor's session whose data a user has taken over."""
    return payload.encode("jwt_payload", {_TAKEN_BY: user_id})
