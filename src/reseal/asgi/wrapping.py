"""An application with sessions around it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import msgspec

from reseal import guards
from reseal._async.endpoints import AsyncEndpoint
from reseal._async.routing import AsyncRouting
from reseal.asgi.connection import ASGIApp, Message, Receive, Scope, ScopeOnly, Send, SessionMiddleware, facts, outbox
from reseal.asgi.opening import LazyOpening
from reseal.core.errors import ResealError
from reseal.web import bearer, responses
from reseal.web.cors import OwnOrigins
from reseal.web.facts import RequestFacts
from reseal.web.responses import WebResponse

REFUSAL: Final = "reseal.refusal"
"""Why the sessions could not be opened for a request."""
_FAILURE: Final = WebResponse(500, (("content-type", "text/plain; charset=utf-8"),), b"Internal Server Error")


class Wrapped:
    """One application, as the server calls it."""

    def __init__(
        self,
        app: ASGIApp,
        opening: LazyOpening,
        answer: Callable[[Scope, ResealError], WebResponse],
        routing: AsyncRouting | None,
        origins: OwnOrigins | None,
    ) -> None:
        self._app = app
        self._opening = opening
        self._answer_to = answer
        self._routing = routing
        inner: ASGIApp = self._with_errors
        if origins is not None:
            inner = _with_origins(inner, origins)
        self._with_headers = SessionMiddleware(inner, has_routes=routing is not None)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                await self._prepare(scope)
                await self._with_headers(scope, receive, send)
            case "websocket":
                await self._prepare(scope)
                await self._websocket(scope, receive, send)
            case "lifespan":
                await self._lifespan(scope, receive, send)
            case _:
                await self._app(scope, receive, send)

    async def _prepare(self, scope: Scope) -> None:
        if refusal := await self._opening.refusal():
            scope[REFUSAL] = refusal

    async def _with_errors(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = ScopeOnly(scope)
        try:
            await self._answer(request, receive, send)
        except ResealError as error:
            if outbox(request).sent:
                raise
            await respond(send, self._answer_to(scope, error), method=scope["method"])
        except Exception:
            headers = outbox(request)
            if headers.touched and not headers.sent:
                await respond(send, _FAILURE)  # the server's own answer would leave without the cookies
            raise

    async def _answer(self, request: ScopeOnly, receive: Receive, send: Send) -> None:
        scope = request.scope
        endpoint = self._routing.find(scope["method"], _within(scope)) if self._routing else None
        if endpoint is None:
            await self._app(scope, receive, send)
            return
        if REFUSAL in scope:
            raise scope[REFUSAL]
        read = await _read(endpoint, request, receive)
        await respond(send, await endpoint.answer(read, outbox(request)), method=scope["method"])

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        def send_and_note(message: Message) -> object:
            nonlocal is_answered
            is_answered = True
            return send(message)

        try:
            await self._app(scope, receive, send_and_note)  # type: ignore[arg-type]  # it returns what send returns
        except ResealError as error:
            if is_answered:
                raise
            await refuse(scope, send, guards.refusal(error, self._answer_to(scope, error)))

    async def _lifespan(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._opening.open()
        except ResealError as error:
            await receive()
            await send({"type": "lifespan.startup.failed", "message": f"Reseal cannot start: {error}"})
            return
        try:
            await _with_lifespan(self._app, scope, receive, send)
        finally:
            await self._opening.close()


async def respond(send: Send, answer: WebResponse, *, method: str = "GET") -> None:
    """Send a response of the session's calls, in an application without a framework."""
    said = [*answer.headers, *responses.length(answer)]
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in said]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else answer.body})


async def refuse(scope: Scope, send: Send, answer: WebResponse) -> None:
    """Refuse a handshake, with a response if the server can send one."""
    if guards.DENIAL not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close"})
        return
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers]
    await send({"type": f"{guards.DENIAL}.start", "status": answer.status, "headers": headers})
    await send({"type": f"{guards.DENIAL}.body", "body": answer.body})


def _within(scope: Scope) -> str:
    """Return the path within the application. ASGI has it begin with ``root_path``; not all servers agree."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(f"{root}/") else path


async def _read(endpoint: AsyncEndpoint, request: ScopeOnly, receive: Receive) -> RequestFacts:
    head = facts(request)
    if not endpoint.reads_body or not bearer.may_have_body(head):
        return head
    body, has_more = b"", True
    while has_more:  # the server holds it to its stated length
        message = await receive()
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    return msgspec.structs.replace(head, body=body)


def _with_origins(app: ASGIApp, origins: OwnOrigins) -> ASGIApp:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        request = facts(ScopeOnly(scope))
        added = [(name.encode(), value.encode("latin-1")) for name, value in origins.headers(request)]

        async def send_with_origin(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message.get("headers", ()), *added]
            await send(message)

        preflight = origins.preflight(request)
        if preflight is None:
            await app(scope, receive, send_with_origin)
        else:
            await respond(send_with_origin, preflight)

    return call


async def _with_lifespan(app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
    """Run the lifespan of an application, or answer in the place of one that knows of none."""
    was_asked = False

    async def receive_and_note() -> Message:
        nonlocal was_asked
        was_asked = True
        return await receive()

    try:
        await app(scope, receive_and_note, send)
    except Exception:
        if was_asked:  # otherwise it refused the lifespan itself, as an application may
            raise
    for event in () if was_asked else ("startup", "shutdown"):
        await receive()
        await send({"type": f"lifespan.{event}.complete"})
