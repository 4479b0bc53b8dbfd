"""WebSockets of Litestar, as messages of ASGI: so whatever kind of handler there is, it need not know of sessions."""

from __future__ import annotations

from typing import Any

from litestar.types import Message, Receive, Send


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
