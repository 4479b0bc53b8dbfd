"""The plugin: the sessions of one application of Litestar."""

from __future__ import annotations

import copy
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final, TypeVar, cast
from urllib.parse import quote

import msgspec
from litestar import Litestar, Request, Response
from litestar.config.app import AppConfig
from litestar.config.cors import CORSConfig
from litestar.di import Provide
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Components, SecurityScheme
from litestar.plugins.base import InitPluginProtocol, ReceiveRoutePlugin
from litestar.response import ServerSentEventMessage
from litestar.routes import BaseRoute, HTTPRoute
from litestar.types import ASGIApp, Message, Method, Receive, Scope, Send

from reseal import asgi, guards
from reseal._async.endpoints import AsyncEndpoint
from reseal._async.ports import AsyncSessions
from reseal._async.session import AsyncSession as Session
from reseal._async.visitors import user_or_none
from reseal.asgi.connection import ScopeOnly
from reseal.asgi.wrapping import refuse
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError, TokenTheftDetected, TryRefreshToken, Unauthorised
from reseal.core.events import EventListener
from reseal.core.holding import SessionHeld
from reseal.litestar import sockets
from reseal.litestar.authentication import Authentication, RetrieveUser
from reseal.litestar.demands import (
    NOT_INSTALLED,
    OWN,
    PLUGIN,
    Connection,
    Demand,
    Provided,
    demands,
    is_websocket,
    state,
    subprotocols,
)
from reseal.log import LOGGER, log_event
from reseal.settings import Settings
from reseal.web import bearer, cors, places
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders
from reseal.web.openapi import BEARER_SCHEME, SCHEME
from reseal.web.presented import Presented
from reseal.web.responses import WebResponse

T = TypeVar("T")

_OUTBOX: Final = "reseal.headers"
_SESSION: Final = "reseal.session"
_PATH_SAFE: Final = "/:@!$&'()*+,;=~-._"
_EXPECTED: Final = frozenset({Unauthorised, TryRefreshToken, TokenTheftDetected, SessionHeld})
"""What visitors cause every day: not worth a stack trace."""


def cors_config(
    settings: Settings, *, allow_headers: Iterable[str] = (), expose_headers: Iterable[str] = ()
) -> CORSConfig:
    """Let the pages of ``settings.origins``, and no others, call this application with their session.

    For ``Litestar(cors_config=…)``. ``allow_headers`` and ``expose_headers`` are those of your own, beside what
    sessions need.
    """
    return CORSConfig(
        allow_origins=sorted(settings.origins),
        allow_credentials=True,
        allow_methods=list(cors.METHODS),
        allow_headers=[*cors.get_cors_headers(), *allow_headers],
        expose_headers=[*cors.get_cors_exposed_headers(), *expose_headers],
    )


class _Requests:
    """How a request of Litestar is read."""

    app_path: str = ""
    """The path of the application itself: ``Litestar(path=…)``."""

    def facts(self, request: asgi.Connection) -> RequestFacts:
        scope = state(request.scope)
        client = scope.get("client")
        root, path = scope.get("root_path", "").rstrip("/"), scope["path"]
        return RequestFacts(
            scope.get("method", "GET").upper(),
            root + path if "route_handler" in scope else path,  # the router has taken the root away
            tuple(scope["headers"]),
            client and client[0],
            root_path=root + self.app_path,
            query_string=scope.get("query_string", b""),
        )

    async def facts_with_body(self, request: asgi.Connection) -> RequestFacts:
        head = self.facts(request)  # the server holds the body to its stated length
        if not bearer.may_have_body(head):
            return head
        body = await cast("Request[Any, Any, Any]", request).body()
        return msgspec.structs.replace(head, body=body)

    @staticmethod
    def outbox(request: asgi.Connection) -> SessionHeaders:
        scope = state(request.scope)
        headers = scope.get(_OUTBOX)
        if isinstance(headers, SessionHeaders):
            return headers
        if is_websocket(request.scope):
            raise RuntimeError("a WebSocket has no response that could carry headers: use guards=[session_guard()]")
        if not any(isinstance(plugin, Reseal) for plugin in Connection(request.scope).app.plugins):
            raise RuntimeError(NOT_INSTALLED)
        headers = scope[_OUTBOX] = SessionHeaders()  # where no route was found, no middleware has run
        return headers


