"""The calls of an application about the sessions of a user: to list them and to end them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reseal._async.awaited import awaited
from reseal._async.ports import AsyncSessions
from reseal.core import ids
from reseal.core.errors import InvalidInput


class AsyncUserSessions:
    """A part of :class:`reseal.AsyncReseal`. An id that is not text raises ``InvalidInput``."""

    backend: AsyncSessions

    @awaited
    async def revoke_session_using_session_handle(self, session_handle: str) -> bool:
        """End one session. Returns whether this call ended it."""
        return bool(await self.backend.revoke((ids.handle(session_handle),)))

    @awaited
    async def revoke_multiple_sessions(self, session_handles: Iterable[str]) -> tuple[str, ...]:
        """End exactly these sessions; returns those that this call ended."""
        return await self.backend.revoke(session_handles)

    @awaited
    async def revoke_all_sessions_for_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, except for the handle ``keep``; returns those that this call ended."""
        return await self.backend.revoke_user(user_id, keep=keep)

    @awaited
    async def end_sessions_before(
        self, moment: datetime, *, user_id: str | None = None, all_tenants: bool = False
    ) -> int:
        """End the sessions that were begun or refreshed before a moment for the last time; returns how many.

        For the hour after a backup was restored, in which sessions that were revoked since live again. Of one user, or
        of all; of this tenant, or of all tenants of the app. Raises ``InvalidInput`` for a moment without time zone or
        one that is still to come, ``StoreUnavailable`` (then call again).
        """
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise InvalidInput("moment", "must be a datetime with a time zone: datetime.now(UTC), for example")
        at = int(moment.timestamp() * 1000)
        return await self.backend.end_before(at, user_id=user_id, all_tenants=all_tenants)

    @awaited
    async def get_all_session_handles_for_user(self, user_id: str) -> tuple[str, ...]:
        """Name the live sessions of a user, oldest first."""
        return tuple(record.handle for record in await self.backend.list_user(user_id))
