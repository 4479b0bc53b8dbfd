"""Sessions for Sanic.

::

    app = Sanic("shop")
    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    reseal.install(app)

The calls take Sanic's ``Request``. What a session has to tell the browser leaves with whatever response the request
ends in.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

import msgspec

try:
    from sanic import HTTPResponse, Request, Sanic
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f"{__name__} needs sanic: pip install sanic ({_error})") from None
from sanic.response import BaseHTTPResponse

from reseal._async.endpoints import AsyncEndpoint
from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession as Session
from reseal.asgi import ApplicationSessions
from reseal.clock import Clock
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

AnyRequest: TypeAlias = "Request[Any, Any]"
AnySanic: TypeAlias = "Sanic[Any, Any]"

_OUTBOX: Final = "reseal_headers"
_LAST: Final = -1000
"""The priority of a middleware that runs after those of the application."""


class _Requests:
    """How a request of Sanic is read."""

    def __init__(self) -> None:
        self.prefix: str | None = None
        """Where the routes are, if they are anywhere."""

    def facts(self, request: AnyRequest) -> RequestFacts:
        headers = [(name.lower().encode("latin-1"), _bytes(value)) for name, value in request.headers.items()]
        return RequestFacts(
            request.method.upper(),
            unquote(request.path),
            tuple(headers),
            request.ip or None,
            root_path=self.prefix or "",
            query_string=request.query_string.encode(),
        )

    async def facts_with_body(self, request: AnyRequest) -> RequestFacts:
        head = self.facts(request)
        if not bearer.may_have_body(head):
            return head
        await request.receive_body()  # type: ignore[no-untyped-call]
        return msgspec.structs.replace(head, body=request.body)

    def outbox(self, request: AnyRequest) -> SessionHeaders:
        if self.prefix is None:
            raise RuntimeError("sessions are not installed in this application: call reseal.install(app)")
        headers: SessionHeaders = request.ctx.__dict__.setdefault(_OUTBOX, SessionHeaders())
        return headers


class Reseal(ApplicationSessions[AnyRequest]):
    """The sessions of one application. Opened and closed by each worker that serves it."""

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
        app: AnySanic,
        *,
        url_prefix: str = "",
        routes: bool = True,
        cors: bool = False,
        allow_headers: Iterable[str] = (),
        expose_headers: Iterable[str] = (),
    ) -> None:
        """Put the sessions into an application: start and end, response headers, error answers, routes.

        The routes: ``POST`` for refreshing and signing out, ``GET`` for the public keys and the browser SDK; they are
        below ``url_prefix``. ``cors`` lets the pages of ``settings.origins``, and no others, call the application with
        their session; ``allow_headers`` and ``expose_headers`` are those of your own, beside what sessions need. Raises
        ``RuntimeError`` the second time.
        """
        if self._read_as.prefix is not None:
            raise RuntimeError("Reseal is installed already: call reseal.install(app) once")
        self._read_as.prefix = url_prefix
        if cors:
            self._origins = OwnOrigins(self.settings, allow_headers, expose_headers)
            app.register_middleware(self._preflight, "request")
        app.register_listener(self._open, "before_server_start")
        app.register_listener(self._close, "after_server_stop")
        app.register_middleware(self._add_headers, "response", priority=_LAST)
        app.exception(ResealError)(self._answer)
        self._has_routes = routes
        for endpoint in self._endpoints.table() if routes else ():
            name = f"reseal_{endpoint.name}_{endpoint.method}"
            path = url_prefix + endpoint.route("<_handle:str>")
            app.add_route(self._handler(endpoint), path, methods=endpoint.methods, name=name, strict_slashes=True)

    def refresh_first(self, request: AnyRequest) -> HTTPResponse:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made routes.

        A visitor who came by a link of another site is asked to press a button.
        """
        read, headers = self._read(request)
        public = places.public(request.raw_url.decode("latin-1"), read, self.settings)
        return _response(self._endpoints.page_before(read, headers, public))

    def _handler(self, endpoint: AsyncEndpoint) -> Callable[[AnyRequest], Coroutine[Any, Any, HTTPResponse]]:
        async def handle(request: AnyRequest, **_: str) -> HTTPResponse:
            read = await self._read_as.facts_with_body(request) if endpoint.reads_body else self._read_as.facts(request)
            return _response(await endpoint.answer(read, self._read_as.outbox(request)))

        return handle

    async def _open(self, _app: AnySanic) -> None:
        self._loop.enter()
        await self.sessions.open()

    async def _close(self, _app: AnySanic) -> None:
        await self.sessions.close()

    async def _preflight(self, request: AnyRequest) -> HTTPResponse | None:
        answer = self._origins.preflight(self._read_as.facts(request)) if self._origins else None
        return None if answer is None else _response(answer)

    async def _add_headers(self, request: AnyRequest, response: BaseHTTPResponse) -> None:
        added = self._origins.headers(self._read_as.facts(request)) if self._origins else []
        theirs = [(name.encode("latin-1"), _bytes(value)) for name, value in (*response.headers.items(), *added)]
        merged = self._read_as.outbox(request).merge_into(theirs)
        response.headers.clear()
        response.headers.extend([(name.decode("latin-1"), value.decode("latin-1")) for name, value in merged])

    async def _answer(self, request: AnyRequest, error: Exception) -> HTTPResponse:
        assert isinstance(error, ResealError)  # it is registered for these only
        return _response(self._answer_to(request, error, request.raw_url.decode("latin-1")))


def _bytes(value: Any) -> bytes:
    return str(value).encode("utf-8", "surrogateescape")  # Sanic reads the bytes of a request as UTF-8


def _response(answer: WebResponse) -> HTTPResponse:
    headers = {name.lower(): value for name, value in answer.headers}
    return HTTPResponse(answer.body, answer.status, headers, headers.pop("content-type", None))
