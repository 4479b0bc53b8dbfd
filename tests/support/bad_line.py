"""A line to a server that is slow, cut, or deaf in one direction: a proxy on loopback."""

from __future__ import annotations

import asyncio
import random
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

_CHUNK: Final = 65536
STALL: Final = 30
"""Seconds for which a connection stands still that stalls."""


class BadLine:
    """Passes bytes on between clients and one server, as it is told to at the moment."""

    def __init__(self, target: int) -> None:
        self.delay = 0.0
        """Seconds by which everything is late, in each direction."""
        self.stalls = 0.0
        """How likely a connection is to stall with each piece that it passes on."""
        self.stalled = 0
        """How often one has."""
        self.takes = True
        """Whether what clients send arrives; if not, nobody hears of it."""
        self.answers = True
        """Whether what the server sends arrives; if not, nobody hears of it."""
        self.port = 0
        self._target = target
        self._chance = random.Random(target)
        self._links: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._is_up = threading.Event()
        self._thread = threading.Thread(target=self._loop.run_until_complete, args=(self._serve(),))

    def open(self) -> None:
        self._thread.start()
        assert self._is_up.wait(30)

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()
        self._loop.close()

    def heal(self) -> None:
        """Be a good line again."""
        self.delay, self.stalls, self.takes, self.answers = 0.0, 0.0, True, True

    def cut(self) -> None:
        """Reset all connections; returns when it is done."""
        asyncio.run_coroutine_threadsafe(self._cut(), self._loop).result(30)

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._meet, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._is_up.set()
        async with server:
            await self._stop.wait()
            await self._cut()
            others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in others:
                task.cancel()
            await asyncio.wait(others)

    async def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.CancelledError):
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self._target)
            self._links |= {writer, far_writer}
            await asyncio.gather(self._pass(reader, far_writer, "takes"), self._pass(far_reader, writer, "answers"))
        self._links.discard(writer)
        writer.close()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: str) -> None:
        """Pass on what comes, in order. Where the line is deaf it is lost, and with it the rest of the connection."""
        is_lost = False
        with suppress(OSError):
            while data := await reader.read(_CHUNK):
                if late := self._late():
                    await asyncio.sleep(late)
                is_lost = is_lost or not getattr(self, way)
                if not is_lost:
                    writer.write(data)
                    await writer.drain()
            if not is_lost:
                writer.close()

    def _late(self) -> float:
        is_stalled = self._chance.random() < self.stalls
        self.stalled += is_stalled
        return STALL if is_stalled else self.delay

    async def _cut(self) -> None:
        for writer in self._links:
            link = writer.get_extra_info("socket")
            if link is not None:
                with suppress(OSError):
                    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            writer.transport.abort()
        self._links.clear()


@contextmanager
def bad_line(target: int) -> Iterator[BadLine]:
    """Run a line to a port of this machine."""
    line = BadLine(target)
    line.open()
    try:
        yield line
    finally:
        line.close()
