"""A load generator for the service: connections that are kept, with one request at a time on each.

It does as little as it can for a request, so that the machine's time goes to the server.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Any, Self

import msgspec

VERSION = "5.4"
CREATE = {"userId": "user-1", "userDataInJWT": {"role": "reader"}, "userDataInDatabase": {}}
COMMON = {"enableAntiCsrf": False}

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Connection(asyncio.Protocol):
    """A connection that is kept, for one request at a time."""

    def __init__(self, port: int) -> None:
        self._host = f"127.0.0.1:{port}"
        self._transport: Any = None
        self._received = b""
        self._reply: asyncio.Future[bytes] | None = None

    @classmethod
    async def to(cls, port: int) -> Self:
        loop = asyncio.get_running_loop()
        _, connection = await loop.create_connection(lambda: cls(port), "127.0.0.1", port)
        return connection

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, found, body = self._received.partition(b"\r\n\r\n")
        if found and len(body) >= _length(head) and self._reply is not None and not self._reply.done():
            received, self._received = self._received, b""
            self._reply.set_result(received)

    def connection_lost(self, error: Exception | None) -> None:
        if self._reply is not None and not self._reply.done():
            self._reply.set_exception(error or ConnectionResetError("the server has closed the connection"))

    async def call(self, method: str, path: str, value: Mapping[str, Any] | None = None) -> bytes:
        """Send a request and return the body of the reply."""
        body = b"" if value is None else _encode(value)
        head = (
            f"{method} {path} HTTP/1.1\r\nhost: {self._host}\r\ncdi-version: {VERSION}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
        )
        self._reply = asyncio.get_running_loop().create_future()
        self._transport.write(head.encode() + body)
        head_of_reply, _, found = (await self._reply).partition(b"\r\n\r\n")
        if not head_of_reply.startswith(b"HTTP/1.1 200"):
            status = head_of_reply.split(b" ", 2)[1].decode()
            raise RuntimeError(f"{method} {path}: {status} {found.decode()}")
        return found

    def close(self) -> None:
        self._transport.close()


def _length(head: bytes) -> int:
    return int(head.lower().split(b"\r\ncontent-length:", 1)[1].split(b"\r\n", 1)[0])


class Line:
    """A session of one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._refresh = self._refreshed = ""
        self._seen = ""
        """The token that is verified again and again."""
        self._unseen: list[str] = []
        """Tokens that were never verified."""

    async def begin(self, times: int) -> None:
        """Create sessions: one to go on with, and as many as ``verify_unseen`` takes before the next ``create``."""
        for _ in range(times + 1):
            await self.create()
        self._seen = self._unseen.pop()

    async def create(self) -> None:
        found = await self._post("/recipe/session", CREATE | COMMON | {"useDynamicSigningKey": True})
        self._unseen.append(found["accessToken"]["token"])
        self._refresh = found["refreshToken"]["token"]

    async def verify(self) -> None:
        await self._verify(self._seen)

    async def verify_unseen(self) -> None:
        await self._verify(self._unseen.pop())

    async def verify_stored(self) -> None:
        await self._verify(self._seen, ask=True)

    async def refresh(self) -> None:
        more = {"refreshToken": self._refresh, "useDynamicSigningKey": True}
        found = await self._post("/recipe/session/refresh", COMMON | more)
        self._refresh, self._refreshed = found["refreshToken"]["token"], found["accessToken"]["token"]

    async def refresh_and_verify(self) -> None:
        """Verify the new token too, as SDKs do: that confirms the refresh, and gives a token without its parent."""
        await self.refresh()
        await self._verify(self._refreshed)

    async def _verify(self, token: str, *, ask: bool = False) -> None:
        more = {"accessToken": token, "doAntiCsrfCheck": False, "checkDatabase": ask}
        await self._post("/recipe/session/verify", COMMON | more)

    async def _post(self, path: str, value: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = _decode(await self._connection.call("POST", path, value))
        if found["status"] != "OK":
            raise RuntimeError(f"{path}: {found['status']}")
        return found


async def ask_constant(connection: Connection) -> None:
    """Send as much as a refresh does, and read the answer as it is read."""
    _decode(await connection.call("POST", "/", COMMON | {"refreshToken": "x" * 400}))
