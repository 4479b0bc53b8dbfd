"""Which of several sessions a call ends, and what is said of it."""

from __future__ import annotations

from typing import Any

import msgspec

from reseal.core import payload
from reseal.core.model import SessionRecord
from reseal.devices.kinds import DeviceKind, kind_of


class Only(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Sessions of which all of this is true; what is absent is true of every session. Times are ms since the epoch."""

    kind: DeviceKind | None = None
    begun_before: int | None = None
    last_seen_before: int | None = None
    claim: tuple[str, Any] | None = None
    """A member of the JWT payload, and its value."""
    note: str | None = None
    """Why they end, in the words of the caller."""

    def fits(self, record: SessionRecord) -> bool:
        """Return whether a session is one of them."""
        return (
            self.kind in {None, kind_of(record.device.user_agent)}
            and (self.begun_before is None or record.created_at < self.begun_before)
            and (self.last_seen_before is None or record.last_seen_at < self.last_seen_before)
            and (self.claim is None or _has(record, *self.claim))
        )


def _has(record: SessionRecord, name: str, value: Any) -> bool:
    members = payload.decode(record.jwt_payload)
    return name in members and payload.equal(members[name], value)
