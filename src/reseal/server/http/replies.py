"""When replies go out: those of one turn of the event loop together, one send after the other.

To send wakes a client that waits, and takes the processor's caches from the requests that are being answered. Sent
between their steps, replies make a refresh a fifth more expensive; and clients that are answered together ask together,
so that their sessions share a statement of the store (``docs/benchmarks.md``). A lone request is answered at once.
"""

from __future__ import annotations

import asyncio


class Replies:
    """The replies of all connections of one event loop that are still to be sent, in their order."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._held: list[tuple[asyncio.Transport, bytes]] = []
        self.awaited: set[object] = set()
        """The exchanges whose requests have come and are not answered yet."""

    def send(self, transport: asyncio.Transport, reply: bytes) -> None:
        """Send a reply in the next turn, or now, if no other one is awaited."""
        if len(self.awaited) <= 1 and not self._held:
            transport.write(reply)
            return
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append((transport, reply))

    def flush(self) -> None:
        """Send what is held: before anything else is written to one of the connections, or one is closed."""
        held, self._held = self._held, []
        for transport, reply in held:
            if not transport.is_closing():
                transport.write(reply)
