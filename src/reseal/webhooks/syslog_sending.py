"""Sending to a syslog server: over UDP, TCP, TLS (RFC 5425) or a socket of this machine.

Syslog confirms nothing. On a connection a message counts as delivered once the server's machine has confirmed all of
it, where the operating system tells so (Linux), and else once the operating system has taken it. What a server loses
when it ends is lost.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import sys
from collections.abc import Mapping
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

try:
    import fcntl
    import termios
except ImportError:  # on Windows
    termios = None  # type: ignore[assignment]

from reseal.core.syslog import Framing, SyslogEndpoint
from reseal.webhooks.addresses import is_public
from reseal.webhooks.answers import Answer
from reseal.webhooks.resolving import Resolve, resolve

PORTS: Final = {"udp": 514, "tcp": 514, "tls": 6514}
_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
_PATIENCE: Final = 0.005
"""Seconds between two looks at what is in flight."""
_SENT: Final = Answer(200, problem="sent; syslog confirms nothing")


class NoAddress(OSError):
    """No address of the host may be sent to."""


class SyslogSender:
    """Sends to one server, one message after the other."""

    def __init__(self, endpoint: SyslogEndpoint, resolver: Resolve = resolve) -> None:
        self._endpoint = endpoint
        self._url = urlsplit(endpoint.url)
        self._resolve = resolver
        self._turn = asyncio.Lock()
        self._datagrams: socket.socket | None = None
        self._peer: str | tuple[str, int] = ""
        self._stream: _Stream | None = None

    async def send(self, body: bytes, headers: Mapping[str, str], now: int) -> Answer:  # noqa: ARG002 - as others do
        try:
            async with asyncio.timeout(self._endpoint.timeout):
                async with self._turn:
                    stream = await self._send(body)
                if stream is not None:
                    await _confirmed(*stream)
        except TimeoutError:
            self._break_off()
            return Answer(problem=f"not taken within {self._endpoint.timeout:g} seconds")
        except NoAddress:
            return Answer(problem="its host has no public address; allow_private_addresses allows others")
        except OSError as error:
            self._break_off()
            return Answer(problem=f"not reached ({type(error).__name__})")
        return _SENT

    async def close(self) -> None:
        stream = self._stream
        if stream is not None:
            stream[1].close()
            with suppress(OSError, TimeoutError):
                async with asyncio.timeout(1):
                    await stream[1].wait_closed()
        self._break_off()

    def _break_off(self) -> None:
        """Close what is open, without sending what is left."""
        datagrams, self._datagrams = self._datagrams, None
        stream, self._stream = self._stream, None
        if datagrams is not None:
            datagrams.close()
        if stream is not None:
            with suppress(AttributeError):  # Python 3.11.2: of TLS that the other side has closed
                stream[1].transport.abort()

    async def _send(self, body: bytes) -> _Stream | None:
        """Send a message; returns the connection that it went on, if there is one."""
        if self._url.scheme == "udp":
            address = (await self._addresses())[0]
            family = socket.AF_INET6 if ":" in address else socket.AF_INET
            await self._send_datagram(body, family, (address, self._port))
            return None
        if self._url.scheme == "unix" and self._stream is None:
            try:
                await self._send_datagram(body, socket.AF_UNIX, self._url.path)
            except OSError as error:
                if error.errno != errno.EPROTOTYPE:  # the socket takes connections
                    raise
                self._break_off()
            else:
                return None
        return await self._send_in_stream(body)

    async def _send_datagram(self, body: bytes, family: int, address: str | tuple[str, int]) -> None:
        if address != self._peer:  # its name means another machine now
            self._break_off()
        if self._datagrams is None:
            self._datagrams, self._peer = socket.socket(family, socket.SOCK_DGRAM), address
            self._datagrams.setblocking(False)
            self._datagrams.connect(address)
        await asyncio.get_running_loop().sock_sendall(self._datagrams, body)
        await asyncio.sleep(0)
        refused = self._datagrams.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)  # nobody listens
        if refused:
            raise OSError(refused, "refused")

    async def _send_in_stream(self, body: bytes) -> _Stream:
        reader, writer = await self._connected()
        is_counted = self._endpoint.framing is Framing.OCTETS or self._url.scheme == "tls"
        writer.write(b"%d %b" % (len(body), body) if is_counted else body + b"\n")
        await writer.drain()
        return reader, writer

    async def _connected(self) -> _Stream:
        """Return the connection; a new one if the server has closed the last one."""
        if self._stream is not None and (self._stream[0].at_eof() or self._stream[1].is_closing()):
            self._break_off()
        if self._stream is None:
            self._stream = await self._connect()
            # whoever has drained it has sent all; asyncio's TLS never resumes at a limit of 0
            self._stream[1].transport.set_write_buffer_limits(high=int(self._url.scheme == "tls"), low=0)
        return self._stream

    async def _connect(self) -> _Stream:
        if self._url.scheme == "unix":
            return await asyncio.open_unix_connection(self._url.path)
        *others, last = await self._addresses()
        for address in others:
            with suppress(OSError):  # the next address may be reached
                return await self._connect_to(address)
        return await self._connect_to(last)

    async def _connect_to(self, address: str) -> _Stream:
        if self._url.scheme == "tcp":
            return await asyncio.open_connection(address, self._port)
        context = ssl.create_default_context(cafile=self._endpoint.authority_file or None)
        if self._endpoint.certificate_file:
            context.load_cert_chain(self._endpoint.certificate_file)
        return await asyncio.open_connection(address, self._port, ssl=context, server_hostname=self._url.hostname)

    async def _addresses(self) -> list[str]:
        found = await self._resolve(str(self._url.hostname), self._port)
        allowed = [each for each in found if self._endpoint.allow_private_addresses or is_public(each)]
        if not allowed:
            raise NoAddress
        return allowed

    @property
    def _port(self) -> int:
        return self._url.port or PORTS[self._url.scheme]


async def _confirmed(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Wait until what was sent has arrived. Raises ``OSError`` if the connection ends before."""
    await asyncio.sleep(0)
    while _in_flight(writer.get_extra_info("socket")):  # noqa: ASYNC110 - nothing tells when that changes
        await asyncio.sleep(_PATIENCE)
    if reader.at_eof() or writer.is_closing():
        raise ConnectionResetError


def _in_flight(connection: socket.socket) -> int:
    """Return how many bytes the other side has not confirmed; 0 where the operating system does not tell."""
    if connection.fileno() < 0:
        raise ConnectionResetError
    if termios is None:
        return 0
    try:
        return int.from_bytes(fcntl.ioctl(connection.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    except OSError as error:
        if error.errno in {errno.ENOTTY, errno.EINVAL, errno.EOPNOTSUPP}:
            return 0
        raise
