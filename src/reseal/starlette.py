"""Sessions for Starlette, and for whatever is built on it.

One object is made with the application and installed once::

    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    reseal.install(app)

What a session has to tell the browser leaves with whatever response the request ends in, so the calls take no
response: one that a handler returns, streams or replaces would lose its cookies.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final

import msgspec

try:
    from starlette.applications import Starlette
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f'{__name__} needs starlette: pip install "reseal[starlette]" ({_error})') from None
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response
from starlette.routing import Match, Mount, Route, Router
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket, WebSocketDisconnect

from reseal import asgi, sockets
from reseal._async.endpoints import AsyncEndpoint
from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession as Session
from reseal.asgi import facts, outbox
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError
from reseal.core.events import EventListener
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web import bearer, cors, places
from reseal.web.facts import RequestFacts
from reseal.web.responses import WebResponse

__all__ = ["Reseal", "Session", "Settings", "facts", "outbox"]

_ELSEWHERE: Final[tuple[Match, Scope]] = (Match.NONE, {})

Handler = Callable[[Request], Awaitable[Response]]


class _Requests:
    """How a request of Starlette is read."""

    facts = staticmethod(facts)
    outbox = staticmethod(outbox)

    async def facts_with_body(self, request: Request) -> RequestFacts:
        head = facts(request)  # the server holds the body to its stated length
        return msgspec.structs.replace(head, body=await request.body()) if bearer.may_have_body(head) else head


class Reseal(asgi.ApplicationSessions[Request]):
    """The sessions of one application. Opened and closed by the application's lifespan."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: AsyncSessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        super().__init__(settings, _Requests(), sessions, clock, on_event)
        self._opening = asgi.Opening(self.sessions, self._loop)

    def install(self, app: Starlette, *, routes: bool = True) -> None:
        """Put the sessions into an application: lifespan, response headers, error answers, routes.

        The routes: ``POST`` for refreshing and signing out, ``GET`` for the public keys and the browser SDK.

        A handler of your own for one of the errors wins over the one installed here.
        """
        app.add_exception_handler(ResealError, self._answer)  # type: ignore[arg-type]  # it answers either kind
        app.router.lifespan_context = self._opening.around(app.router.lifespan_context)
        build = app.build_middleware_stack

        def build_with_headers() -> ASGIApp:
            stack = build()
            return asgi.SessionMiddleware(stack, has_routes=routes, others=self._opening.explained(stack))

        app.build_middleware_stack = build_with_headers  # type: ignore[method-assign]
        self._has_routes = routes
        if routes:
            ours = [self._route(app, endpoint, self._handler(endpoint)) for endpoint in self._endpoints.table()]
            fixed = [route for route in ours if not route.param_convertors]
            app.router.routes.append(OwnRoutes(type(app.router), fixed))
            app.router.routes += [route for route in ours if route.param_convertors]

    def _route(self, _app: Starlette, endpoint: AsyncEndpoint, handler: Handler) -> Route:
        """Make one ready-made route."""
        return Route(endpoint.path, handler, methods=endpoint.methods)

    def guard(
        self, websocket: WebSocket, *, subprotocols: Iterable[str] = (), claims: Iterable[ClaimCheck] = ()
    ) -> AbstractAsyncContextManager[Session]:
        """Accept a WebSocket for a session, and run the block of ``async with`` for as long as the session lives.

        The handshake shows a ticket for this path, a token in ``Authorization``, or a cookie from a page of ours;
        otherwise it is refused. When the session ends, the block is cancelled and the WebSocket closed with code 4001;
        where the store stays away for minutes, with 1013. The first of ``subprotocols`` that the page offers is chosen.
        """
        socket = sockets.StarletteSocket(websocket)
        return self._guarded(socket, facts(websocket), subprotocols, claims, (WebSocketDisconnect,))

    def refresh_first(self, request: Request) -> Response:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made routes.

        A visitor who came by a link of another site is asked to press a button.
        """
        read = facts(request)
        target = places.public(asgi.target(request), read, self.settings)
        return _response(self._endpoints.page_before(read, outbox(request), target))

    def install_cors(
        self, app: Starlette, *, allow_headers: Iterable[str] = (), expose_headers: Iterable[str] = ()
    ) -> None:
        """Let the pages of ``settings.origins``, and no others, call this application with their session.

        ``allow_headers`` and ``expose_headers`` are those of your own, beside what sessions need.
        """
        app.add_middleware(
            _OwnOriginsOnly,
            allow_origins=sorted(self.settings.origins),
            allow_credentials=True,
            allow_methods=cors.METHODS,
            allow_headers=[*cors.get_cors_headers(), *allow_headers],
            expose_headers=[*cors.get_cors_exposed_headers(), *expose_headers],
        )

    def _handler(self, endpoint: AsyncEndpoint) -> Handler:
        async def handle(request: Request) -> Response:
            read = await self._requests.facts_with_body(request) if endpoint.reads_body else facts(request)
            return _response(await endpoint.answer(read, outbox(request)))

        handle.__name__ = endpoint.name
        return handle

    async def _answer(self, request: HTTPConnection, error: Exception) -> Response | None:
        assert isinstance(error, ResealError)  # it is installed for these only
        if isinstance(request, Request):
            return _response(self._answer_to(request, error, asgi.target(request)))
        assert isinstance(request, WebSocket)  # there is no third kind
        await sockets.refuse(request, error, self._endpoints.of_error(facts(request), error))
        return None


def _response(answer: WebResponse) -> Response:
    return Response(answer.body, answer.status, dict(answer.headers))


class OwnRoutes(Mount):
    """Our routes as one. Every request of the application passes by here: a look at its path is enough for most.

    ``router`` is the class of the application's own, which tells its telemetry what route a request has taken.
    """

    def __init__(self, router: type[Router], routes: list[Route]) -> None:
        super().__init__("", app=router(routes=routes))
        self._paths = tuple([route.path for route in routes])

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if not scope["path"].endswith(self._paths):
            return _ELSEWHERE
        return max([route.matches(scope) for route in self.routes], key=lambda found: found[0].value)


class _OwnOriginsOnly(CORSMiddleware):
    """Says nothing to other origins; the framework's would tell them that credentials are welcome, but not theirs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is None or self.is_allowed_origin(origin):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)
