"""The first use of a generation: it shows that the response with its refresh token was not lost (see ``rotation``)."""

from __future__ import annotations

import hmac
from typing import Any

from reseal.core.errors import TryRefreshToken
from reseal.core.model import Discreet, Scope, SessionRecord
from reseal.core.rotation import why_ended


class Seen(Discreet, frozen=True, kw_only=True, gc=False):
    """A generation of a session that was seen in use, by its number or by the hash of its refresh token."""

    HIDDEN = frozenset({"current_hash"})

    handle: str
    generation: int = -1
    current_hash: bytes = b""

    def values(self, scope: Scope) -> tuple[Any, ...]:
        """Return the parameters of a store's ``confirm`` in their order, beginning with the key of the session."""
        return (*scope, self.handle, self.generation, self.current_hash)


def is_unconfirmed(record: SessionRecord, seen: Seen, now: int) -> bool:
    """Return whether what was seen in use is the current generation of a live session, and not yet confirmed."""
    if record.confirmed_at is not None or why_ended(record, now):
        return False
    return seen.generation == record.generation or hmac.compare_digest(seen.current_hash, record.current_hash)


def seen_by_hash(handle: str, text: str) -> Seen:
    """Read the hash of the current token, in hexadecimal digits. Raises ``TryRefreshToken`` if it is none."""
    try:
        return Seen(handle=handle, current_hash=bytes.fromhex(text))
    except ValueError:
        raise TryRefreshToken("the hash of the refresh token in it is none") from None
