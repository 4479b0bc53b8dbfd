"""Sessions for Starlette, and for whatever is built on it.

One object is made with the application and installed once::

    reseal = Reseal(Settings(api_domain="https://api.example.com"))
    reseal.install(app)

What a session has to tell the browser leaves with whatever response the request ends in, so the calls take no
response: one that a handler returns, streams or replaces would lose its cookies.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from importlib.resources import files
from typing import Any, Final, TypeVar, cast

import msgspec

try:
    from starlette.applications import Starlette
except ModuleNotFoundError as _error:
    raise ModuleNotFoundError(f'{__name__} needs starlette: pip install "reseal[starlette]" ({_error})') from None
from starlette.datastructures import Headers
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import BaseRoute, Match, Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from reseal import sockets
from reseal._async.colour import awaited
from reseal._async.impersonation import HALF_AN_HOUR
from reseal._async.page_loads import continue_refresh
from reseal._async.ports import AsyncSessions
from reseal._async.reseal import AsyncReseal
from reseal._async.session import AsyncSession as Session
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import RefreshElsewhere, ResealError, StoreUnavailable
from reseal.core.events import EventListener
from reseal.core.keys import JWKS_MAX_AGE
from reseal.log import log_event
from reseal.settings import Settings
from reseal.threads import ApplicationLoop, SyncCalls
from reseal.watch import Watch
from reseal.web import bearer, cors, csrf, moves, places, rendering
from reseal.web.answers import answer
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn

__all__ = ["Reseal", "Session", "Settings"]

JWKS_PATH: Final = "/.well-known/jwks.json"
BROWSER_PATH: Final = "/reseal-browser.js"
_OUTBOX: Final = "reseal.headers"
_ROOT: Final = "reseal.root_path"
"""Where the application is whose routes refresh the session."""
_ELSEWHERE: Final[tuple[Match, Scope]] = (Match.NONE, {})

Endpoint = Callable[[Request], Any]
T = TypeVar("T")


class Reseal:
    """The sessions of one application. Opened and closed by the application's lifespan."""

    def __init__(
        self,
        settings: Settings,
        *,
        sessions: AsyncSessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        self.settings = settings
        self.anywhere: AsyncReseal = AsyncReseal(settings, sessions=sessions, clock=clock, on_event=on_event)
        """The same sessions without a request: by handle and by user."""
        self.watch: Watch = Watch(self.anywhere.sessions, settings.session_check_interval, clock)
        """The open WebSockets and event streams of this process."""
        self.anywhere.sessions = self.watch.sessions
        self._refusal: ResealError | None = None
        self._loop = ApplicationLoop()
        self.sync: SyncCalls[HTTPConnection] = SyncCalls(
            settings, lambda: self.anywhere.sessions, clock, self._loop, _Requests(), on_event
        )
        """The same calls for ``def`` routes."""

    def install(self, app: Starlette, *, routes: bool = True) -> None:
        """Put the sessions into an application: lifespan, response headers, error answers, routes.

        The routes: ``POST`` for refreshing and signing out, ``GET`` for the public keys and the browser SDK.

        A handler of your own for one of the errors wins over the one installed here.
        """
        app.add_exception_handler(ResealError, self._answer)  # type: ignore[arg-type]  # it answers either kind
        app.router.lifespan_context = self._around(app.router.lifespan_context)
        build = app.build_middleware_stack
        # Outside everything else: an error page must carry the cookies of a refresh as well.
        app.build_middleware_stack = lambda: _Outgoing(  # type: ignore[method-assign]
            _Opening(build(), self._why_closed), has_routes=routes
        )
        if routes:
            for path in moves.refresh_paths(self.settings):
                self.add_route(app, path, self._refresh, "POST")
                self.add_route(app, path + rendering.CONTINUE, self._continue, "POST")
                self.add_route(app, path + rendering.CONTINUE, self._refresh_first, "GET")
            self.add_route(app, self.settings.signout_api_path, self._sign_out, "POST")
            self.add_route(app, JWKS_PATH, self._jwks, "GET")
            self.add_route(app, BROWSER_PATH, _browser_sdk, "GET")

    def add_route(self, app: Starlette, path: str, endpoint: Endpoint, method: str) -> None:
        """Add one ready-made route; what answers ``GET`` answers ``HEAD``."""
        app.router.routes.append(_OwnRoute(path, endpoint, methods=with_head(method)))

    def now(self) -> int:
        """Return the time by which claims are checked (ms). See :meth:`AsyncReseal.now`."""
        return self.anywhere.now()

    @awaited
    async def create_new_session(
        self,
        request: Request,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        allow_cross_site: bool = False,
    ) -> Session:
        """Sign a user in, whom the caller has authenticated. See :meth:`AsyncReseal.create_new_session`."""
        return await self.anywhere.create_new_session(
            facts(request),
            outbox(request),
            user_id,
            jwt_payload,
            session_data,
            allow_cross_site=allow_cross_site,
        )

    @awaited
    async def get_session(
        self,
        request: Request,
        enable_csrf_protection: bool | None = None,  # noqa: FBT001 - the mission's argument
        *,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Session:
        """Verify the session of a request. See :meth:`AsyncReseal.get_session`."""
        return await self.anywhere.get_session(
            facts(request),
            outbox(request),
            enable_csrf_protection,
            check_database=check_database,
            claims=claims,
        )

    @awaited
    async def refresh_session(self, request: Request) -> Session:
        """Exchange the refresh token of a request, for a route of your own. See :meth:`AsyncReseal.refresh_session`."""
        return await self.anywhere.refresh_session(await _facts_with_body(request), outbox(request))

    @awaited
    async def answer_refresh(self, request: Request) -> dict[str, object]:
        """Do the same, and give the body of the answer. See :meth:`AsyncReseal.answer_refresh`."""
        return await self.anywhere.answer_refresh(await _facts_with_body(request), outbox(request))

    @awaited
    async def sign_out(self, request: Request) -> None:
        """End the session of a request, for a route of your own. See :meth:`AsyncReseal.sign_out`."""
        await self.anywhere.sign_out(facts(request), outbox(request))

    def guard(
        self, websocket: WebSocket, *, subprotocols: Iterable[str] = (), claims: Iterable[ClaimCheck] = ()
    ) -> AbstractAsyncContextManager[Session]:
        """Accept a WebSocket for a session, and run the block of ``async with`` for as long as the session lives.

        The handshake shows a ticket for this path, a token in ``Authorization``, or a cookie from a page of ours;
        otherwise it is refused. When the session ends, the block is cancelled and the WebSocket closed with code 4001;
        where the store stays away for minutes, with 1013. The first of ``subprotocols`` that the page offers is chosen.
        """
        return sockets.guarded(
            self.anywhere, self.watch, websocket, facts(websocket), subprotocols=subprotocols, claims=claims
        )

    def guard_events(self, session: Session, events: AsyncIterable[T]) -> AsyncIterator[T | str]:
        """Pass on the events of a stream (SSE, or any other text) for as long as the session lives.

        If the session ends, the last event is ``session-ended``, with the reason.
        """
        return sockets.guarded_events(self.watch, session, aiter(events), self.settings)

    @awaited
    async def impersonate(
        self,
        request: Request,
        user_id: str,
        jwt_payload: Mapping[str, object] | None = None,
        session_data: Mapping[str, object] | None = None,
        *,
        reason: str,
        at_most: int = HALF_AN_HOUR,
    ) -> Session:
        """Let the user of a request act as another one for a while. See :meth:`AsyncReseal.impersonate`."""
        return await self.anywhere.impersonate(
            facts(request), outbox(request), user_id, jwt_payload, session_data, reason=reason, at_most=at_most
        )

    @awaited
    async def stop_impersonating(self, request: Request) -> None:
        """Go back to the user's own session. See :meth:`AsyncReseal.stop_impersonating`."""
        await self.anywhere.stop_impersonating(facts(request), outbox(request))

    @awaited
    async def peek(
        self, request: Request, *, check_database: bool = False
    ) -> SignedIn[Session] | RefreshFirst | Anonymous:
        """Find out whose page is being rendered. See :meth:`AsyncReseal.peek`."""
        return await self.anywhere.peek(facts(request), outbox(request), check_database=check_database)

    def refresh_first(self, request: Request) -> Response:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made routes.

        A visitor who came by a link of another site is asked to press a button.
        """
        return self._page_before(request, places.public(_target(request), facts(request), self.settings))

    async def _refresh_first(self, request: Request) -> Response:
        """Give the same page to a visitor whom a proxy has sent here, because the page's own server cannot say it."""
        return self._page_before(request, _wanted(request))

    def _page_before(self, request: Request, target: str) -> Response:
        outbox(request).touch()
        read = facts(request)
        by_itself, before = csrf.comes_by_itself(read, self.settings), places.prefix(read, self.settings)
        return _page(rendering.refresh_page(self.settings, target, by_itself=by_itself, path_prefix=before))

    async def _continue(self, request: Request) -> Response:
        target = _wanted(request)
        try:
            await continue_refresh(self.anywhere.sessions, self.anywhere.context(facts(request), outbox(request)))
        except StoreUnavailable as error:
            self.anywhere.report(error, facts(request))
            before = places.prefix(facts(request), self.settings)
            return _page(rendering.failure_page(self.settings, target, error.retry_after, path_prefix=before))
        except RefreshElsewhere as error:
            return RedirectResponse(rendering.continuing(error.location, target), 307)
        return RedirectResponse(target, 303)

    @awaited
    async def require_own_origin(self, request: Request) -> None:
        """Refuse a foreign page where there is no session yet. See :meth:`AsyncReseal.require_own_origin`."""
        self.anywhere.require_own_origin(facts(request))

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

    def set_relevant_headers_for_options_api(self, request: Request) -> bool:
        """Answer a preflight in a handler of your own. See :meth:`AsyncReseal.set_relevant_headers_for_options_api`."""
        return self.anywhere.set_relevant_headers_for_options_api(facts(request), outbox(request))

    async def _refresh(self, request: Request) -> Response:
        return JSONResponse(await self.answer_refresh(request))

    async def _sign_out(self, request: Request) -> Response:
        await self.sign_out(request)
        return JSONResponse({"status": "OK"})

    async def _jwks(self, _request: Request) -> Response:
        await self.anywhere.sessions.keep_fresh()
        headers = {"cache-control": f"max-age={JWKS_MAX_AGE}, must-revalidate"}
        return JSONResponse(self.anywhere.sessions.jwks(), headers=headers)

    async def _answer(self, request: HTTPConnection, error: Exception) -> Response | None:
        assert isinstance(error, ResealError)  # it is installed for these only
        if isinstance(error, StoreUnavailable):
            self.anywhere.report(error, facts(request))
        if isinstance(request, WebSocket):
            await sockets.refuse(request, error, self.settings)
            return None
        told = answer(error, self.settings)
        return JSONResponse(told.body, told.status, dict(told.headers))

    def _around(self, lifespan: Callable[[Any], Any]) -> Callable[[Any], Any]:
        @asynccontextmanager
        async def opened(app: Any) -> AsyncIterator[Any]:
            self._loop.enter()
            async with self._opened(), lifespan(app) as state:
                yield state

        return opened

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        self._refusal = None
        try:
            await self.anywhere.open()
        except ResealError as error:
            self._refusal = error
            raise
        try:
            yield
        finally:
            await self.anywhere.close()

    def _why_closed(self) -> str | None:
        return f"Reseal cannot start: {self._refusal}" if self._refusal else None


def with_head(method: str) -> list[str]:
    """List the methods of a route (RFC 9110, 9.3.2)."""
    return [method, "HEAD"] if method == "GET" else [method]


def facts(request: HTTPConnection) -> RequestFacts:
    """Read a request as the sessions want it."""
    scope = request.scope
    client = scope.get("client")
    return RequestFacts(
        scope.get("method", "GET").upper(),
        scope["path"],
        tuple(scope["headers"]),
        client and client[0],
        root_path=scope.get(_ROOT, scope.get("root_path", "")),
    )


async def _facts_with_body(request: Request) -> RequestFacts:
    """Read a refresh request, with its body if that may hold a token. The server holds it to its stated length."""
    head = facts(request)
    return msgspec.structs.replace(head, body=await request.body()) if bearer.may_have_body(head) else head


def _target(request: Request) -> str:
    path = request.scope.get("raw_path") or request.scope["path"].encode()
    query = request.scope["query_string"]
    return str((path + b"?" + query if query else path).decode("latin-1"))


def _wanted(request: Request) -> str:
    return rendering.local_target(request.query_params.get(rendering.TARGET, "/"))


def _page(page: rendering.Page) -> Response:
    return HTMLResponse(page.body, page.status, dict(page.headers))


def outbox(request: HTTPConnection) -> SessionHeaders:
    """Give the headers that will leave with this request's response."""
    headers = request.scope.get(_OUTBOX)
    if isinstance(headers, SessionHeaders):
        return headers
    if request.scope["type"] == "websocket":
        raise RuntimeError("a WebSocket has no response that could carry headers: use reseal.guard(websocket)")
    raise RuntimeError("sessions are not installed in this application: call reseal.install(app)")


class _Requests:
    """How the sync calls read a request."""

    facts = staticmethod(facts)
    outbox = staticmethod(outbox)

    async def facts_with_body(self, request: HTTPConnection) -> RequestFacts:
        return await _facts_with_body(cast("Request", request))


class OwnPath(BaseRoute):
    """A path without parameters. It is compared first: every request of the application passes by our routes."""

    path: str

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        return super().matches(scope) if scope["path"].endswith(self.path) else _ELSEWHERE


class _OwnRoute(OwnPath, Route):
    pass


class _OwnOriginsOnly(CORSMiddleware):
    """Says nothing to other origins; the framework's would tell them that credentials are welcome, but not theirs."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        origin = Headers(scope=scope).get("origin") if scope["type"] == "http" else None
        if origin is None or self.is_allowed_origin(origin):
            await super().__call__(scope, receive, send)
        else:
            await self.app(scope, receive, send)


class _Opening:
    """Tells a server why the application cannot start, in our words instead of a traceback that ends in them."""

    def __init__(self, app: ASGIApp, why: Callable[[], str | None]) -> None:
        self._app = app
        self._why = why

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "lifespan":
            return self._app(scope, receive, send)

        def send_reason(message: Message) -> Awaitable[None]:
            why = self._why()
            if why is not None and message["type"] == "lifespan.startup.failed":
                message = {**message, "message": why}
            return send(message)

        return self._app(scope, receive, send_reason)


class _Outgoing:
    """Adds what the session said to the first message of the response."""

    def __init__(self, app: ASGIApp, *, has_routes: bool) -> None:
        self._app = app
        self._has_routes = has_routes

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._app(scope, receive, send)
        if self._has_routes or _ROOT not in scope:
            scope[_ROOT] = scope.get("root_path", "")  # further in, mounts add to it
        headers = scope[_OUTBOX] = SessionHeaders()

        def send_with_headers(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                if headers.touched:
                    message["headers"] = headers.merge_into(message.get("headers", ()))
                headers.sent = True
            return send(message)

        return self._app(scope, receive, send_with_headers)


async def _browser_sdk(_request: Request) -> Response:
    script = files("reseal").joinpath("browser", "reseal-browser.js").read_bytes()
    return Response(script, media_type="text/javascript", headers={"cache-control": "max-age=3600"})
