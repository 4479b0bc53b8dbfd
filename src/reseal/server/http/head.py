"""The head of a request: its size is limited, and ambiguous framing that the parser passes is refused.

A callback of the parser that raises makes the parser raise an error of its own, and the request is refused.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final
from urllib.parse import unquote

import httptools

from reseal.server.http.exchange import Header

HEAD_BYTES: Final = 32 * 1024
"""Most bytes of a request line and headers together."""
HEAD_FIELDS: Final = 100
OLD: Final = "1.0"
_FRAMING: Final = frozenset({b"transfer-encoding", b"expect"})
_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})
_ASGI: Final = {"version": "3.0", "spec_version": "2.3"}


class Head:
    """One head, as far as it has arrived."""

    __slots__ = ("_hosts", "_is_whole", "_size", "expects", "headers", "received", "url")

    def __init__(self) -> None:
        self.url: bytes = b""
        self.headers: list[Header] = []
        self.expects: bool = False
        """Whether the client waits for ``100 Continue`` before it sends the body (RFC 9110, section 10.1.1)."""
        self.received: int = 0
        """Bytes of the pieces that held nothing else, as long as it is not whole."""
        self._hosts = 0
        self._size = 0
        self._is_whole = False

    @property
    def is_too_large(self) -> bool:
        return max(self._size, self.received) > HEAD_BYTES or len(self.headers) > HEAD_FIELDS

    def add_url(self, piece: bytes) -> None:
        self.url += piece
        self._size += len(piece)

    def add(self, name: bytes, value: bytes, parser: httptools.HttpRequestParser) -> None:
        """Add a header; a trailer is counted, and not believed. Raises ``ValueError`` if it is refused."""
        if not self._is_whole:
            self.headers.append((name, value))
        self._size += len(name) + len(value)
        if self._size > HEAD_BYTES or len(self.headers) > HEAD_FIELDS:
            raise ValueError("the head is too large")
        if name == b"host":
            self._hosts += 1
        elif name in _FRAMING:
            self._note(name, value.lower(), parser)

    def scope(self, parser: httptools.HttpRequestParser, client: tuple[str, int] | None) -> dict[str, Any]:
        """Return the ASGI scope of a whole head. Raises ``ValueError``, or the parser's error, if it is refused."""
        version = parser.get_http_version()
        if self._hosts > 1 or (not self._hosts and version != OLD):
            raise ValueError("a request names one host (RFC 9112, section 3.2)")
        if b"#" in self.url:
            raise ValueError("a target has no fragment (RFC 9112, section 3.2), and not everybody cuts it off")
        if parser.should_upgrade() and any(name in _BODY and value != b"0" for name, value in self.headers):
            raise ValueError("the parser would read the body as the protocol after the upgrade")
        path, raw_path, query = _target(self.url)
        self._is_whole = True
        return {
            "type": "http",
            "asgi": _ASGI,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": path,
            "raw_path": raw_path,
            "query_string": query,
            "headers": self.headers,
            "client": client,
        }

    def _note(self, name: bytes, value: bytes, parser: httptools.HttpRequestParser) -> None:
        """Look at a header that says where a request ends, or who is to wait for whom."""
        if name == b"expect":
            self.expects = value == b"100-continue"
        elif value != b"chunked" or parser.get_http_version() == OLD:
            raise ValueError("no other coding is known here, and a guess at the end of the body may be wrong")


@lru_cache(maxsize=64)
def _target(url: bytes) -> tuple[str, bytes, bytes]:
    """Read a request's target: path, the same as it was sent, query. Raises ``ValueError``, or the parser's error."""
    parsed = httptools.parse_url(url)
    return unquote(parsed.path.decode("ascii")), parsed.path, parsed.query or b""
