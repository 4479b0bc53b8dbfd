# Generated from src/reseal/_async/user_sessions.py by tools/unasync.py; edit that file instead.
"""The calls of an application about the sessions of a user: to list them and to end them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from reseal._sync.awaited import awaited
from reseal._sync.ports import Sessions
from reseal.core import ids
from reseal.core.errors import InvalidInput


class UserSessions:
    """A part of :class:`reseal.Reseal`. An id that is not text raises ``InvalidInput``."""

    backend: Sessions

    @awaited
    def revoke_session_using_session_handle(self, session_handle: str) -> bool:
        """End one session. Returns whether this call ended it."""
        return bool(self.backend.revoke((ids.handle(session_handle),)))

    @awaited
    def revoke_multiple_sessions(self, session_handles: Iterable[str]) -> tuple[str, ...]:
        """End exactly these sessions; returns those that this call ended."""
        return self.backend.revoke(session_handles)

    @awaited
    def revoke_all_sessions_for_user(self, user_id: str, *, keep: str | None = None) -> tuple[str, ...]:
        """End all sessions of a user, except for the handle ``keep``; returns those that this call ended."""
        return self.backend.revoke_user(user_id, keep=keep)

    @awaited
    def end_sessions_before(
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
        return self.backend.end_before(at, user_id=user_id, all_tenants=all_tenants)

    @awaited
    def get_all_session_handles_for_user(self, user_id: str) -> tuple[str, ...]:
        """Name the live sessions of a user, oldest first."""
        return tuple(record.handle for record in self.backend.list_user(user_id))
