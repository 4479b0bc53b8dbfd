"""WebSockets of Starlette."""

from __future__ import annotations

from contextlib import suppress
from typing import Final

from starlette.responses import Response
from starlette.websockets import WebSocket, WebSocketDisconnect, WebSocketState

from reseal import guards
from reseal.core.errors import ResealError
from reseal.web.responses import WebResponse

_OPEN: Final = "reseal.open"


class StarletteSocket(guards.Socket):
    """How a WebSocket of Starlette is opened and closed."""

    def __init__(self, websocket: WebSocket) -> None:
        self._websocket = websocket

    async def accept(self, subprotocol: str | None) -> None:
        await self._websocket.accept(subprotocol)

    async def close(self, code: int, reason: str) -> None:
        if WebSocketState.DISCONNECTED in {self._websocket.client_state, self._websocket.application_state}:
            return
        with suppress(WebSocketDisconnect):  # the page went at the same moment
            await self._websocket.close(code, reason)


async def refuse(websocket: WebSocket, error: ResealError, answer: WebResponse) -> None:
    """Answer a handshake as a request would be answered; a server that cannot do so answers with status 403.

    A page's script sees neither status nor body: they are for logs, and for clients that are no browsers. Where the
    WebSocket is open already nothing can be answered: the error goes on to the server, which closes it and says so.
    """
    if websocket.application_state is not WebSocketState.CONNECTING or _OPEN in websocket.scope:
        websocket.scope[_OPEN] = True  # the next handler gets a new WebSocket object: the scope remembers
        raise error
    if guards.DENIAL not in websocket.scope.get("extensions", {}):
        await websocket.close()
        return
    refused = guards.refusal(error, answer)
    await websocket.send_denial_response(Response(refused.body, refused.status, dict(refused.headers)))
