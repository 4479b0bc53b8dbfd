"""The start of TLS on a connection that was let in.

It is started after the connection was counted: a client that never begins the handshake holds a descriptor as well.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import cast


class Securing:
    """Starts TLS, and keeps the bytes that come before TLS is ready to take them."""

    __slots__ = ("_context", "_early")

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        self._early = b""

    def keep(self, data: bytes) -> None:
        """Keep what came early; not every loop heeds a pause so soon."""
        self._early += data

    async def start(
        self, transport: asyncio.Transport, protocol: asyncio.Protocol, loop: asyncio.AbstractEventLoop, seconds: float
    ) -> asyncio.Transport | None:
        """Return the transport over TLS. Raises ``OSError`` if the handshake fails or takes longer than ``seconds``."""
        return await loop.start_tls(transport, protocol, self._context, server_side=True, ssl_handshake_timeout=seconds)

    def hand_over(self, transport: asyncio.Transport) -> None:
        """Pass what came early on to TLS, once the transport belongs to it."""
        taker, early = cast("asyncio.BufferedProtocol", transport.get_protocol()), memoryview(self._early)
        while early and hasattr(taker, "buffer_updated"):  # it is not yet TLS's if the client has left
            room = memoryview(taker.get_buffer(len(early)))
            taken = min(len(room), len(early))
            room[:taken] = early[:taken]
            taker.buffer_updated(taken)
            early = early[taken:]
        self._early = b""
