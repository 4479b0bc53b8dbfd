"""As little of an HTTP client as hundreds of callers need, so that no test waits for the client."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from urllib.parse import urlencode

PATIENCE = 120
"""Seconds for an answer, on a busy machine."""


class Connections:
    """Connections to one host, which are kept: as many as there are calls at a time."""

    def __init__(self, host, port, headers):
        self._host = host
        self._port = port
        self._head = "".join(f"{name}: {value}\r\n" for name, value in {"host": f"{host}:{port}", **headers}.items())
        self._idle = []

    async def call(self, method, path, body=None, query=None):
        """Give the status and the body. Raises ``OSError`` or ``EOFError`` if there is no answer."""
        content = b"" if body is None else json.dumps(body).encode()
        target = f"{path}?{urlencode(query)}" if query else path
        head = f"{method} {target} HTTP/1.1\r\n{self._head}content-type: application/json\r\n"
        async with asyncio.timeout(PATIENCE):
            reader, writer = await self._connection()
            try:
                writer.write(f"{head}content-length: {len(content)}\r\n\r\n".encode() + content)
                status, headers = _read_head(await reader.readuntil(b"\r\n\r\n"))
                found = await reader.readexactly(int(headers["content-length"]))
            except BaseException:
                writer.close()
                raise
        if headers.get("connection") == "close":
            writer.close()
        else:
            self._idle.append((reader, writer))
        return status, found

    async def close(self):
        while self._idle:
            _, writer = self._idle.pop()
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _connection(self):
        while self._idle:
            reader, writer = self._idle.pop()
            if not reader.at_eof():
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)


def _read_head(head):
    first, *lines = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = (line.partition(":") for line in lines)
    return int(first.split()[1]), {name.lower(): value.strip() for name, _, value in headers}
