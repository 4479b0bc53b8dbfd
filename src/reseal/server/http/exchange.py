"""One request of a connection and its reply, as an ASGI application sees them.

The reply comes in one piece and goes out in one write: a second one would cost as much again as all of the parsing,
and wake the client twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final, Protocol

from reseal.server.http.replies import Replies

ARRIVED: Final = "reseal.arrived"
"""Key of a scope's extensions for the body, if all of it came with the head."""
KNOWN: Final = "reseal.known"
"""Key of a scope, set once its request has shown a valid API key."""
HELD_BYTES: Final = 64 * 1024
"""Bytes of a body that wait to be read before nothing more of it is taken from the connection."""
Header = tuple[bytes, bytes]
Application = Callable[[Any, Any, Any], Awaitable[object]]

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_CLOSE: Final = (b"connection", b"close")
_LINES: Final = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}
_BEGINNINGS: Final[dict[int, tuple[list[Header], bytes]]] = {}
_LOGGER: Final = logging.getLogger("uvicorn.error")


class Connection(Protocol):
    """What an exchange needs of its connection."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    replies: Replies
    writable: asyncio.Future[None] | None
    """While the client is slow to read: resolved once it has taken enough of what was written."""

    def close(self) -> None:
        """Close, after the replies that are still to be sent."""

    def default_headers(self) -> list[Header]:
        """Return the headers of every reply, the date above all: the same list until one of them changes."""

    def replied(self) -> None:
        """Go on to the next request."""

    def linger(self) -> None:
        """Close soon: the rest of a body that is not read may still be on its way."""

    def close_with(self, status: str) -> None:
        """Answer with a bare status and close."""


class Exchange:
    """A request that is answered once."""

    __slots__ = (
        "_arrived", "_connection", "_expects", "_gone", "_held", "_is_read", "_is_read_whole", "_news", "_start",
        "_whole", "done", "keep_alive", "scope",
    )  # fmt: skip

    def __init__(self, connection: Connection, scope: dict[str, Any], *, keep_alive: bool, expects: bool) -> None:
        """``expects``: the client waits for ``100 Continue`` before it sends the body (RFC 9110, section 10.1.1)."""
        self.scope: dict[str, Any] = scope
        self.keep_alive: bool = keep_alive
        self.done: bool = False
        """Whether the reply is written."""
        self._connection = connection
        self._expects = expects
        self._arrived: list[bytes] = []
        self._held = 0
        self._whole = False
        self._is_read = False
        self._is_read_whole = False
        self._gone = False
        self._news: asyncio.Future[None] | None = None
        self._start: Any = None

    # -- the connection's side --------------------------------------------------------------------------------------

    def take(self, piece: bytes) -> None:
        """Keep a piece of the body, unless the request is answered already."""
        if self.done:
            return
        self._arrived.append(piece)
        self._held += len(piece)
        if self._held > HELD_BYTES:
            self._connection.transport.pause_reading()
        if self._news is not None:
            self._notify()

    def end(self) -> None:
        """Note that the body is whole."""
        self._whole = True
        if not self._is_read:
            self.scope["extensions"] = {ARRIVED: b"".join(self._arrived)}
        if self._news is not None:
            self._notify()

    def abandon(self) -> None:
        """Note that the client has disconnected."""
        self._gone = True
        self._connection.replies.awaited.discard(self)
        self._notify()

    # -- the application's side -------------------------------------------------------------------------------------

    async def run(self, application: Application) -> None:
        """Run the application for this request."""
        try:
            await application(self.scope, self.receive, self.send)
        except Exception:  # of one request; the process and its other connections go on
            _LOGGER.exception("the application failed")
        finally:
            self._connection.replies.awaited.discard(self)
            if not (self.done or self._gone):
                self._connection.close_with("500 Internal Server Error")

    async def receive(self) -> dict[str, Any]:
        """Return the part of the body that has arrived; wait if there is none.

        After the last part: wait until the client disconnects, or the reply is written. Other replies are not held back
        for a request that waits so.
        """
        connection, self._is_read = self._connection, True
        if self._expects and not connection.transport.is_closing():
            self._expects = False
            connection.replies.flush()
            connection.transport.write(_CONTINUE)
        if self._is_read_whole:
            connection.replies.awaited.discard(self)
        while not (self._arrived or (self._whole and not self._is_read_whole) or self._gone or self.done):
            self._news = connection.loop.create_future()
            await self._news
        if self._gone or self.done:
            return {"type": "http.disconnect"}
        body, self._arrived = b"".join(self._arrived), []
        if self._held > HELD_BYTES:
            connection.transport.resume_reading()
        self._held, self._is_read_whole = 0, self._whole
        return {"type": "http.request", "body": body, "more_body": not self._whole}

    def leaving(self) -> asyncio.Future[None]:
        """Return what is done once the client has disconnected, for a request whose body is whole.

        Other replies are not held back for this one. To wait in :meth:`receive` would take a task.
        """
        self._connection.replies.awaited.discard(self)
        self._news = self._connection.loop.create_future()
        if self._gone:
            self._notify()
        return self._news

    async def send(self, message: Any) -> None:
        """Note how the reply begins; with its body, which comes in one piece, write it."""
        if message["type"] == "http.response.start":
            self._start = message
        else:
            await self.reply(self._start["status"], self._start["headers"], message["body"])

    async def reply(self, status: int, headers: list[Header], body: bytes) -> None:
        """Write the whole reply: one call where ASGI takes two."""
        connection = self._connection
        if connection.writable is not None:
            await connection.writable
        if self._gone or connection.transport.is_closing():
            return
        if not self._whole:
            self.keep_alive = False
        head = self._head(status, headers)
        connection.replies.send(connection.transport, head if self.scope["method"] == "HEAD" else head + body)
        self.done, self._arrived = True, []
        if self._news is not None:
            self._notify()
        if self._held > HELD_BYTES:
            connection.transport.resume_reading()
        if self._whole and not self.keep_alive:
            connection.close()
        connection.replied()
        if not self._whole:
            connection.linger()

    def _head(self, status: int, headers: list[Header]) -> bytes:
        if _CLOSE in headers:
            self.keep_alive = False
        elif not self.keep_alive:
            headers = [*headers, _CLOSE]
        return _beginning(status, self._connection.default_headers()) + _lines(headers) + b"\r\n"

    def _notify(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _beginning(status: int, common: list[Header]) -> bytes:
    """Return the status line and the headers of every reply, which stay the same for a second."""
    known = _BEGINNINGS.get(status)
    if known is None or known[0] is not common:
        known = _BEGINNINGS[status] = common, _LINES[status] + _lines(common)
    return known[1]


def _lines(headers: list[Header]) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers):
        raise ValueError("a line break in a header would be the beginning of another")
    return lines
