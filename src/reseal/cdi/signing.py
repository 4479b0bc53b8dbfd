"""Signing the tokens of the wire: choice of key, lifetime, units."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from reseal.cdi import access_tokens
from reseal.cdi.access_tokens import CdiClaims
from reseal.cdi.keys import signing_rsa
from reseal.cdi.model import AppSettings, TokenFacts
from reseal.core import payload
from reseal.core.errors import InvalidInput
from reseal.core.jitter import shortened
from reseal.core.key_ring import KeyRing
from reseal.core.keys import b64url

_LARGEST_EXACT: Final = 2**53
_REST: Final = 2048
"""Upper bound, in characters, of everything in an access token except for ids and payload."""


class TokenTooLong(InvalidInput):
    """The access token would be longer than the verifier accepts."""

    def __init__(self, size: int, largest: str) -> None:
        super().__init__(
            "userDataInJWT",
            f"the access token could have {size} characters, and {access_tokens.MAX_LENGTH} can be verified; "
            f"the largest member is {largest!r}: keep it in userDataInDatabase",
        )


def check_size(user_id: str, tenant_id: str, public: bytes) -> None:
    """Raise ``TokenTooLong`` unless an access token with this payload can be verified in every version."""
    size = 12 * len(user_id) + 4 + len(tenant_id) + len(public)  # at most, and seldom near the limit
    if size * 4 // 3 + _REST <= access_tokens.MAX_LENGTH:
        return
    ids = 2 * len(msgspec.json.encode(user_id)) + len(tenant_id)
    size = (ids + len(public)) * 4 // 3 + _REST
    if size > access_tokens.MAX_LENGTH:
        raise TokenTooLong(size, payload.largest_member(public))


def access_ms(app: AppSettings, asked: int | None, token_hash: bytes) -> int:
    """Return the lifetime of an access token, shortened by the hash of the refresh token."""
    full = app.access_token_ms if asked is None else min(asked, app.access_token_ms)
    return shortened(full, app.jitter, token_hash)


def sign(claims: CdiClaims, ring: KeyRing, now: int, *, static_key: bool) -> TokenFacts:
    """Mint an access token. Raises ``ProtectedClaim``."""
    if claims.version < access_tokens.OLDEST_JWT:
        key, unit = signing_rsa(ring, now, dynamic=not static_key), 1
    else:
        key, unit = ring.signing(now, dynamic=not static_key), 1000
    token = access_tokens.mint(claims, key)
    return TokenFacts(token, claims.expires_ms // unit * unit, claims.issued_ms // unit * unit)


def sign_own(claims: Mapping[str, Any], ring: KeyRing, now: int, *, issuer: str, validity_s: int, dynamic: bool) -> str:
    """Sign an application's own JWT with RS256; ``iat``, ``exp`` and, if it is missing, ``iss`` are added.

    Raises ``SessionMember``, and ``InvalidInput``, also for an expiry that JSON readers cannot hold exactly.
    """
    payload.encode("payload", claims)
    access_tokens.check_own(claims)
    issued, ends = now // 1000, now // 1000 + validity_s
    if ends > _LARGEST_EXACT:
        raise InvalidInput("validity", "is too long")
    key = signing_rsa(ring, now, dynamic=dynamic)
    body = {"iss": issuer} | dict(claims) | {"iat": issued, "exp": ends}
    header = {"typ": "JWT", "alg": key.algorithm, "kid": key.kid}
    message = f"{b64url(msgspec.json.encode(header))}.{b64url(msgspec.json.encode(body))}"
    return f"{message}.{b64url(key.sign(message.encode()))}"
