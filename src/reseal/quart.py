"""Sessions for Quart.

::

    app = Quart(__name__)
    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    reseal.init_app(app)


    @app.post("/login")
    async def login():
        await reseal.create_new_session(request, "alice")  # after you have checked who it is
        return {}


    @app.get("/account")
    @reseal.session_required()
    async def account():
        return f"Welcome, {current_session.get_user_id()}"

The calls take Quart's ``request``. ``def`` views, which Quart runs in threads, use ``reseal.sync``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from functools import wraps
from typing import Any, Final, ParamSpec, TypeVar, cast

try:
    from quart import Quart, Response, g, has_request_context, has_websocket_context, request, websocket
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f"{__name__} needs quart: pip install quart ({_error})") from None
from quart.wrappers import Websocket
from werkzeug.local import LocalProxy

from reseal import guards
from reseal._async.session import AsyncSession as Session
from reseal.asgi import Request, WrappedSessions, facts
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError
from reseal.settings import Settings
from reseal.web.responses import WebResponse

__all__ = ["Reseal", "Session", "Settings", "current_session"]

EXTENSION: Final = "reseal"
_CURRENT: Final = "reseal_session"
P = ParamSpec("P")
T = TypeVar("T")


class Reseal(WrappedSessions):
    """The sessions of one Quart application."""

    def init_app(
        self,
        app: Quart,
        *,
        routes: bool = True,
        cors: bool = False,
        allow_headers: Iterable[str] = (),
        expose_headers: Iterable[str] = (),
    ) -> None:
        """Put the sessions into an application: lifespan, response headers, error answers, routes.

        The arguments are those of :meth:`wrap`. A handler of your own for one of the errors wins over the one installed
        here. Raises ``RuntimeError`` the second time.
        """
        if EXTENSION in app.extensions:
            raise RuntimeError(f"Reseal is installed in the application {app.name!r} already: call init_app(app) once")
        app.extensions[EXTENSION] = self
        cors_headers = {"allow_headers": tuple(allow_headers), "expose_headers": tuple(expose_headers)}
        app.asgi_app = self.wrap(app.asgi_app, routes=routes, cors=cors, **cors_headers)  # type: ignore[method-assign,arg-type,assignment]  # Quart's way
        app.register_error_handler(ResealError, self._answered)

    def session_required(
        self,
        *,
        enable_csrf_protection: bool | None = None,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Callable[[Callable[P, Awaitable[T]]], Callable[P, Awaitable[T]]]:
        """Demand a session for an ``async def`` view: it is ``current_session`` there. Put it below the route.

        ``check_database``: also notice at once that the session was revoked. ``claims``: what else is demanded.
        """
        demanded = tuple(claims)

        def protect(view: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
            @wraps(view)
            async def protected(*args: P.args, **named: P.kwargs) -> T:
                session = await self.get_session(
                    _of_now(), enable_csrf_protection, check_database=check_database, claims=demanded
                )
                setattr(g, _CURRENT, session)
                return await view(*args, **named)

            return protected

        return protect

    def guard(
        self, socket: Websocket, *, subprotocols: Iterable[str] = (), claims: Iterable[ClaimCheck] = ()
    ) -> AbstractAsyncContextManager[Session]:
        """Accept a WebSocket for a session, and run the block of ``async with`` for as long as the session lives.

        See :meth:`reseal.asgi.Reseal.guard`.
        """
        return self._guarded(_Socket(socket), facts(socket), subprotocols, claims)

    def refresh_first(self, request: Request) -> Response:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made routes."""
        return _response(self.page_before(request))

    async def _answered(self, error: Exception) -> Response:
        assert isinstance(error, ResealError)  # it is registered for these only
        answer = self.answer(_of_now(), error)
        return _response(guards.refusal(error, answer) if has_websocket_context() else answer)


def _session() -> Session:
    found = g.get(_CURRENT) if has_request_context() else None
    if isinstance(found, Session):
        return found
    raise RuntimeError(
        "current_session is the session of a view below @reseal.session_required(); elsewhere call reseal.get_session"
    )


current_session: Session = cast("Session", LocalProxy(_session))
"""The session of the view that is running. Raises ``RuntimeError`` outside of views with ``session_required``."""


class _Socket(guards.Socket):
    """How a WebSocket of Quart is opened and closed."""

    def __init__(self, socket: Websocket) -> None:
        self._socket = socket

    async def accept(self, subprotocol: str | None) -> None:
        await self._socket.accept(subprotocol=subprotocol)

    async def close(self, code: int, reason: str) -> None:
        await self._socket.close(code, reason)


def _of_now() -> Any:
    return websocket if has_websocket_context() else request


def _response(answer: WebResponse) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))
