"""Cookies as text: reading the ``Cookie`` header and writing ``Set-Cookie``, nothing about sessions.

Frameworks disagree on repeated names, quotes and stray bytes, so the raw header is read here and every adapter
comes to the same result (S55). Writing follows the server grammar of RFC 6265bis, section 4.1.1, and refuses
every character that could end a value and inject another attribute (S58).
"""

from __future__ import annotations

import re
from email.utils import formatdate
from typing import Final, NotRequired, TypedDict, Unpack
from urllib.parse import unquote

from reseal.core.errors import InvalidInput

COOKIE_LIMIT: Final = 4096
"""Bytes of name and value together that a browser keeps (RFC 6265bis, 5.6)."""
LIFETIME_LIMIT_MS: Final = 400 * 24 * 3600 * 1000
"""The longest life a browser grants a cookie (RFC 6265bis, 5.5)."""

_BLANKS: Final = " \t"
"""Only these are trimmed. Trimming other white space (U+00A0, U+0085) would let a sub-domain pass off a
cookie of its own as one with the ``__Host-`` prefix, because the browser sees a different name."""
_BAD_PERCENT: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NEVER: Final = "Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT"

_LABEL: Final = "[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
"""With the underscore, which browsers resolve although RFC 952 excludes it."""
_NAME: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_VALUE: Final = re.compile(r"[\x21\x23-\x2b\x2d-\x3a\x3c-\x5b\x5d-\x7e]*")
_PATH: Final = re.compile(r"/[\x21-\x3a\x3c-\x7e]{0,1023}")
_SAME_SITE: Final = re.compile("lax|strict|none")
_DOMAIN: Final = re.compile(rf"\.?(?=.{{1,253}}\Z){_LABEL}(?:\.{_LABEL})*")


class Attributes(TypedDict):
    """A cookie's attributes. It is only cleared by the attributes with which it was set."""

    path: str
    domain: str | None
    secure: bool
    same_site: str
    """``lax``, ``strict`` or ``none``."""
    partitioned: NotRequired[bool]
    """Whether a browser keeps it apart for each site in which a frame of ours is embedded (CHIPS)."""


def values(lines: list[bytes], name: str) -> tuple[str, ...]:
    """List the values of the cookies with exactly this name, in order, equal ones once. Never raises.

    ``lines`` are those of the ``Cookie`` header. A pair without ``=`` or without a name is skipped. Double quotes
    around a value are taken off, and percent escapes decoded if all of them are well formed.
    """
    found: dict[str, None] = {}
    for line in lines:
        for pair in line.decode("latin-1").split(";"):
            if name not in pair:
                continue
            key, equals, value = pair.partition("=")
            if equals and key.strip(_BLANKS) == name:
                value = value.strip(_BLANKS)
                found[_plain(value) if '"' in value or "%" in value else value] = None
    return tuple(found)


def set_cookie(name: str, value: str, *, expires_at_ms: int | None, now_ms: int, **place: Unpack[Attributes]) -> str:
    """Return the text of one ``Set-Cookie`` header, ``HttpOnly``, valid for at most 400 days.

    With an end of ``None`` it is a session cookie, which the browser forgets when it is closed. The lifetime is sent as
    ``Max-Age``, for clients with a wrong clock, and as ``Expires``, for those without support.

    Raises ``InvalidInput`` for a part outside the grammar. Whether the parts suit each other (a prefix and its
    path, ``SameSite=None`` and ``Secure``) is checked with the settings, not here; nor is :func:`size`.
    """
    if expires_at_ms is None:
        return _render(name, value, "", place)
    end_ms = min(expires_at_ms, now_ms + LIFETIME_LIMIT_MS)
    life_s = max(0, end_ms - now_ms) // 1000
    return _render(name, value, f"Max-Age={life_s}; Expires={formatdate(end_ms // 1000, usegmt=True)}", place)


def clear_cookie(name: str, **place: Unpack[Attributes]) -> str:
    """Return the ``Set-Cookie`` text that deletes the cookie set with the same attributes."""
    return _render(name, "", _NEVER, place)


def size(name: str, value: str) -> int:
    """Count the bytes that a browser compares with :data:`COOKIE_LIMIT`."""
    return len(name.encode()) + len(value.encode())


def _plain(value: str) -> str:
    if len(value) > 1 and value[0] == value[-1] == '"':
        value = value[1:-1]
    if "%" not in value or _BAD_PERCENT.search(value):
        return value
    try:
        return unquote(value, errors="strict")
    except UnicodeDecodeError:
        return value


def _render(name: str, value: str, life: str, place: Attributes) -> str:
    _demand(_NAME, name, "cookie name")
    _demand(_VALUE, value, "cookie value")
    _demand(_PATH, place["path"], "cookie path")
    _demand(_SAME_SITE, place["same_site"], "cookie same_site")
    parts = [f"{name}={value}", f"Path={place['path']}"]
    if place["domain"] is not None:
        _demand(_DOMAIN, place["domain"], "cookie domain")
        parts.append(f"Domain={place['domain']}")
    if life:
        parts.append(life)
    if place["secure"]:
        parts.append("Secure")
    parts += ["HttpOnly", f"SameSite={place['same_site'].capitalize()}"]
    if place.get("partitioned"):
        parts.append("Partitioned")
    return "; ".join(parts)


def _demand(grammar: re.Pattern[str], text: str, part: str) -> None:
    # The text stays out of the message: it may be a token.
    if grammar.fullmatch(text) is None:
        raise InvalidInput(part, "is not what RFC 6265bis allows there")
