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
    """The heads of one connection, one after the other: what has arrived of the present one."""

    __slots__ = ("_is_whole", "_trailer_bytes", "expects", "headers", "received", "url")

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        """Begin the next one."""
        self.url: bytes = b""
        self.headers: list[Header] = []
        self.expects: bool = False
        """Whether the client waits for ``100 Continue`` before it sends the body (RFC 9110, section 10.1.1)."""
        self.received: int = 0
        """Bytes of the pieces that held nothing else, as long as it is not whole."""
        self._is_whole = False
        self._trailer_bytes = 0

    @property
    def is_too_large(self) -> bool:
        size = len(self.url) + sum([len(name) + len(value) for name, value in self.headers]) + self._trailer_bytes
        return max(size, self.received) > HEAD_BYTES or len(self.headers) > HEAD_FIELDS

    def add_url(self, piece: bytes) -> None:
        self.url += piece

    def add(self, name: bytes, value: bytes) -> None:
        """Add a header, which is looked at when the head is whole. A trailer is counted, and not believed."""
        if not self._is_whole:
            self.headers.append((name.lower(), value))
            return
        self._trailer_bytes += len(name) + len(value) + 1
        if self.is_too_large:
            raise ValueError("the trailers are too large")

    def scope(self, parser: httptools.HttpRequestParser, client: tuple[str, int] | None) -> dict[str, Any]:
        """Return the ASGI scope of a whole head. Raises ``ValueError``, or the parser's error, if it is refused."""
        version, url = parser.get_http_version(), self.url
        self._check(version)
        if b"#" in url:
            raise ValueError("a target has no fragment (RFC 9112, section 3.2), and not everybody cuts it off")
        if parser.should_upgrade() and any(name in _BODY and value != b"0" for name, value in self.headers):
            raise ValueError("the parser would read the body as the protocol after the upgrade")
        path, raw_path, query = _target(url)
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

    def _check(self, version: str) -> None:
        """Raise ``ValueError`` for a head that is too large, or that two readers may read in two ways."""
        hosts, size = 0, len(self.url)
        for name, value in self.headers:
            size += len(name) + len(value)
            if name == b"host":
                hosts += 1
            elif name in _FRAMING:
                self._note(name, value.lower(), version)
        if hosts > 1 or (not hosts and version != OLD):
            raise ValueError("a request names one host (RFC 9112, section 3.2)")
        if size > HEAD_BYTES or len(self.headers) > HEAD_FIELDS:
            raise ValueError("the head is too large")

    def _note(self, name: bytes, value: bytes, version: str) -> None:
        """Look at a header that says where a request ends, or who is to wait for whom."""
        if name == b"expect":
            self.expects = value == b"100-continue"
        elif value != b"chunked" or version == OLD:
            raise ValueError("no other coding is known here, and a guess at the end of the body may be wrong")


@lru_cache(maxsize=64)
def _target(url: bytes) -> tuple[str, bytes, bytes]:
    """Read a request's target: path, the same as it was sent, query. Raises ``ValueError``, or the parser's error."""
    parsed = httptools.parse_url(url)
    return unquote(parsed.path.decode("ascii")), parsed.path, parsed.query or b""
