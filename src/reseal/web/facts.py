"""What a request says, in one form for every framework.

Only what was sent belongs here, decoded and otherwise untouched: judging it is the work of the modules beside
this one. The value is built on each request, so nothing is looked up before somebody asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from reseal.core.model import Device
from reseal.correlation import HEADER, harmless

if TYPE_CHECKING:
    from collections.abc import Iterable

_AUTHORIZATION: Final = b"authorization"
_COOKIE: Final = b"cookie"
_CREDENTIALS: Final = frozenset({_AUTHORIZATION, _COOKIE, b"sec-websocket-key"})


class RequestFacts(msgspec.Struct, frozen=True):
    """One request. :meth:`of` brings the parts into this form. Its ``repr`` shows no header and no body."""

    method: str
    """In upper case."""
    path: str
    raw: tuple[tuple[bytes, bytes], ...]
    """The headers as ASGI gives them: in the order received, names in lower case. Decoded only when asked for."""
    client_ip: str | None = None
    body: bytes = b""
    """Only of a refresh request, and only a short one: see :data:`reseal.web.bearer.BODY_LIMIT`."""
    root_path: str = ""
    """Where the server says that the application is: ``root_path`` of ASGI, ``SCRIPT_NAME`` of WSGI. ``path`` may begin
    with it, as ASGI wants it, or not."""
    query_string: bytes = b""
    """What stands behind the question mark, as it was sent. Only the ready-made endpoints need it."""

    def __repr__(self) -> str:
        return f"RequestFacts(method={self.method!r}, path={self.path!r}, client_ip={self.client_ip!r})"

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        headers: Iterable[tuple[str | bytes, str | bytes]],
        client_ip: str | None = None,
        body: bytes = b"",
        root_path: str = "",
        query_string: bytes = b"",
    ) -> RequestFacts:
        """Take a request as ASGI (bytes) or WSGI (Latin-1 text) gives it. No header content raises."""
        raw = [
            (name.lower(), value)
            if isinstance(name, bytes) and isinstance(value, bytes)
            else (_raw(name).lower(), _raw(value))
            for name, value in headers
        ]
        return cls(method.upper(), path, tuple(raw), client_ip, body, root_path, query_string)

    @property
    def query(self) -> str:
        """Read the query string as Latin-1, byte for byte."""
        return self.query_string.decode("latin-1")

    @property
    def headers(self) -> tuple[tuple[str, str], ...]:
        """List all headers in order, read as Latin-1, byte for byte."""
        return tuple([(name.decode("latin-1"), value.decode("latin-1")) for name, value in self.raw])

    @property
    def credentials(self) -> tuple[list[bytes], list[bytes], bool]:
        """List the lines of ``Authorization`` and of ``Cookie``, and say whether the request opens a WebSocket.

        In one pass: every request comes through here.
        """
        authorization: list[bytes] = []
        cookie: list[bytes] = []
        is_handshake = False
        for name, value in self.raw:
            if name not in _CREDENTIALS:
                continue
            if name == _COOKIE:
                cookie.append(value)
            elif name == _AUTHORIZATION:
                authorization.append(value)
            else:
                is_handshake = True
        return authorization, cookie, is_handshake

    def all(self, name: str) -> tuple[str, ...]:
        """List every value of a header in order. ``name`` is in lower case."""
        wanted = name.encode("latin-1")
        return tuple([value.decode("latin-1") for key, value in self.raw if key == wanted])

    def header(self, name: str) -> str | None:
        """Read a header, ``None`` if absent. Several lines are joined with a comma (RFC 9110, 5.3)."""
        found = self.all(name)
        return ", ".join(found) if found else None

    @property
    def device(self) -> Device:
        """Say where the request came from, safe to store and to print."""
        return Device.of(self.client_ip, self.header("user-agent"))

    @property
    def correlation_id(self) -> str | None:
        """Read ``x-request-id``; anything that is not a plain identifier counts as absent."""
        return harmless(self.header(HEADER))


def _raw(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1", "replace")
