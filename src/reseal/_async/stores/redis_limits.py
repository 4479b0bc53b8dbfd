"""Limited sign-ins in Redis.

A user's sessions are in several slots, so no script can count and end them. One sign-in of a user at a time has its
turn, and has to have it still when it writes the new session into the index. The new session is written before the
oldest ones end: who dies in between leaves one too many, which the next sign-in ends, and signs nobody out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async.stores.redis_visitors import AsyncRedisVisitors
from reseal.core.errors import StoreUnavailable
from reseal.core.model import EndReason
from reseal.core.purging import KEPT
from reseal.core.rotation import why_ended
from reseal.core.session_policy import Admission
from reseal.stores.redis.changes import Change

if TYPE_CHECKING:
    from reseal.core.model import NewSession, Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import SessionLimit


class AsyncRedisLimits(AsyncRedisVisitors):
    """A part of the store in Redis."""

    if TYPE_CHECKING:

        async def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None: ...
        async def end(
            self, scope: Scope, handles: tuple[str, ...], reason: EndReason, reports: Reports = ()
        ) -> tuple[str, ...]: ...

    async def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        turn = self._layout.turn(scope, new.user_id)
        mine = await self._turns.take(turn)
        try:
            records, now = await self._sessions.of_user(scope, new.user_id)
            handles = limit.evicted(record for record in records if not why_ended(record, now))
            if handles is None:
                return Admission(None, (), is_full=True)
            if limit.ending and (refused := await self._end_visitor(scope, new.handle, limit.ending)):
                return refused
            index = self._layout.index(scope, new.user_id)
            entry = Change().require(mine, "GET", turn).do("ZADD", index, "GT", now + KEPT, new.handle)
            if not (await self._server.write(entry))[0]:
                raise StoreUnavailable("Redis: the sign-in took too long for the limit of sessions to be kept")
            record = await self.insert(scope, new, reports)
            if record is not None and handles:
                await self.end(scope, handles, EndReason.LIMIT, ended_reports)
            return Admission(record, handles if record is not None else ())
        finally:
            await self._turns.end(turn, mine)
