"""The access token: a signed JWT that is checked with keys in memory, without I/O.

Header: ``alg``, ``kid``, ``typ``. Claims, in this order: ``iss, aud, sub, iat, exp`` (RFC 7519; seconds), ``tid``
tenant, ``sid`` session handle, ``gen`` generation of the refresh token, ``csrf`` anti-CSRF token, ``unconfirmed``
(only true on the token of a refresh under a policy that confirms by verifying), ``cnf`` the thumbprint of the device's
key, in a bound session, ``payload`` the application's object, ``scheme`` that with which alone the token is accepted in
``Authorization``, in a session that is bound by DPoP.

A token is accepted only in its canonical form: the header segment must be the key's own, the claims must match the
schema and encode back to the same bytes, and the base64url must be canonical. This one rule rejects everything that
a lenient parser would have to check separately: algorithm confusion, critical headers, repeated members, other
encodings, padding. No claim is decoded before the signature has been verified.
"""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import suppress
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from reseal.core.errors import TryRefreshToken
from reseal.core.key_ring import KeyRing
from reseal.core.keys import TOKEN_TYPE, SigningKey, b64url
from reseal.core.model import USER_ID_MAX

LEEWAY: Final = 10
"""Seconds by which ``iat`` may be in the future."""
MAX_LENGTH: Final = 8192
"""Characters; longer text is rejected unread."""
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_DOTS: Final = 2
_TYPED: Final = f'"typ":"{TOKEN_TYPE}"}}'.encode()

_Name = Annotated[str, Meta(min_length=1, max_length=256)]
_Time = Annotated[int, Meta(ge=0, le=2**53)]


class Confirmation(msgspec.Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """The key that a session is bound to (RFC 7800)."""

    jkt: _Name
    """Its thumbprint (RFC 7638, RFC 9449 section 6.1)."""


class Claims(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True):
    """The claims of an access token. ``payload`` stays JSON text until it is read, so each reader gets a copy."""

    iss: _Name
    aud: _Name
    sub: Annotated[str, Meta(min_length=1, max_length=USER_ID_MAX)]
    iat: _Time
    exp: _Time
    tid: _Name
    sid: _Name
    gen: Annotated[int, Meta(ge=0)]
    payload: msgspec.Raw
    csrf: _Name | None = None
    unconfirmed: bool = False
    cnf: Confirmation | None = None
    scheme: Literal["DPoP"] | None = None

    def __repr__(self) -> str:
        return f"Claims(sid={self.sid!r}, gen={self.gen}, exp={self.exp})"

    def jwt_payload(self) -> dict[str, Any]:
        """Decode the application's object; each call returns a new copy."""
        return _PAYLOAD.decode(self.payload)


_CLAIMS: Final = msgspec.json.Decoder(Claims)
_PAYLOAD: Final = msgspec.json.Decoder(dict[str, Any])
_ENCODER: Final = msgspec.json.Encoder()


def has_shape(text: str) -> bool:
    """Return whether a text has the form of our tokens, in a header that others use too. Verifies nothing."""
    match = _SHAPE.fullmatch(text) if len(text) <= MAX_LENGTH else None
    if match is None:
        return False
    try:
        return _decode(match[1]).endswith(_TYPED)
    except TryRefreshToken:
        return False


class Audience(msgspec.Struct, frozen=True):
    """The issuer, audience and tenant that a verifier accepts, each compared exactly."""

    issuer: str
    audience: str
    tenant_id: str


def mint(claims: Claims, key: SigningKey) -> str:
    """Sign claims. The caller has checked that ``claims.payload`` is a JSON object in canonical form."""
    message = f"{key.header}.{b64url(_ENCODER.encode(claims))}"
    return f"{message}.{b64url(key.sign(message.encode()))}"


def length(claims: Claims, key: SigningKey) -> int:
    """Return the length of the token that :func:`mint` would sign, in characters, without a signature."""
    return len(f"{key.header}..{b64url(_ENCODER.encode(claims))}") + (key.signature_bytes * 4 + 2) // 3


class Verifier:
    """Verifies access tokens, with a bounded cache of those already verified.

    The expiry of a cached token is still checked each time; a new key ring empties the cache. ``remember`` is the
    cache's size in tokens (about 2 KB each); 0 disables it.
    """

    __slots__ = ("_audience", "_remember", "_ring", "_seen")

    def __init__(self, ring: KeyRing, audience: Audience, *, remember: int = 4096) -> None:
        self._ring = ring
        self._audience = audience
        self._remember = remember
        self._seen: dict[str, Claims] = {}

    def use(self, ring: KeyRing) -> None:
        """Switch to a new key ring and empty the cache."""
        self._ring = ring
        self._seen = {}  # after the ring: a thread that still uses the old ring writes to the old cache

    def verify(self, token: str, now: int, *, expired_too: bool = False) -> Claims:
        """Verify a token at ``now`` (seconds). Raises ``TryRefreshToken`` for every fault.

        ``expired_too`` accepts a genuine token after its expiry. Use it only to end the session that it names.
        """
        seen = self._seen
        claims = seen.get(token)
        if claims is None:
            claims = self._check(token, now)
            self._note(seen, token, claims)
        if now >= claims.exp and not expired_too:
            raise TryRefreshToken("expired")
        return claims

    def _check(self, token: str, now: int) -> Claims:
        if len(token) > MAX_LENGTH or token.count(".") != _DOTS or not token.isascii():
            raise TryRefreshToken("not a token")
        message, _, signature_text = token.rpartition(".")
        header, _, body = message.partition(".")
        key = self._ring.find(header)
        if key is None:
            raise TryRefreshToken("not signed by a key of this app")
        signature = _decode(signature_text)
        if not key.verify(message.encode(), signature):
            raise TryRefreshToken("signature is not good")
        claims = _read(body, signature_text, signature)
        self._check_claims(claims, now)
        return claims

    def _check_claims(self, claims: Claims, now: int) -> None:
        audience = self._audience
        if (claims.iss, claims.aud, claims.tid) != (audience.issuer, audience.audience, audience.tenant_id):
            raise TryRefreshToken("issued for another audience")
        if claims.iat > now + LEEWAY:
            raise TryRefreshToken("issued in the future")

    def _note(self, seen: dict[str, Claims], token: str, claims: Claims) -> None:
        if not self._remember:
            return
        if len(seen) >= self._remember:
            with suppress(RuntimeError, StopIteration):  # another thread is evicting at the same time
                seen.pop(next(iter(seen)), None)
        seen[token] = claims


def _read(body: str, signature_text: str, signature: bytes) -> Claims:
    try:
        claims = _CLAIMS.decode(_decode(body))
        claims.jwt_payload()  # the schema does not decode it: a malformed payload must fail here, not later
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise TryRefreshToken("claims do not fit the schema") from error
    if b64url(_ENCODER.encode(claims)) != body or b64url(signature) != signature_text:
        raise TryRefreshToken("not in canonical form")
    return claims


def _decode(text: str) -> bytes:
    """Decode base64url, including non-canonical forms: the caller compares."""
    try:
        return b64decode(text.replace("-", "+").replace("_", "/") + "==")
    except ValueError as error:
        raise TryRefreshToken("not a token") from error
