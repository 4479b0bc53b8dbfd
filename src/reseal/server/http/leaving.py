"""The end of a server: whoever has connected before the port is closed is answered."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import suppress

import uvicorn


class PatientServer(uvicorn.Server):
    """A server that lets in the connections that wait to be accepted, because closing the port would reset them."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        waiting = [connection for listener in sockets or () for connection in _waiting(listener)]
        for server in self.servers:
            server.close()
        for connection in waiting:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection, ssl=self.config.ssl)
        await super().shutdown(sockets)

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