class Reseal(asgi.ApplicationSessions[asgi.Connection], InitPluginProtocol, ReceiveRoutePlugin):
    """The sessions of one application. Opened and closed by the application's lifespan.

    Adds to the application the lifespan, the headers of responses, the answers to errors, and the dependencies
    ``session``, ``sync_session`` (for ``def`` handlers), ``optional_session`` and ``optional_sync_session``; with
    ``routes``, ``POST`` for refreshing and signing out, ``GET`` for the public keys and the browser SDK.

    A handler of your own for one of the errors, and a dependency of your own with one of these names, wins.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        routes: bool = True,
        sessions: AsyncSessions | None = None,
        clock: Clock | None = None,
        on_event: EventListener = log_event,
    ) -> None:
        self._reading = _Requests()
        super().__init__(settings, self._reading, sessions, clock, on_event)
        self._has_routes = routes

    # -- what Litestar calls ----------------------------------------------------------------------------------------

    def on_app_init(self, app_config: AppConfig) -> AppConfig:
        """Put the sessions into an application. Called by Litestar."""
        inner_path = app_config.path.strip("/")
        self._reading.app_path = f"/{inner_path}" if inner_path else ""
        app_config.lifespan.insert(0, self._opened)
        app_config.on_shutdown.append(self.sessions.close)  # after what others do at the end
        app_config.before_send += [_tell_own_origins_only, _add_headers] if app_config.cors_config else [_add_headers]
        app_config.middleware.insert(0, self._outermost)
        app_config.exception_handlers = {ResealError: self._answer, **app_config.exception_handlers}
        app_config.dependencies = {**self._dependencies(), **app_config.dependencies}
        app_config.response_cache_config = _cached_for_all_only(app_config.response_cache_config)
        if app_config.logging_config and hasattr(app_config.logging_config, "disable_stack_trace"):  # Litestar 2.16
            app_config.logging_config.disable_stack_trace |= _EXPECTED
        self._describe(app_config)
        if self._has_routes:
            csrf_key = app_config.csrf_config.exclude_from_csrf_key if app_config.csrf_config else OWN
            app_config.route_handlers.extend(self._route(each, csrf_key) for each in self._endpoints.table())
        return app_config

    def receive_route(self, route: BaseRoute) -> None:
        """Show the lock of a route that demands a session. Called by Litestar."""
        for handler in route.route_handlers if isinstance(route, HTTPRoute) else ():
            if demands(handler):
                handler.security = [*(handler.security or ()), {SCHEME: []}, {BEARER_SCHEME: []}]

    # -- dependencies and middleware --------------------------------------------------------------------------------

    def session(
        self,
        *,
        enable_csrf_protection: bool | None = None,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Provide:
        """Make a dependency with demands of its own: ``dependencies={"session": reseal.session(claims=[…])}``.

        ``check_database``: also notice at once that the session was revoked. ``claims``: what else is demanded.
        """
        demand = Demand(enable_csrf_protection, check_database, tuple(claims))

        async def provide(scope: Scope) -> Any:
            return await self.verified(ScopeOnly(state(scope)), demand)

        return Provided(provide, demand)

    def sync_session(
        self,
        *,
        enable_csrf_protection: bool | None = None,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Provide:
        """Make the same dependency for ``def`` handlers: a session whose calls are not awaited."""
        demand = Demand(enable_csrf_protection, check_database, tuple(claims))

        async def provide(scope: Scope) -> Any:
            return self.sync.of(await self.verified(ScopeOnly(state(scope)), demand))

        return Provided(provide, demand)

    def authentication(
        self,
        *,
        retrieve_user: RetrieveUser | None = None,
        exclude: str | list[str] | None = None,
        exclude_opt_key: str = "exclude_from_auth",
        exclude_http_methods: Iterable[Method] = ("OPTIONS",),
        enable_csrf_protection: bool | None = None,
        check_database: bool = False,
        claims: Iterable[ClaimCheck] = (),
    ) -> Callable[[ASGIApp], ASGIApp]:
        """Make a middleware that demands a session of every request that is not excluded, by path or by ``opt``.

        ``connection.auth`` is the session, ``connection.user`` what ``retrieve_user(session, connection)`` returns
        (without it, the user's id). If that is ``None``, the user no longer exists, and the answer is 403.
        """
        demand = Demand(enable_csrf_protection, check_database, tuple(claims))

        def middleware(app: ASGIApp) -> ASGIApp:  # a function: Litestar copies other objects with their parts
            return Authentication(
                app,
                reseal=self,
                demand=demand,
                retrieve_user=retrieve_user,
                exclude=exclude,
                exclude_from_auth_key=exclude_opt_key,
                exclude_http_methods=tuple(exclude_http_methods),
            )

        return middleware

    async def verified(self, connection: asgi.Connection, demand: Demand) -> Session:
        """Return the session as a guard or middleware of the same request verified it, or verify it now."""
        scope = state(connection.scope)
        session, by = scope.get(_SESSION, (None, None))
        if session is not None and (by is None or by.covers(demand)):
            return cast("Session", session)
        session = await self.get_session(
            connection, demand.enable_csrf_protection, check_database=demand.check_database, claims=demand.claims
        )
        scope[_SESSION] = (session, demand)
        return session

    # -- streams and pages ------------------------------------------------------------------------------------------

    def guard_events(  # type: ignore[override]  # events of this framework are no text
        self, session: Session, events: AsyncIterable[T]
    ) -> AsyncIterator[T | ServerSentEventMessage]:
        """Pass on the events of a stream while the session lives: ``ServerSentEvent(reseal.guard_events(…))``.

        If the session ends, the last event is ``session-ended``, with the reason.
        """
        return guards.guarded_events(self.watch, session, aiter(events), self.settings, _ended)

    def refresh_first(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """Answer with the page that refreshes the session and comes back. Needs the ready-made routes.

        A visitor who came by a link of another site is asked to press a button.
        """
        facts, outbox = self._read(request)
        return _response(
            self._endpoints.page_before(facts, outbox, places.public(_target(facts), facts, self.settings))
        )

    async def follow(self, app: ASGIApp, demands: list[Demand], scope: Scope, receive: Receive, send: Send) -> None:
        """Admit a WebSocket, and run an application for as long as its session lives."""
        wires = sockets.Wires(receive, send)
        facts = self._requests.facts(Connection(scope))
        wanted = subprotocols(scope["route_handler"])
        claims = [claim for demand in demands for claim in demand.claims]
        async with self._guarded(wires, facts, wanted, claims) as session:
            state(scope)[_SESSION] = (session, None)
            await app(scope, wires.receive, wires.send)

    # -- inside -----------------------------------------------------------------------------------------------------

    @asynccontextmanager
    async def _opened(self, _app: Litestar) -> AsyncIterator[None]:
        self._loop.enter()
        try:
            await self.sessions.open()
        except ResealError as error:
            LOGGER.error("Reseal cannot start: %s", error)  # what Litestar reports is a stack trace
            raise
        yield

    def _dependencies(self) -> Mapping[str, Provide]:
        async def optional(scope: Scope) -> Any:
            connection = ScopeOnly(state(scope))
            facts, outbox = self._read(connection)
            outbox.touch()  # what a visitor sees depends on the token as well
            is_known = Presented(facts, self.settings, *facts.credentials).has_access
            return await user_or_none(partial(self.verified, connection, Demand())) if is_known else None

        async def optional_sync(scope: Scope) -> Any:
            session = await optional(scope)
            return session and self.sync.of(session)

        return {
            "session": self.session(),
            "sync_session": self.sync_session(),
            "optional_session": Provided(optional, None),
            "optional_sync_session": Provided(optional_sync, None),
        }

    def _describe(self, app_config: AppConfig) -> None:
        """Say in the API page what opens the lock."""
        if app_config.openapi_config is None:
            return
        cookie = SecurityScheme(type="apiKey", name=self.settings.access_cookie_name, security_scheme_in="cookie")
        token = SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")
        config = app_config.openapi_config = copy.copy(app_config.openapi_config)  # it may be everybody's default
        theirs = config.components if isinstance(config.components, list) else [config.components]
        config.components = [*theirs, Components(security_schemes={SCHEME: cookie, BEARER_SCHEME: token})]

    def _route(self, endpoint: AsyncEndpoint, csrf_key: str) -> HTTPRouteHandler:
        async def handle(request: Request[Any, Any, Any]) -> Response[bytes]:
            read = self._requests
            facts = await read.facts_with_body(request) if endpoint.reads_body else read.facts(request)
            return _response(await endpoint.answer(facts, read.outbox(request)))

        handle.__name__ = endpoint.name
        return HTTPRouteHandler(
            endpoint.route("{handle:str}"),
            http_method=cast("list[Method]", endpoint.methods),
            include_in_schema=endpoint.method == "POST",
            status_code=200,
            tags=["session"],
            opt={OWN: True, "exclude_from_auth": True, csrf_key: True},
        )(handle)

    def _outermost(self, app: ASGIApp) -> ASGIApp:
        """Prepare each request; admit WebSockets, and refuse those whose page has no session."""

        async def call(scope: Scope, receive: Receive, send: Send) -> None:
            known = state(scope)
            known[PLUGIN] = self
            if known["type"] != "websocket":
                known.setdefault(_OUTBOX, SessionHeaders())
                await app(scope, receive, send)
                return
            wanted = demands(scope["route_handler"])
            try:
                await (self.follow(app, wanted, scope, receive, send) if wanted else app(scope, receive, send))
            except ResealError as error:
                answer = self._endpoints.of_error(self._requests.facts(Connection(scope)), error)
                await refuse(state(scope), cast("Any", send), guards.refusal(error, answer))

        return call

    def _answer(self, request: Request[Any, Any, Any], error: ResealError) -> Response[bytes]:
        return _response(self._answer_to(request, error, _target(self._requests.facts(request))))


async def _tell_own_origins_only(message: Message, _scope: Scope) -> None:
    """Say nothing to other origins: Litestar would tell them that credentials are welcome, but not theirs."""
    if message["type"] == "http.response.start":
        headers = list(message.get("headers", ()))
        if not any(name.lower() == b"access-control-allow-origin" for name, _ in headers):
            message["headers"] = [each for each in headers if not each[0].lower().startswith(b"access-control-")]


async def _add_headers(message: Message, scope: Scope) -> None:
    """Add the session's headers to any response: also to those of the router, of CORS, and of errors."""
    headers = state(scope).get(_OUTBOX)
    if message["type"] != "http.response.start" or not isinstance(headers, SessionHeaders):
        return
    if headers.touched:
        message["headers"] = headers.merge_into(message.get("headers", ()))
    headers.sent = True


def _cached_for_all_only(config: Any) -> Any:
    """Keep responses that depend on a session out of the cache of responses, which is the same for everybody."""
    asked = config.cache_response_filter

    def may_keep(scope: Any, status: int) -> bool:
        headers = scope.get(_OUTBOX)
        return not (isinstance(headers, SessionHeaders) and headers.touched) and bool(asked(scope, status))

    kept = copy.copy(config)
    kept.cache_response_filter = may_keep
    return kept


def _target(facts: RequestFacts) -> str:
    """Write path and query for a URL."""
    path = quote(facts.path, safe=_PATH_SAFE)
    return f"{path}?{facts.query}" if facts.query else path


def _ended(reason: str) -> ServerSentEventMessage:
    return ServerSentEventMessage(event=guards.ENDED_EVENT, data=reason)


def _response(answer: WebResponse) -> Response[bytes]:
    headers = dict(answer.headers)
    media_type = headers.pop("content-type", "text/plain").partition(";")[0]  # Litestar adds the charset to text
    return Response(answer.body, status_code=answer.status, headers=headers, media_type=media_type)
