"""Connections for hundreds of callers: a full client takes longer for a call than the service does.

Answers are parsed by the parser of the service's own side, llhttp.
"""

from __future__ import annotations

import asyncio
import json
from asyncio import StreamReader, StreamWriter
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import httptools

PATIENCE = 120
"""Seconds for an answer, on a busy machine."""


class Connections:
    """Connections to one host, which are kept: as many as there are calls at a time."""

    def __init__(self, host: str, port: int, headers: Mapping[str, str]) -> None:
        self._host = host
        self._port = port
        self._head = "".join(f"{name}: {value}\r\n" for name, value in {"host": f"{host}:{port}", **headers}.items())
        self._idle: list[tuple[StreamReader, StreamWriter]] = []

    async def call(
        self, method: str, path: str, body: object = None, query: Mapping[str, Any] | None = None
    ) -> tuple[int, bytes]:
        """Give the status and the body. Raises ``OSError`` or ``EOFError`` if there is no answer."""
        content = b"" if body is None else json.dumps(body).encode()
        target = f"{path}?{urlencode(query)}" if query else path
        head = f"{method} {target} HTTP/1.1\r\n{self._head}content-type: application/json\r\n"
        async with asyncio.timeout(PATIENCE):
            reader, writer = await self._connection()
            answer = _Answer()
            try:
                writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
                while not answer.is_whole:
                    answer.take(await reader.read(65536))
            except BaseException:
                writer.close()
                raise
        if answer.is_last:
            writer.close()
        else:
            self._idle.append((reader, writer))
        return answer.status, answer.body

    async def close(self) -> None:
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connection(self) -> tuple[StreamReader, StreamWriter]:
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)


class _Answer:
    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self.body = b""
        self.is_whole = self.is_last = False

    def take(self, data: bytes) -> None:
        if not data:
            raise EOFError("the answer ended too early")
        self._parser.feed_data(data)

    @property
    def status(self) -> int:
        return self._parser.get_status_code()

    def on_body(self, data: bytes) -> None:
        self.body += data

    def on_headers_complete(self) -> None:
        self.is_last = not self._parser.should_keep_alive()  # after the body the parser no longer knows

    def on_message_complete(self) -> None:
        self.is_whole = True
