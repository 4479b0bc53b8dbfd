"""Visitors who are not signed in: what a sign-in takes over of their session.

Their sessions belong to :data:`reseal.core.ids.ANONYMOUS`. At the sign-in such a session does not change its owner: it
ends, and a new one of the user begins with its data, so that nothing that anybody holds of it opens the user's.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from reseal.core import payload
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, Found, NewSession, SessionRecord
from reseal.core.rotation import ended, why_ended

_TAKEN_BY: Final = "sub"


def taken_over(new: NewSession, found: Found) -> tuple[NewSession, SessionRecord | None]:
    """Return a new session of a user with the data of a visitor's session, and that one as ended.

    What the new session has already wins, member by member. A session that was ended before gives nothing, except to
    another sign-in of the same user, such as that of a second tab: then there is nothing to end.
    """
    record, now = found
    if record is None or record.user_id != ANONYMOUS:
        return new, None
    taker = payload.encode("jwt_payload", {_TAKEN_BY: new.user_id})
    reason = why_ended(record, now)
    if reason is not None and (record.end_reason is not EndReason.REPLACED or record.jwt_payload != taker):
        return new, None
    data = payload.decode(record.session_data) | payload.decode(new.session_data)
    taking = replace(new, session_data=payload.encode("session_data", data))
    if reason is not None:
        return taking, None
    return taking, replace(ended(record, EndReason.REPLACED, now), jwt_payload=taker)
