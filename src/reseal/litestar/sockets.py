"""WebSockets of Litestar, as messages of ASGI: so whatever kind of handler there is, it need not know of sessions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from litestar.types import Message, Receive, Scope, Send

from reseal.core.errors import Refusal, ResealError, Unauthorised
from reseal.litestar.demands import state
from reseal.web.responses import WebResponse

_DENIAL: Final = "websocket.http.response"


class Wires:
    """The messages of one WebSocket, which is closed once."""

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self._subprotocol: str | None = None
        self._is_over = False

    async def accept(self, subprotocol: str | None) -> None:
        """Note the sub-protocol: the handler itself accepts."""
        self._subprotocol = subprotocol

    async def close(self, code: int, reason: str) -> None:
        """Close the WebSocket unless either side has."""
        if not self._is_over:
            await self.send({"type": "websocket.close", "code": code, "reason": reason})

    async def receive(self) -> Any:
        message = await self._receive()
        self._is_over |= message["type"] == "websocket.disconnect"
        return message

    async def send(self, message: Message) -> None:
        self._is_over |= message["type"] == "websocket.close"
        if message["type"] == "websocket.accept" and message.get("subprotocol") is None:
            message = {**message, "subprotocol": self._subprotocol}
        await self._send(message)


async def refuse(scope: Scope, send: Send, error: ResealError, answer: WebResponse) -> None:
    """Answer a handshake as a request would be answered; a server that cannot do so answers with status 403.

    A page's script sees neither status nor body: they are for logs, and for clients that are no browsers.
    """
    foreign = isinstance(error, Unauthorised) and error.reason is Refusal.CROSS_SITE
    for message in _denial(scope, answer, 403 if foreign else answer.status):
        await send(message)


def _denial(scope: Scope, answer: WebResponse, status: int) -> Iterator[Any]:
    if _DENIAL not in (state(scope).get("extensions") or {}):
        yield {"type": "websocket.close", "code": 1000, "reason": ""}
        return
    headers = [*answer.headers, ("cache-control", "no-store"), ("content-length", str(len(answer.body)))]
    raw = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
    yield {"type": f"{_DENIAL}.start", "status": status, "headers": raw}
    yield {"type": f"{_DENIAL}.body", "body": answer.body}
