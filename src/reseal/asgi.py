"""What the adapters of ASGI have in common: requests as facts, session headers on responses, and a lifespan."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, MutableMapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, Protocol, TypeVar

from reseal import guards
from reseal._async.adapter import AsyncRequestCalls, AsyncRequests
from reseal._async.endpoints import AsyncEndpoints
from reseal._async.ports import AsyncSessions
from reseal._async.reseal import AsyncReseal, embedded
from reseal._async.session import AsyncSession
from reseal.clock import Clock
from reseal.core.claims import ClaimCheck
from reseal.core.errors import ResealError
from reseal.core.events import EventListener
from reseal.settings import Settings
from reseal.threads import ApplicationLoop, SyncCalls
from reseal.watch import Watch
from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
R = TypeVar("R")
T = TypeVar("T")
Lifespan = Callable[[Any], AbstractAsyncContextManager[Any]]

_OUTBOX: Final = "reseal.headers"
_ROOT: Final = "reseal.root_path"
"""Where the application is whose routes refresh the session."""


class Connection(Protocol):
    """A request, or a WebSocket, of a framework that is built on ASGI."""

    @property
    def scope(self) -> Scope: ...


def facts(request: Connection) -> RequestFacts:
    """Read a request, without its body."""
    scope = request.scope
    client = scope.get("client")
    return RequestFacts(
        scope.get("method", "GET").upper(),
        scope["path"],
        tuple(scope["headers"]),
        client and client[0],
        root_path=scope.get(_ROOT, scope.get("root_path", "")),
        query_string=scope.get("query_string", b""),
    )


def target(request: Connection) -> str:
    """Return path and query as the client wrote them."""
    scope = request.scope
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope["query_string"]
    return str((path + b"?" + query if query else path).decode("latin-1"))


def outbox(request: Connection) -> SessionHeaders:
    """Return the headers that will leave with the response. Raises ``RuntimeError`` where nothing sends them."""
    headers = request.scope.get(_OUTBOX)
    if isinstance(headers, SessionHeaders):
        return headers
    if request.scope["type"] == "websocket":
        raise RuntimeError("a WebSocket has no response that could carry headers: use reseal.guard(websocket)")
    raise RuntimeError("sessions are not installed in this application: call reseal.install(app)")


class SessionMiddleware:
    """Adds the session's headers to the first message of the response. It belongs outside everything else.

    An error page must carry the cookies of a refresh as well.
    """

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


class Opening:
    """Opens the sessions with the application, closes them with it, and says why the application cannot start."""

    def __init__(self, sessions: AsyncReseal, loop: ApplicationLoop) -> None:
        self._sessions = sessions
        self._loop = loop
        self._refusal: ResealError | None = None

    def around(self, lifespan: Lifespan) -> Lifespan:
        """Open the sessions before an application's own lifespan begins, and close them when it has ended."""

        @asynccontextmanager
        async def opened(app: Any) -> AsyncIterator[Any]:
            self._loop.enter()
            async with self._opened(), lifespan(app) as state:
                yield state

        return opened

    def explained(self, app: ASGIApp) -> ASGIApp:
        """Report to the server why the application cannot start in our words, in place of a traceback."""

        def call(scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
            if scope["type"] != "lifespan":
                return app(scope, receive, send)

            def send_reason(message: Message) -> Awaitable[None]:
                if self._refusal is not None and message["type"] == "lifespan.startup.failed":
                    message = {**message, "message": f"Reseal cannot start: {self._refusal}"}
                return send(message)

            return app(scope, receive, send_reason)

        return call

    @asynccontextmanager
    async def _opened(self) -> AsyncIterator[None]:
        self._refusal = None
        try:
            await self._sessions.open()
        except ResealError as error:
            self._refusal = error
            raise
        try:
            yield
        finally:
            await self._sessions.close()


class ApplicationSessions(AsyncRequestCalls[R]):
    """The sessions of one application that runs in an event loop, for requests of one framework."""

    def __init__(
        self,
        settings: Settings,
        requests: AsyncRequests[R],
        sessions: AsyncSessions | None,
        clock: Clock | None,
        on_event: EventListener,
    ) -> None:
        self.settings: Settings = settings
        inner = sessions or embedded(settings, clock, on_event)
        self.watch: Watch = Watch(inner, settings.session_check_interval, clock)
        """The open WebSockets and event streams of this process."""
        observed = AsyncReseal(settings, sessions=self.watch.sessions, clock=clock, on_event=on_event)
        super().__init__(observed, requests)
        self._loop = ApplicationLoop()
        self.sync: SyncCalls[R] = SyncCalls(
            settings, lambda: self.sessions.backend, clock, self._loop, requests, on_event
        )
        """The same calls for code in other threads, such as ``def`` routes."""
        self._endpoints = AsyncEndpoints(observed)

    def guard_events(self, session: AsyncSession, events: AsyncIterable[T]) -> AsyncIterator[T | str]:
        """Pass on the events of a stream (SSE, or any other text) for as long as the session lives.

        If the session ends, the last event is ``session-ended``, with the reason.
        """
        return guards.guarded_events(self.watch, session, aiter(events), self.settings)

    def _guarded(
        self,
        socket: guards.Socket,
        request: RequestFacts,
        subprotocols: Iterable[str],
        claims: Iterable[ClaimCheck],
        gone: tuple[type[Exception], ...] = (),
    ) -> AbstractAsyncContextManager[AsyncSession]:
        return guards.guarded(
            self.sessions, self.watch, socket, request, subprotocols=subprotocols, claims=claims, gone=gone
        )
