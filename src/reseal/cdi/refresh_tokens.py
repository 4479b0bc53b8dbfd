"""The refresh token on the wire: our native text in the three-part form that SDKs and their tests expect.

``<base64 of the native text>.<64 hex digits>.V2``. Clients treat it as opaque. The middle part encodes one fact:
whether an anti-CSRF token was issued with this one. A session created without one cannot present it when the
application turns the protection on, and must not end because of that; its next token has one. An attacker gains
nothing by changing this part: to change it, he must already hold the credential.
"""

from __future__ import annotations

import hashlib
from binascii import a2b_base64, b2a_base64
from typing import Final, NamedTuple

from reseal.core.errors import Refusal, Unauthorised

_VERSION: Final = "V2"
_PARTS: Final = 3
MAX_LENGTH: Final = 4096


class Presented(NamedTuple):
    """A well-formed token; nothing in it is verified yet."""

    native: str
    anti_csrf: bool
    """Whether an anti-CSRF token belongs to it."""

    def __repr__(self) -> str:
        return "Presented()"


def write(native: str, *, anti_csrf: bool = True) -> str:
    """Wrap the text of a native token."""
    raw = native.encode()
    return f"{b2a_base64(raw, newline=False).decode()}.{_nonce(raw, anti_csrf=anti_csrf)}.{_VERSION}"


def read(text: str) -> Presented:
    """Unwrap a presented token. Raises ``Unauthorised`` if it is malformed."""
    parts = text.split(".")
    if len(text) > MAX_LENGTH or len(parts) != _PARTS or parts[-1] != _VERSION:
        raise Unauthorised(Refusal.MALFORMED)
    try:
        raw = a2b_base64(parts[0])
        native = raw.decode("ascii")
    except ValueError as error:
        raise Unauthorised(Refusal.MALFORMED) from error
    if b2a_base64(raw, newline=False).decode() == parts[0]:
        for anti_csrf in (False, True):  # the more frequent one first
            if _nonce(raw, anti_csrf=anti_csrf) == parts[1]:
                return Presented(native, anti_csrf)
    raise Unauthorised(Refusal.MALFORMED)


def handle_of(native: str) -> str:
    """Return the session that a native token claims to belong to; nothing is verified yet."""
    parts = native.split(".")
    if len(parts) < _PARTS:
        raise Unauthorised(Refusal.MALFORMED)
    return parts[1]


def _nonce(raw: bytes, *, anti_csrf: bool) -> str:
    salt = b"reseal wire nonce\0" if anti_csrf else b"reseal wire nonce without anti-csrf\0"
    return hashlib.sha256(salt + raw).hexdigest()
