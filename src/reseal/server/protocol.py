"""HTTP/1.1 as it comes over a socket: strict framing, and limits on how long and how large a request's head may be.

The parser is llhttp, which refuses a bare line feed, a folded header and a malformed chunk. What it lets pass and two
parsers may read in two ways, is refused here. A request that is refused is answered 400 and ends its connection.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_BYTES: Final = 32 * 1024
"""Most bytes of a request line and headers together."""
HEAD_FIELDS: Final = 100
HEAD_SECONDS: Final = 10.0
"""Time for a head to arrive in, counted from its first byte, or from the connection on for the first one."""

REFUSED: Final = "refused"
"""Under this name the state of the lifespan has whom to tell the status of what was no request."""
_BUSY_TEXT: Final = "HTTP/1.1 {} \r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_TOO_LARGE: Final = "431 Request Header Fields Too Large"


class Patience(asyncio.Protocol):
    """Hangs up on a connection whose next head does not arrive in time. To be mixed into a protocol of uvicorn."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    cycle: Any
    app_state: dict[str, Any]
    _waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()
        elif self._waiting is None:
            self._wait()

    def hang_up(self, status: str) -> None:
        """Answer with a bare status and close."""
        if not self.transport.is_closing():
            self.transport.write(_BUSY_TEXT.format(status).encode())
            self.transport.close()
            self.tell(int(status[:3]))

    def tell(self, status: int) -> None:
        """Have it counted; there is no line in the log for it, which any stranger could fill."""
        count = self.app_state.get(REFUSED)
        if count is not None:
            count(status)

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _stop_waiting(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        if self.cycle is None or self.cycle.response_complete:
            self.hang_up("408 Request Timeout")


class StrictHttp(Patience, HttpToolsProtocol):
    """The protocol of the service. What a callback raises, the parser makes an error of its own of."""

    _in_head = True
    _received = 0
    """Bytes of a head that is still arriving."""
    _size = 0
    _fields = 0
    _hosts = 0

    def on_message_begin(self) -> None:
        self._in_head, self._received, self._size, self._fields, self._hosts = True, 0, 0, 0, 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._fields += 1
        self._count(len(name) + len(value))
        match name.lower():
            case b"host":
                self._hosts += 1
            case b"transfer-encoding" if value.lower() != b"chunked" or self._is_old():
                raise ValueError("no other coding is known here, and who guesses where the body ends, guesses wrong")
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._in_head = False
        if self._hosts > 1 or (not self._hosts and not self._is_old()):
            raise ValueError("a request names one host (RFC 9112, section 3.2)")
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._in_head and not self.transport.is_closing():
            self._received += len(data)
            if self._received > HEAD_BYTES:
                self.hang_up(_TOO_LARGE)

    def send_400_response(self, msg: str) -> None:
        if self._is_too_large():
            self.hang_up(_TOO_LARGE)
        else:
            super().send_400_response(msg)
            self.tell(400)

    def _is_old(self) -> bool:
        return bool(self.parser.get_http_version() == "1.0")

    def _count(self, size: int) -> None:
        self._size += size
        if self._is_too_large():
            raise ValueError("the head is too large")

    def _is_too_large(self) -> bool:
        return self._size > HEAD_BYTES or self._fields > HEAD_FIELDS
