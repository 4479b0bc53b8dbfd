"""The little of HTTP that the service needs, over ASGI: one request in, one reply out, within limits."""

from __future__ import annotations

import asyncio
from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

import msgspec

from reseal.cdi.problem import Problem
from reseal.server.address import Proxies
from reseal.server.http.exchange import ARRIVED, Exchange, Header

MAX_BODY: Final = 1024 * 1024
"""Bytes of a request body; the largest honest one is a payload of some kilobytes."""
PATIENCE: Final = 10.0
"""Seconds that a caller may take to send a body."""
NO_PROXIES: Final = Proxies(())
_DIGITS: Final = 15
_NOTHING: Final[dict[str, Any]] = {}
JSON_TYPE: Final = b"application/json; charset=UTF-8"
TEXT_TYPE: Final = b"text/html; charset=UTF-8"


class Trace(msgspec.Struct):
    """The facts of a request for log and metrics, filled in while it is answered."""

    correlation_id: str | None = None
    operation: str = "none"
    known: bool = False
    """Whether the caller showed a good API key, or none is wanted."""
    caller: str = ""
    """The name of that key."""


class Request(msgspec.Struct, frozen=True):
    """A request as ASGI gives it."""

    method: str
    path: str
    query: bytes
    """As it was sent; read only when the caller is known."""
    headers: list[Header]
    first: dict[bytes, bytes]
    """The headers by name; the first one where several have the same."""
    client_ip: str | None
    """In its normal form; ``None`` if it is not known."""
    arrived: bytes | None = None
    """The body, if all of it came with the head: then nobody needs to be waited for."""
    trace: Trace = msgspec.field(default_factory=Trace)

    def header(self, name: bytes) -> str | None:
        """Read a header; the first one if it is repeated."""
        value = self.first.get(name)
        return None if value is None else value.decode("latin-1").strip()

    def all_of(self, name: bytes) -> list[str]:
        """Read a header as often as it was sent."""
        return values_of(name, self.headers) if name in self.first else []


class Reply(msgspec.Struct, frozen=True):
    """A reply: JSON for outcomes, plain text for problems."""

    status: int
    body: bytes
    content_type: bytes = JSON_TYPE
    headers: tuple[Header, ...] = ()


def text_reply(status: int, text: str, *headers: Header) -> Reply:
    """Write a plain text; like every reply of the interface it ends with a line break."""
    return Reply(status, f"{text}\n".encode(), TEXT_TYPE, headers)


def read_request(scope: dict[str, Any], proxies: Proxies = NO_PROXIES) -> Request:
    """Read everything but the body."""
    client, headers = scope.get("client"), scope["headers"]
    raw_path = scope.get("raw_path")
    path = _path_of(raw_path) if raw_path else scope["path"]
    forwarded = values_of(b"x-forwarded-for", headers) if proxies.trusted else ()
    caller = proxies.caller(client and client[0], forwarded)
    arrived = scope.get("extensions", _NOTHING).get(ARRIVED)
    first = dict(reversed(headers))
    return Request(scope["method"], path, scope["query_string"], headers, first, caller, arrived)


@lru_cache(maxsize=64)
def _path_of(raw: bytes) -> str:
    return unquote(raw.decode("latin-1"))


def values_of(name: bytes, headers: list[Header]) -> list[str]:
    """Read a header as often as it was sent."""
    return [value.decode("latin-1").strip() for key, value in headers if key == name]


async def body_of(request: Request, receive: Any) -> bytes:
    """Return the body. Raises ``Problem`` as :func:`read_body` does."""
    body = request.arrived
    if body is None:
        return await read_body(request.headers, receive)
    if len(body) > MAX_BODY:
        raise _too_large()
    return body


async def read_body(headers: list[Header], receive: Any, *, patience: float = PATIENCE) -> bytes:
    """Read the body. Raises ``Problem``: 413 as soon as it is known to be too large, 408 after ``patience`` seconds."""
    try:
        async with asyncio.timeout(patience):
            return await _whole_body(headers, receive)
    except TimeoutError as error:
        raise Problem(408, "Request body took too long") from error


async def _whole_body(headers: list[Header], receive: Any) -> bytes:
    length = next((value for name, value in headers if name == b"content-length"), b"0")
    if length.isdigit() and (len(length) > _DIGITS or int(length) > MAX_BODY):
        raise _too_large()
    chunks, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionAbortedError
        chunk = message.get("body", b"")
        size += len(chunk)
        if size > MAX_BODY:
            raise _too_large()
        chunks.append(chunk)
        if not message.get("more_body"):
            return b"".join(chunks)


def _too_large() -> Problem:
    return Problem(413, "Request body too large")


async def send_reply(send: Any, reply: Reply, *more_headers: Header) -> None:
    """Send a reply, in one call if the server is ours."""
    headers = [
        (b"content-type", reply.content_type),
        (b"content-length", b"%d" % len(reply.body)),
        *reply.headers,
        *more_headers,
    ]
    exchange = getattr(send, "__self__", None)
    if type(exchange) is Exchange:
        await exchange.reply(reply.status, headers, reply.body)
        return
    await send({"type": "http.response.start", "status": reply.status, "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})
