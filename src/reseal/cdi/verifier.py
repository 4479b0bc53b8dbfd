"""A cache of verified access tokens, for SDKs that call the service on every request with the same token."""

from __future__ import annotations

from typing import Final

from reseal.cdi import access_tokens
from reseal.cdi.access_tokens import CdiClaims
from reseal.core.errors import TryRefreshToken
from reseal.core.key_ring import KeyRing
from reseal.core.keys import SigningKey

REMEMBERED: Final = 4096
"""Cached tokens, about 2 KB each."""
LONGEST: Final = 4096
"""Longest cached token, in characters."""


class CdiVerifier:
    """Verifies access tokens of all apps, with a bounded cache.

    A cached token skips only the signature check: its key must still be in the ring of the app to which it is
    presented, and it must not have expired.
    """

    __slots__ = ("_remember", "_seen")

    def __init__(self, *, remember: int = REMEMBERED) -> None:
        self._remember = remember
        self._seen: dict[str, tuple[CdiClaims, SigningKey]] = {}

    def verify(self, token: str, ring: KeyRing, now: int, *, expired_too: bool = False) -> CdiClaims:
        """Verify a token as ``access_tokens.verify`` does."""
        claims, key = self._seen.get(token) or _NOTHING
        if claims is None or key is None or ring.by_kid(key.kid, now) is not key:
            claims, key = access_tokens.check(token, ring, now)
            self._note(token, claims, key)
        if claims.expires_ms < now and not expired_too:
            raise TryRefreshToken(access_tokens.EXPIRED)
        return claims

    def _note(self, token: str, claims: CdiClaims, key: SigningKey) -> None:
        if len(token) > LONGEST:
            return
        if len(self._seen) >= self._remember:
            self._seen.pop(next(iter(self._seen)))
        self._seen[token] = claims, key


_NOTHING: Final = (None, None)
