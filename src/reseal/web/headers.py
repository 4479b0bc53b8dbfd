"""The outbox of one response: the session's headers for the browser and for caches.

It collects them while a request is served, and is merged into the response once, at the end, so that a refresh reaches
the browser with every kind of response: streamed, redirected, not modified or an error page (S59).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import msgspec

from reseal.core.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Iterable

    RawHeaders = Iterable[tuple[bytes, bytes]]

_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x20-\x7e]*")
_VARY: Final = ("Cookie", "Authorization")
_TOUCH: Final = ((b"cache-control", b"no-store"), (b"vary", b"Cookie, Authorization"))
_TOUCH_TEXT: Final = tuple([(name.decode(), value.decode()) for name, value in _TOUCH])
_TOUCHED_NAMES: Final = frozenset(name for name, _ in _TOUCH)
_FOR_ONE_CACHE: Final = (b"-cache-control", b"surrogate-control", b"edge-control", b"x-accel-expires")
"""Suffixes of headers for one kind of cache, which then ignores ``Cache-Control`` (RFC 9213, 2.2)."""


class SessionHeaders(msgspec.Struct, eq=False):
    """Headers waiting for a response. Setting one also marks the response as dependent on the session."""

    touched: bool = False
    """Whether the response depends on, or changes, a session."""
    sent: bool = False
    """Whether the response has begun: later headers are lost."""
    path_prefix: str = ""
    """The prefix of the application's paths, for the paths of cookies: see :mod:`reseal.web.places`."""
    for_older_frontend: bool = False
    """Whether headers for scripts must suit :mod:`reseal.web.older_frontends`."""
    proofs: tuple[str, ...] = ()
    """The DPoP proof that the request has shown: its name if it was verified, itself if the store knows it."""
    _cookies: dict[tuple[str, ...], str] = {}
    _headers: dict[str, str] = {}
    _exposed: dict[str, None] = {}

    def __repr__(self) -> str:
        return f"SessionHeaders(touched={self.touched}, sent={self.sent})"

    def touch(self) -> None:
        """Mark the response as dependent on the session, so that no cache stores it (S57)."""
        self.touched = True

    def demand_unsent(self, call: str, instead: str = "") -> None:
        """Raise ``RuntimeError`` if the response has begun: for calls that change what the client holds."""
        if self.sent:
            raise RuntimeError(
                f"{call}: the response has begun, so its headers cannot tell the client any more. Call it before the "
                f"response is returned or its first part is sent{instead}"
            )

    def set_cookie(self, name: str, text: str) -> None:
        """Put one ``Set-Cookie`` text in; it replaces an earlier one of the same name and place.

        Raises ``RuntimeError`` once the response has begun, as :meth:`set` does.
        """
        self.demand_unsent(f"the cookie {name}")
        if not text.startswith(f"{name}="):
            raise InvalidInput("cookie name", "is not the name in the cookie's text")
        place = [part for part in text.split("; ")[1:] if part.startswith(("Domain=", "Path=", "Partitioned"))]
        self._cookies[name, *place] = _clean(text)
        self.touch()

    def set(self, name: str, value: str) -> None:
        """Put a header in, replacing an earlier one. Raises ``InvalidInput`` outside printable ASCII (S58)."""
        self.demand_unsent(f"the header {name}")
        self._headers[_field(name)] = _clean(value)
        self.touch()

    def expose(self, name: str) -> None:
        """Let scripts of another origin read a header of this response (Fetch, "CORS protocol")."""
        self._exposed[_field(name)] = None
        self.touch()

    def publish(self, name: str, value: str) -> None:
        """Set a header that scripts of every allowed origin may read."""
        self.set(name, value)
        self.expose(name)

    def discard(self, name: str) -> None:
        """Remove a header and its exposure, if it was set."""
        self._headers.pop(name.lower(), None)
        self._exposed.pop(name.lower(), None)

    def items(self) -> list[tuple[str, str]]:
        """List the headers as text, for a new response."""
        return self.merge_into_text([])

    def merge_into(self, existing: RawHeaders) -> list[tuple[bytes, bytes]]:
        """Return the final headers of a response; the given ones if the response does not depend on the session.

        ``Vary`` and ``Access-Control-Expose-Headers`` are merged. ``Cache-Control``, headers for one kind of cache
        (``CDN-Cache-Control``, ``Surrogate-Control``, ``X-Accel-Expires``) and our own headers are replaced. The
        application's ``Set-Cookie`` lines are kept, even one for a cookie of ours: ours come later, and browsers use
        the last one. Idempotent. Afterwards the response counts as begun.
        """
        self.sent = True
        theirs = list(existing)
        if not self.touched:
            return theirs
        if self._only_adds(theirs):
            return [*theirs, *_TOUCH]  # the same as below, for what nearly every response is
        cookies = [(b"set-cookie", text.encode("ascii")) for text in self._cookies.values()]
        fields = self._fields(theirs)
        already_said = set(cookies)
        kept = [
            (name, value)
            for name, value in theirs
            if name.lower() not in fields and (name.lower(), value) not in already_said
        ]
        return [*kept, *cookies, *fields.items()]

    def merge_into_text(self, existing: list[tuple[str, str]]) -> list[tuple[str, str]]:
        """Do the same for headers as text (Latin-1, as in WSGI)."""
        self.sent = True
        if not self.touched:
            return existing
        theirs = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in existing]
        if self._only_adds(theirs):
            return [*existing, *_TOUCH_TEXT]
        merged = self.merge_into(theirs)
        return [(name.decode("latin-1"), value.decode("latin-1")) for name, value in merged]

    def _only_adds(self, theirs: list[tuple[bytes, bytes]]) -> bool:
        """Return whether the session was only read, and nothing of the response's own headers has to change."""
        if self._cookies or self._headers or self._exposed:
            return False
        for name, _ in theirs:
            lowered = name.lower()
            if lowered in _TOUCHED_NAMES or lowered.endswith(_FOR_ONE_CACHE):
                return False
        return True

    def _fields(self, theirs: list[tuple[bytes, bytes]]) -> dict[bytes, bytes]:
        fields = {name.encode("ascii"): value.encode("ascii") for name, value in self._headers.items()}
        if self._exposed:
            name = b"access-control-expose-headers"
            fields[name] = _listed(_united(theirs, name, self._exposed))
        fields[b"cache-control"] = b"no-store"
        for_one_cache = (name.lower() for name, _ in theirs if name.lower().endswith(_FOR_ONE_CACHE))
        fields |= {name: _never_kept(name) for name in for_one_cache}
        vary = _united(theirs, b"vary", _VARY)
        fields[b"vary"] = b"*" if "*" in vary else _listed(vary)
        return fields


def _never_kept(name: bytes) -> bytes:
    return b"0" if name == b"x-accel-expires" else b"no-store"


def _united(headers: RawHeaders, name: bytes, added: Iterable[str]) -> list[str]:
    """Merge the members of a list header with ours, keeping the first spelling of each."""
    lines = [value.decode("latin-1") for key, value in headers if key.lower() == name]
    members: dict[str, str] = {}
    for member in [*",".join(lines).split(","), *added]:
        members.setdefault(member.strip(" \t").lower(), member.strip(" \t"))
    members.pop("", None)
    return list(members.values())


def _listed(members: list[str]) -> bytes:
    return ", ".join(members).encode("latin-1")


def _field(name: str) -> str:
    if _NAME.fullmatch(name) is None:
        raise InvalidInput("header name", "is not a token (RFC 9110, 5.1)")
    return name.lower()


def _clean(value: str) -> str:
    if _VALUE.fullmatch(value) is None:
        raise InvalidInput("header value", "has a character outside printable ASCII")
    return value
