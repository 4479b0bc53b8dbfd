"""One verified session, during one request: what an application reads from it and changes in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar, overload

from reseal._async import actors, changes
from reseal._async.awaited import awaited
from reseal._async.elevating import AsyncOwnLevel
from reseal._async.own_sessions import AsyncOwnSessions
from reseal._async.owner import AsyncOwner
from reseal._async.ports import AsyncSessions
from reseal.core.access_token import Claims
from reseal.core.errors import Unauthorised
from reseal.core.model import EndReason, SessionRecord
from reseal.core.tokens import TokenPair
from reseal.web.context import RequestContext
from reseal.web.transport import Transport

T = TypeVar("T")
_LATER: Final = "; the same call by the session's handle changes the next access token"


class AsyncSession(AsyncOwner, AsyncOwnSessions, AsyncOwnLevel, actors.AsyncActedSession):
    """One verified session, during one request. New tokens leave by the way on which the request's came."""

    __slots__ = ("_claims", "_context", "_sessions", "_via")

    def __init__(self, sessions: AsyncSessions, claims: Claims, context: RequestContext, via: Transport) -> None:
        self._sessions = sessions
        self._claims = claims
        self._context = context
        self._via = via

    def __repr__(self) -> str:
        return f"Session(handle={self._claims.sid!r})"

    def parts(self) -> tuple[Claims, RequestContext, Transport]:
        """The parts from which a sync session object of the same session is made."""
        return self._claims, self._context, self._via

    def get_handle(self) -> str:
        """The session's name: fit for logs and lists, worthless as a credential."""
        return self._claims.sid

    def get_jwt_payload(self) -> dict[str, Any]:
        """What the access token carries; a fresh copy at each call."""
        return self._claims.jwt_payload()

    def get_expiry(self) -> int:
        """When the access token ends, in ms since the epoch."""
        return self._claims.exp * 1000

    @overload
    async def get_session_data(self) -> dict[str, Any]: ...
    @overload
    async def get_session_data(self, *, as_: type[T]) -> T: ...
    @awaited
    async def get_session_data(self, *, as_: type[Any] | None = None) -> Any:
        """Read the data that stays on the server: as a dict, or as a dataclass, ``TypedDict`` or msgspec ``Struct``.

        Raises ``Unauthorised``, ``StoreUnavailable``, and ``GeneralError`` if the data does not fit ``as_``.
        """
        return changes.read_data(await self._live(), as_)

    @overload
    async def change_session_data(
        self, change: Callable[[dict[str, Any]], Mapping[str, object]]
    ) -> Mapping[str, object]: ...
    @overload
    async def change_session_data(self, change: Callable[[T], T], *, as_: type[T]) -> T: ...
    @awaited
    async def change_session_data(self, change: Callable[[Any], Any], *, as_: type[Any] | None = None) -> Any:
        """Replace the session data by what ``change`` makes of it, without losing the change of another request.

        ``change`` gets a fresh copy, returns the new data and does nothing else: after a lost race it is called again.
        Raises ``InvalidInput``, ``Unauthorised``, ``Conflict`` (too many at once), ``StoreUnavailable``; after the last
        the change may have been made.
        """
        return await changes.change_session_data(self._sessions, self._live, change, as_=as_, seen=self._claims)

    @awaited
    async def update_session_data(self, session_data: Mapping[str, object]) -> None:
        """Replace the session data, whatever another request has written; :meth:`change_session_data` keeps both.

        Raises ``InvalidInput``, ``Unauthorised``, ``StoreUnavailable``.
        """
        try:
            await self._sessions.update(self._claims.sid, session_data=session_data, seen=self._claims)
        except Unauthorised as error:
            raise self._refused(error) from None

    @awaited
    async def update_jwt_payload(self, jwt_payload: Mapping[str, object]) -> None:
        """Replace the JWT payload and give the browser a new access token with it.

        Raises ``InvalidInput``, ``Unauthorised``, ``StoreUnavailable``, and ``RuntimeError`` once the response has
        begun.
        """
        self._context.response.demand_unsent("update_jwt_payload", _LATER)
        try:
            record = await self._sessions.update(self._claims.sid, jwt_payload=jwt_payload, seen=self._claims)
            tokens = await self._sessions.reissue(self._claims, record)
        except Unauthorised as error:
            raise self._refused(error) from None
        self._take(tokens)

    def _take(self, tokens: TokenPair) -> None:
        self._claims = tokens.claims
        self._context.attach(tokens, self._via)

    @awaited
    async def create_ticket(self, purpose: str) -> str:
        """Write a ticket that opens one WebSocket for this session within 30 seconds.

        ``purpose`` is the path of that WebSocket. Raises ``Unauthorised``, ``StoreUnavailable``.
        """
        try:
            return await self._sessions.issue_ticket(self._claims, purpose)
        except Unauthorised as error:
            raise self._refused(error) from None

    @awaited
    async def revoke_session(self) -> None:
        """End this session in the store, and that of a user who acts in it; then have the client forget both.

        Raises ``StoreUnavailable``, and ``RuntimeError`` once the response has begun.
        """
        self._context.response.demand_unsent("revoke_session", "; to end it all the same, revoke it by its handle")
        await actors.end(self._sessions, self._context, (self._claims,), EndReason.SIGNED_OUT)
        self._context.clear(self._via)

    @awaited
    async def _live(self) -> SessionRecord:
        try:
            return await self._sessions.check(self._claims)
        except Unauthorised as error:
            raise self._refused(error) from None
