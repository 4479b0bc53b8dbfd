"""Requests of ASGI as facts, and the session's headers on their responses."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final, NamedTuple, Protocol

from reseal.web.facts import RequestFacts
from reseal.web.headers import SessionHeaders

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]

_OUTBOX: Final = "reseal.headers"
_ROOT: Final = "reseal.root_path"
"""Where the application is whose routes refresh the session."""


class Connection(Protocol):
    """A request, or a WebSocket, of a framework that is built on ASGI."""

    @property
    def scope(self) -> Any:
        """A :data:`Scope`. Some frameworks declare it as a ``TypedDict``, which is no ``MutableMapping``."""


class ScopeOnly(NamedTuple):
    """A request of which only the scope is known."""

    scope: Scope


def facts(request: Connection) -> RequestFacts:
    """Read a request, without its body."""
    scope = request.scope
    client = scope.get("client")
    return RequestFacts(
        scope.get("method", "GET").upper(),
        scope["path"],
        tuple(scope["headers"]),
        client and client[0],
        b"",
        scope.get(_ROOT, scope.get("root_path", "")),
        scope.get("query_string", b""),
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
    raise RuntimeError(
        "sessions are not installed around this code: call reseal.install(app), or where the adapter has no install, "
        "app = reseal.wrap(app) after every other middleware"
    )


class SessionMiddleware:
    """Adds the session's headers to the first message of the response. It belongs outside everything else.

    An error page must carry the cookies of a refresh as well.
    """

    def __init__(self, app: ASGIApp, *, has_routes: bool, others: ASGIApp | None = None) -> None:
        self._app = app
        self._has_routes = has_routes
        self._others = others or app
        """Answers what is no request: the lifespan, and WebSockets."""

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["type"] != "http":
            return self._others(scope, receive, send)
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
