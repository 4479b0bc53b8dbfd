"""The calls of a verified session about the other sessions of its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async.awaited import awaited
from reseal._async.user_sessions import end_user, listed
from reseal.core import actor, ids
from reseal.core.errors import Unauthorised
from reseal.core.model import EndReason
from reseal.devices import SessionInfo

if TYPE_CHECKING:
    from reseal._async.ports import AsyncSessions
    from reseal.core.access_token import Claims


class AsyncOwnSessions:
    """A part of :class:`reseal.AsyncSession`. Whose sessions these are, its access token says.

    Whoever acts as another user sees that user's sessions, and changes none: that raises ``InvalidClaims``. A
    visitor who is not signed in has none: that raises ``Unauthorised``.
    """

    __slots__ = ()

    if TYPE_CHECKING:
        _sessions: AsyncSessions
        _claims: Claims

        def get_user_id(self) -> str: ...

    @awaited
    async def list_sessions(self, *, ended_within: int = 0) -> tuple[SessionInfo, ...]:
        """List the sessions of this user, this one marked. See :meth:`reseal.AsyncReseal.list_sessions`."""
        return await listed(self._sessions, self.get_user_id(), self._claims.sid, ended_within)

    @awaited
    async def rename_session(self, session_handle: str, name: str) -> bool:
        """Name a device of this user; an empty name takes it away. ``False``: this user has no such live session.

        Raises ``InvalidInput``, ``InvalidClaims``, ``StoreUnavailable``.
        """
        actor.demand_own(self._claims.jwt_payload())
        is_own = await self._is_own(session_handle)
        if is_own:
            await self._sessions.rename(session_handle, name)
        return is_own

    @awaited
    async def end_other(self, session_handle: str, *, note: str | None = None) -> bool:
        """End a session of this user. ``False``: this user has no such live session.

        Raises ``InvalidInput``, ``InvalidClaims``, ``StoreUnavailable``.
        """
        actor.demand_own(self._claims.jwt_payload())
        is_own = await self._is_own(session_handle)
        return is_own and bool(await self._sessions.revoke((ids.handle(session_handle),), EndReason.REVOKED, note))

    @awaited
    async def revoke_other_sessions(self, *, note: str | None = None) -> tuple[str, ...]:
        """End the user's other sessions; names them.

        Raises ``InvalidInput``, ``InvalidClaims``, ``StoreUnavailable``.
        """
        actor.demand_own(self._claims.jwt_payload())
        return await end_user(self._sessions, self.get_user_id(), self._claims.sid, note)

    async def _is_own(self, session_handle: str) -> bool:
        user_id = self.get_user_id()
        try:
            record = await self._sessions.get(session_handle)
        except Unauthorised:
            return False
        return record.user_id == user_id
