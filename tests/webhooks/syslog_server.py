"""A syslog server on loopback with a strict parser: what RFC 5424 does not allow is an error."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import NamedTuple

_HEAD = re.compile(
    rb"<(?P<pri>0|[1-9][0-9]{0,2})>1 "
    rb"(?P<at>[0-9]{4}-[01][0-9]-[0-3][0-9]T[0-2][0-9]:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?(?:Z|[+-][0-9]{2}:[0-9]{2})) "
    rb"(?P<host>[!-~]{1,255}) (?P<app>[!-~]{1,48}) (?P<process>[!-~]{1,128}) (?P<kind>[!-~]{1,32}) "
)
_ELEMENT = re.compile(
    rb"\[(?P<name>[!#-<>-\\^-~]{1,32})(?P<parameters>(?: [^ =\]\"]{1,32}=\"(?:\\.|[^\"\\\]])*\")*)\]", re.DOTALL
)
_PARAMETER = re.compile(rb" (?P<name>[^ =\]\"]{1,32})=\"(?P<value>(?:\\.|[^\"\\\]])*)\"", re.DOTALL)
_LENGTH = re.compile(rb"[1-9][0-9]*")
_MOST_PRIORITY = 191


class Parsed(NamedTuple):
    """One message."""

    priority: int
    at: str
    app: str
    kind: str
    element: str
    facts: dict[str, str]
    text: str


def parse(line: bytes) -> Parsed:
    """Parse one message. Raises ``ValueError``."""
    head = _HEAD.match(line)
    if head is None or int(head["pri"]) > _MOST_PRIORITY:
        raise ValueError(line)
    element = _ELEMENT.match(line, head.end())
    if element is None or line[element.end() : element.end() + 1] != b" ":
        raise ValueError(line)
    if any(byte < 0x20 or byte == 0x7F for byte in line):
        raise ValueError(line)
    facts = {
        each["name"].decode(): re.sub(rb"\\([\"\\\]])", rb"\1", each["value"]).decode()
        for each in _PARAMETER.finditer(element["parameters"])
    }
    return Parsed(
        int(head["pri"]),
        head["at"].decode(),
        head["app"].decode(),
        head["kind"].decode(),
        element["name"].decode(),
        facts,
        line[element.end() + 1 :].decode(),
    )


class SyslogServer:
    """Takes datagrams and streams, framed either way, and parses every message."""

    def __init__(self) -> None:
        self.url = ""
        self.got: list[Parsed] = []
        self.problems: list[str] = []
        self.connections: list[asyncio.StreamWriter] = []
        self.ended: list[asyncio.Event] = []
        self.came = asyncio.Event()

    def ids(self) -> list[str]:
        return [each.facts["id"] for each in self.got]

    def take(self, line: bytes) -> None:
        self.came.set()
        try:
            self.got.append(parse(line))
        except ValueError as error:
            self.problems.append(repr(error))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read frames by the form of the first byte (RFC 6587)."""
        self.connections.append(writer)
        ended = asyncio.Event()
        self.ended.append(ended)
        try:
            while first := await reader.read(1):
                if first == b"<":
                    self.take(first + (await reader.readuntil(b"\n"))[:-1])
                else:
                    length = first + (await reader.readuntil(b" "))[:-1]
                    self.take(await reader.readexactly(int(_LENGTH.fullmatch(length)[0])))  # type: ignore[index]
        except (asyncio.IncompleteReadError, ConnectionError, TypeError) as error:
            self.problems.append(repr(error))
        finally:
            writer.close()
            ended.set()

    async def until(self, count: int) -> None:
        """Wait for messages."""
        async with asyncio.timeout(30):
            while len(self.got) < count:
                self.came.clear()
                await self.came.wait()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, server: SyslogServer) -> None:
        self._server = server

    def datagram_received(self, data: bytes, _address: object) -> None:
        self._server.take(data)


@asynccontextmanager
async def listening(
    kind: str, folder: Path, port: int = 0, context: ssl.SSLContext | None = None
) -> AsyncIterator[SyslogServer]:
    """Listen: ``udp``, ``tcp``, ``tls``, ``unix`` (datagrams) or ``unix-stream``."""
    server, loop = SyslogServer(), asyncio.get_running_loop()
    path = folder / "log"
    if kind in {"udp", "unix"}:
        where = {"local_addr": ("127.0.0.1", port)} if kind == "udp" else {"local_addr": str(path), "family": 1}
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(server), **where)
        server.url = f"unix://{path}"
        if kind == "udp":
            server.url = f"udp://127.0.0.1:{transport.get_extra_info('sockname')[1]}"
        try:
            yield server
        finally:
            transport.close()
            await asyncio.sleep(0)  # then it is closed
            path.unlink(missing_ok=True)
        return
    if kind == "unix-stream":
        streams = await asyncio.start_unix_server(server.serve, path)
        server.url = f"unix://{path}"
    else:
        streams = await asyncio.start_server(server.serve, "127.0.0.1", port, ssl=context)
        host = "localhost" if kind == "tls" else "127.0.0.1"
        server.url = f"{kind}://{host}:{streams.sockets[0].getsockname()[1]}"
    try:
        yield server
    finally:
        streams.close()
        for writer in server.connections:
            with suppress(AttributeError):  # Python 3.11.2: of TLS that the other side has closed
                writer.transport.abort()
        await asyncio.gather(*(each.wait() for each in server.ended))
        await streams.wait_closed()
