# Generated from src/reseal/_async/stores/redis_visitors.py by tools/unasync.py; edit that file instead.
"""Visitors who sign in, in Redis.

Their session and the user's are in different slots, so no script can write both. The visitor's ends before the user's
begins: who dies in between leaves its data to the next sign-in of the same user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._sync.stores.redis_sessions import RedisParts
from reseal.core.session_policy import Admission

if TYPE_CHECKING:
    from reseal.core.model import Found, Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Ending


class RedisVisitors(RedisParts):
    """A part of the store in Redis."""

    if TYPE_CHECKING:

        def get(self, scope: Scope, handle: str) -> Found: ...
        def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool: ...

    def _end_visitor(self, scope: Scope, handle: str, ending: Ending) -> Admission | None:
        """End a visitor's session for one that begins with this handle; returns why nothing may begin."""
        if (self.get(scope, handle)).record is not None:
            return Admission(None, ())
        return None if self.replace(scope, *ending) else Admission(None, (), is_stale=True)
