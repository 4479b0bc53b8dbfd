"""Sessions for aiohttp's server.

::

    app = web.Application()
    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    reseal.install(app)

The calls take aiohttp's ``web.Request``. What a session has to tell the browser leaves with whatever response the
request ends in.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final

import msgspec

try:
    from aiohttp import web
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f"{__name__} needs aiohttp: pip install aiohttp ({_error})") from None

from reseal import guards
from reseal._async.endpoints import AsyncEndpoint
from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession as Session
from reseal.asgi import ApplicationSessions
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError
from reseal.core.events import EventListener
from reseal.log import log_event
from reseal.settings import Settings
from reseal.web import bearer, places
from reseal.web.cors import OwnOrigins
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.responses import WebResponse

__all__ = ["Reseal", "Session", "Settings"]

_NAME: Final = "reseal.headers"
_OUTBOX: Final[Any] = web.RequestKey(_NAME, SessionHeaders) if hasattr(web, "RequestKey") else _NAME  # of older aiohttp
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class _Requests:
    """How a request of aiohttp is read."""

    def __init__(self) -> None:
        self.prefix: Callable[[], str] = str
        """Where the application is mounted; a sub-application learns it after it was made."""

    def facts(self, request: web.Request) -> RequestFacts:
        headers = tuple([(name.lower(), value) for name, value in request.raw_headers])
        return RequestFacts(
            request.method,
            request.path,
            headers,
            request.remote,
            root_path=self.prefix(),
            query_string=request.rel_url.raw_query_string.encode(),
        )

    async def facts_with_body(self, request: web.Request) -> RequestFacts:
        head = self.facts(request)
        return msgspec.structs.replace(head, body=await request.read()) if bearer.may_have_body(head) else head

    def outbox(self, request: web.Request) -> SessionHeaders:
        headers = request.get(_OUTBOX)
        if isinstance(headers, SessionHeaders):
            return headers
        raise RuntimeError(
            "sessions are not installed around this code: call reseal.install(app); a middleware that asks for a "
            "session must come behind the one that install puts first"
        )


class Reseal(ApplicationSessions[web.Request]):
    """The sessions of one application. Opened at its start, and closed when it is cleaned up."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: AsyncSessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        self._read_as = _Requests()
        super().__init__(settings, self._read_as, sessions, clock, on_event)
        self._origins: OwnOrigins | None = None

    def install(
        self,
        app: web.Application,
        *,
        routes: bool = True,
        cors: bool = False,
        allow_headers: Iterable[str] = (),
        expose_headers: Iterable[str] = (),
    ) -> None:
        """Put the sessions into an application: start and end, response headers, error answers, routes.

        The routes: ``POST`` for refreshing and signing out, ``GET`` for the public keys and the browser SDK. ``cors``
        lets the pages of ``settings.origins``, and no others, call the application with their session;
        ``allow_headers`` and ``expose_headers`` are those of your own, beside what sessions need. Raises
        ``RuntimeError`` the second time.
        """
        if self._around in app.middlewares:
            raise RuntimeError("Reseal is installed in this application already: call reseal.install(app) once")
        if cors:
            self._origins = OwnOrigins(self.settings, allow_headers, expose_headers)
        app.middlewares.insert(0, self._around)
        app.cleanup_ctx.insert(0, self._opened)
        app.on_response_prepare.append(self._add_headers)
        self._has_routes = routes
        for endpoint in self._endpoints.table() if routes else ():
            self._add_route(app, endpoint)

    def guard(
        self, request: web.Request, *, subprotocols: Iterable[str] = (), claims: Iterable[ClaimCheck] = ()
    ) -> AbstractAsyncContextManager[tuple[Session, web.WebSocketResponse]]:
        """Accept a WebSocket for a session, and run the block of ``async with`` for as long as the session lives.

        It gives the session and the open WebSocket, which the handler returns. See :meth:`reseal.asgi.Reseal.guard`.
        """
        return self._guarded_socket(request, subprotocols, claims)

    def refresh_first(self, request: web.Request) -> web.Response:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made routes.

        A visitor who came by a link of another site is asked to press a button.
        """
        read, headers = self._read(request)
        public = places.public(request.rel_url.raw_path_qs, read, self.settings)
        return _response(self._endpoints.page_before(read, headers, public))

    def _add_route(self, app: web.Application, endpoint: AsyncEndpoint) -> None:
        async def handle(request: web.Request) -> web.StreamResponse:
            read = await self._read_as.facts_with_body(request) if endpoint.reads_body else self._read_as.facts(request)
            return _response(await endpoint.answer(read, self._read_as.outbox(request)))

        for method in endpoint.methods:
            route = app.router.add_route(method, endpoint.path, handle)
        resource = route.resource
        assert resource is not None  # it was just added
        self._read_as.prefix = lambda: resource.canonical.removesuffix(endpoint.path)

    @web.middleware
    async def _around(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        request[_OUTBOX] = SessionHeaders()
        preflight = self._origins.preflight(self._read_as.facts(request)) if self._origins else None
        if preflight is not None:
            return _response(preflight)
        try:
            return await handler(request)
        except ResealError as error:
            answer = self._answer_to(request, error, request.rel_url.raw_path_qs)
            is_handshake = request.headers.get("upgrade", "").lower() == "websocket"
            return _response(guards.refusal(error, answer) if is_handshake else answer)

    async def _add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        if self._origins is not None:
            response.headers.extend(self._origins.headers(self._read_as.facts(request)))
        headers = request.get(_OUTBOX)
        if headers is None:
            return  # of a response to what is no request of HTTP
        headers.sent = True
        if headers.touched:
            theirs = [(name.encode(), value.encode("latin-1")) for name, value in response.headers.items()]
            merged = headers.merge_into(theirs)
            response.headers.clear()
            response.headers.extend([(name.decode(), value.decode("latin-1")) for name, value in merged])

    async def _opened(self, _app: web.Application) -> AsyncIterator[None]:
        self._loop.enter()
        async with self.sessions:
            yield

    @asynccontextmanager
    async def _guarded_socket(
        self, request: web.Request, subprotocols: Iterable[str], claims: Iterable[ClaimCheck]
    ) -> AsyncIterator[tuple[Session, web.WebSocketResponse]]:
        socket = _Socket(request)
        async with self._guarded(socket, self._read_as.facts(request), subprotocols, claims) as session:
            yield session, socket.response


class _Socket(guards.Socket):
    """How a WebSocket of aiohttp is opened and closed."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.response = web.WebSocketResponse()

    async def accept(self, subprotocol: str | None) -> None:
        self.response = web.WebSocketResponse(protocols=(subprotocol,) if subprotocol else ())
        await self.response.prepare(self._request)

    async def close(self, code: int, reason: str) -> None:
        await self.response.close(code=code, message=reason.encode())


def _response(answer: WebResponse) -> web.Response:
    return web.Response(body=answer.body, status=answer.status, headers=answer.headers)
