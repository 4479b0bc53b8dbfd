"""Visitors who sign in, in Redis.

Their session and the user's are in different slots, so no script can write both. The visitor's ends before the user's
begins: who dies in between leaves its data to the next sign-in of the same user.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async.stores.redis_sessions import AsyncRedisParts
from reseal.core.session_policy import Admission

if TYPE_CHECKING:
    from reseal.core.model import Found, Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Ending


class AsyncRedisVisitors(AsyncRedisParts):
    """A part of the store in Redis."""

    if TYPE_CHECKING:

        async def get(self, scope: Scope, handle: str) -> Found: ...
        async def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool: ...

    async def _end_visitor(self, scope: Scope, handle: str, ending: Ending) -> Admission | None:
        """End a visitor's session for one that begins with this handle; returns why nothing may begin."""
        if (await self.get(scope, handle)).record is not None:
            return Admission(None, ())
        return None if await self.replace(scope, *ending) else Admission(None, (), is_stale=True)
