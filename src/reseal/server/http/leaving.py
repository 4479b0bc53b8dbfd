"""The end of a server: whoever has connected before the port is closed is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import uvicorn

HANDSHAKE_SECONDS: Final = 5.0
"""How long those who came last may take for TLS; they do not hold the end up for longer."""


class PatientServer(uvicorn.Server):
    """A server that lets in the connections that wait to be accepted, because closing the port would reset them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        waiting = [connection for listener in sockets or () for connection in _waiting(listener)]
        for server in self.servers:
            server.close()
        await asyncio.gather(*map(self._let_in, waiting))
        await super().shutdown(sockets)

    async def _let_in(self, connection: socket.socket) -> None:
        context = self.config.ssl
        patience = HANDSHAKE_SECONDS if context else None
        with suppress(OSError):  # the client has left, says nothing, or does not speak TLS
            await asyncio.get_running_loop().connect_accepted_socket(
                self._protocol, connection, ssl=context, ssl_handshake_timeout=patience
            )

    def _protocol(self) -> asyncio.Protocol:
        how = {"config": self.config, "server_state": self.server_state, "app_state": self.lifespan.state}
        protocol: asyncio.Protocol = self.config.http_protocol_class(**how)
        return protocol


def _waiting(listener: socket.socket) -> Iterator[socket.socket]:
    """Accept the connections that have been made and not accepted yet."""
    listener.setblocking(False)
    with suppress(OSError):  # none is left, or no descriptor
        while True:
            yield listener.accept()[0]
