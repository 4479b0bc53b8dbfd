"""The refresh token: its text, its hash, and the sealed successor.

Text: ``r1.<session handle>.<generation>.<256 random bits>.<MAC>``, all URL-safe. The MAC (HMAC-SHA-256 under the
app's refresh key, over app, tenant and everything before it) proves only that we issued the token: forged text that
names a session never reaches the state machine. A store keeps SHA-256 of the whole text and, for the previous
token, the seal of its successor: random bytes from which, with that previous token and the pepper, the successor's
secret is derived. Without the token they say nothing.

The anti-CSRF token of a generation is derived from the refresh token's secret under the same refresh key, so
it is bound to one session and one generation, changes with each refresh and is stored nowhere.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC

from reseal.core.base64url import encode
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.model import Scope

SECRET_BYTES: Final = 32
SEAL_BYTES: Final = 32
_B64_32: Final = "[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]"
"""32 bytes in unpadded base64url, canonical: the last symbol carries four bits."""
_SHAPE: Final = re.compile(rf"r1\.([A-Za-z0-9_-]{{1,128}})\.(0|[1-9][0-9]{{0,9}})\.{_B64_32}\.({_B64_32})", re.ASCII)

_MAC_FROM: Final = -44
"""Where the MAC begins, with its dot."""


class RefreshToken(msgspec.Struct, frozen=True, gc=False):
    """One refresh token, parsed or minted. Its ``repr`` shows the session and generation only."""

    handle: str
    generation: int
    text: str
    hash: bytes
    """SHA-256 of the text, as stored."""

    def __repr__(self) -> str:
        return f"RefreshToken(handle={self.handle!r}, generation={self.generation})"

    def __rich_repr__(self) -> list[tuple[str, Any]]:
        return [("handle", self.handle), ("generation", self.generation)]


def mint(scope: Scope, mac_key: bytes, handle: str, generation: int, secret: bytes) -> RefreshToken:
    """Mint the token of a generation. ``secret`` is 32 bytes from the system's random source."""
    body = f"r1.{handle}.{generation}.{encode(secret)}"
    text = f"{body}.{_mac(scope, mac_key, body)}"
    return RefreshToken(handle, generation, text, hashlib.sha256(text.encode()).digest())


def parse(scope: Scope, mac_key: bytes, text: str) -> RefreshToken:
    """Parse a presented token. Raises ``Unauthorised`` unless this app and tenant issued it."""
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise Unauthorised(Refusal.MALFORMED)
    handle, generation, mac = match.groups()
    if not hmac.compare_digest(mac, _mac(scope, mac_key, text[:_MAC_FROM])):
        raise Unauthorised(Refusal.MALFORMED)
    return RefreshToken(handle, int(generation), text, hashlib.sha256(text.encode()).digest())


def has_shape(text: str) -> bool:
    """Return whether a text has the form of our tokens, in a cookie or header that others use too. Verifies nothing."""
    return _SHAPE.fullmatch(text) is not None


def newest_of_each_family(scope: Scope, mac_key: bytes, texts: Iterable[str]) -> tuple[str, ...]:
    """Of several tokens that one browser sent, keep the newest genuine one of each session; none may be left.

    After a change of cookie domain a browser sends an old cookie beside the new one. The old one is no reuse.
    """
    newest: dict[str, RefreshToken] = {}
    for text in texts:
        try:
            token = parse(scope, mac_key, text)
        except Unauthorised:
            continue
        if token.handle not in newest or newest[token.handle].generation < token.generation:
            newest[token.handle] = token
    return tuple(token.text for token in newest.values())


def newest_by_shape(texts: Iterable[str]) -> tuple[str, ...]:
    """Do the same without the MAC key, by what the tokens say: whether one is genuine, its issuer finds out."""
    newest: dict[str, tuple[int, str]] = {}
    for text in texts:
        match = _SHAPE.fullmatch(text)
        if match is None:
            continue
        handle, generation = match[1], int(match[2])
        if handle not in newest or newest[handle][0] < generation:
            newest[handle] = generation, text
    return tuple(text for _, text in newest.values())


def anti_csrf(mac_key: bytes, token: RefreshToken) -> str:
    """Derive the anti-CSRF token of a generation: 256 bits that reveal nothing about the refresh token."""
    return encode(_keyed_hash(mac_key, b"anti-csrf\0" + token.text.encode()))


def successor_of(scope: Scope, mac_key: bytes, presented: RefreshToken, pepper: bytes, seal: bytes) -> RefreshToken:
    """Derive the successor of a token from its seal, 32 random bytes: always the same one.

    With another seal or pepper it is another token, which is no session's: compare its hash with the row.
    """
    secret = _keyed_hash(pepper, b"reseal successor\0" + seal + presented.text.encode())
    return mint(scope, mac_key, presented.handle, presented.generation + 1, secret)


def successor_by_hash(
    scope: Scope, mac_key: bytes, token_hash: bytes, handle: str, generation: int, pepper: bytes, seal: bytes
) -> RefreshToken:
    """Derive a successor where the server has only the hash of the token before it: when it rotates by itself.

    Who knows the row needs the pepper as well, and with that could derive the other successors just as well.
    """
    secret = _keyed_hash(pepper, b"reseal successor by hash\0" + seal + token_hash)
    return mint(scope, mac_key, handle, generation, secret)


def _mac(scope: Scope, mac_key: bytes, body: str) -> str:
    """Return the MAC as a token writes it: bytes have one form, so two texts are equal only if the bytes are."""
    return encode(_keyed_hash(mac_key, f"{scope.app_id}\0{scope.tenant_id}\0{body}".encode()))


def _keyed_hash(key: bytes, message: bytes) -> bytes:
    mac = _begun(key).copy()
    mac.update(message)
    return mac.finalize()


@lru_cache(maxsize=256)
def _begun(key: bytes) -> HMAC:
    """Begin an HMAC-SHA-256 once for each key: that takes longer than all the rest, and a refresh needs three."""
    return HMAC(key, SHA256())
