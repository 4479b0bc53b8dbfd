"""How long and how large a request's head may be, whichever parser reads it."""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_BYTES: Final = 32 * 1024
"""Most bytes of a request line and headers together."""
HEAD_FIELDS: Final = 100
HEAD_SECONDS: Final = 10.0
"""Time for a head to arrive in, counted from its first byte, or from the connection on for the first one."""

_BUSY_TEXT: Final = "HTTP/1.1 {} \r\nconnection: close\r\ncontent-length: 0\r\n\r\n"


class Patience(asyncio.Protocol):
    """Hangs up on a connection whose next head does not arrive in time. To be mixed into a protocol of uvicorn."""

    transport: asyncio.Transport
    loop: asyncio.AbstractEventLoop
    cycle: Any
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


class PatientH11(Patience, H11Protocol):
    """The parser in Python; its size limit is a setting of uvicorn's."""


def best() -> type[asyncio.Protocol]:
    """Choose the parser in C if it is installed."""
    try:
        from reseal.server.protocol_c import PatientHttpTools  # noqa: PLC0415 - needs httptools, an optional package
    except ImportError:
        return PatientH11
    return PatientHttpTools
