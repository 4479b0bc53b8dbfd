"""A middleware of Litestar that demands a session of every request that is not excluded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, TypeAlias

from litestar.exceptions import PermissionDeniedException
from litestar.middleware import AbstractAuthenticationMiddleware, AuthenticationResult
from litestar.types import ASGIApp, Receive, Scope, Send

from reseal._async.session import AsyncSession as Session
from reseal.litestar.demands import OWN, Connection, Demand, Verifier, is_websocket, state

RetrieveUser: TypeAlias = Callable[[Session, Connection], Awaitable[Any]]
_WANTED: Final = "reseal.wanted"


class Follower(Verifier, Protocol):
    """What the middleware needs of the plugin."""

    async def follow(self, app: ASGIApp, demands: list[Demand], scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a WebSocket and run an application for as long as its session lives."""


class Authentication(AbstractAuthenticationMiddleware):
    """Demands a session, and fills ``connection.user`` and ``connection.auth``."""

    def __init__(
        self, app: ASGIApp, *, reseal: Follower, demand: Demand, retrieve_user: RetrieveUser | None, **options: Any
    ) -> None:
        super().__init__(self._follow, **options)
        self._inner = app
        self._reseal = reseal
        self._demand = demand
        self._retrieve_user = retrieve_user

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if OWN in scope["route_handler"].opt:
            await self._inner(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)

    async def authenticate_request(self, connection: Connection) -> AuthenticationResult:
        if is_websocket(connection.scope):  # it is admitted where it can be followed as well
            state(connection.scope)[_WANTED] = True
            return AuthenticationResult(None, None)
        return await self._authenticated(connection)

    async def _follow(self, scope: Scope, receive: Receive, send: Send) -> None:
        if state(scope).pop(_WANTED, False):
            await self._reseal.follow(self._admitted, [self._demand], scope, receive, send)
        else:
            await self._inner(scope, receive, send)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        result = await self._authenticated(Connection(scope, receive, send))
        scope["user"], scope["auth"] = result.user, result.auth
        await self._inner(scope, receive, send)

    async def _authenticated(self, connection: Connection) -> AuthenticationResult:
        session = await self._reseal.verified(connection, self._demand)
        if self._retrieve_user is None:
            return AuthenticationResult(session.get_user_id(), session)
        user = await self._retrieve_user(session, connection)
        if user is None:
            raise PermissionDeniedException("the user of this session does not exist")
        return AuthenticationResult(user, session)
