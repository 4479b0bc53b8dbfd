"""The keys of the wire: a dynamic one that changes, a static one that stays (core interface, section 5).

A dynamic key may sign for the update interval and verifies for that and twice the life of an access token. The next
one is published a minute before it signs, so that whoever caches the JWKS has it in time. Nobody called for a while,
it comes late: the key before it signs until then, and verifies for twice the life of a token longer.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reseal.core.keys import SigningKey, jwk

DYNAMIC: Final = "d-"
STATIC: Final = "s-"
ALGORITHM: Final = "RS256"
OVERLAP: Final = 60_000
"""Milliseconds between publishing a dynamic key and signing with it."""
TEN_YEARS: Final = 315_360_000_000


@dataclass(frozen=True, slots=True)
class PublicKeyEntry:
    """One entry of ``jwtSigningPublicKeyList``. Times in ms."""

    public_key: str
    expires_at: int
    created_at: int


class WireRing:
    """The wire's keys of one app. Immutable.

    ``interval_ms``: how long a dynamic key signs; ``token_ms``: how long an access token lives.
    """

    __slots__ = ("_dynamic", "_interval", "_static", "_token_ms")

    def __init__(self, keys: Iterable[SigningKey], *, interval_ms: int, token_ms: int) -> None:
        newest_first = sorted(keys, key=lambda key: (key.created_at, key.kid), reverse=True)
        self._dynamic = tuple(key for key in newest_first if key.kid.startswith(DYNAMIC))
        self._static = tuple(key for key in newest_first if key.kid.startswith(STATIC))
        self._interval = interval_ms
        self._token_ms = token_ms

    @property
    def has_dynamic(self) -> bool:
        return bool(self._dynamic)

    @property
    def has_static(self) -> bool:
        return bool(self._static)

    def signing(self, now: int, *, dynamic: bool) -> SigningKey:
        """Give the key that signs at ``now``."""
        return self._dynamic_signing(now) if dynamic else self._static[0]

    def by_kid(self, kid: str, now: int) -> SigningKey | None:
        """Find a key that may still verify."""
        return next((key for key in (*self._live(now), *self._static) if key.kid == kid), None)

    def verifying_old(self, now: int) -> tuple[SigningKey, ...]:
        """List the keys that may have signed a token whose header names none, newest first."""
        return (*self._live(now), *self._static)

    def needs_dynamic(self, now: int) -> bool:
        """Say whether the next dynamic key is to be published."""
        return not self._dynamic or now >= self._dynamic[0].created_at + self._interval - OVERLAP

    def retired(self, now: int) -> tuple[str, ...]:
        """Name the dynamic keys that verify nothing any more."""
        live = {key.kid for key in self._live(now)}
        return tuple(key.kid for key in self._dynamic if key.kid not in live)

    def jwks(self, now: int) -> list[dict[str, str]]:
        """Publish the public halves, dynamic keys first (RFC 7517)."""
        return [jwk(key) for key in (*self._live(now), *self._static)]

    def jwks_max_age(self, now: int) -> int:
        """Seconds until the next dynamic key will be published, at least one."""
        return max(1, (self._dynamic[0].created_at + self._interval - OVERLAP - now) // 1000)

    def public_key_list(self, now: int, *, dynamic: bool) -> tuple[PublicKeyEntry, ...]:
        """List what a handshake shows: the keys that verify, newest first.

        An SDK that meets a token younger than the newest key and not signed by it asks the service, every time; so
        a key is listed once it signs, and said to be as old as its first token can be.
        """
        if not dynamic:
            key = self._static[0]
            return (PublicKeyEntry(spki(key), now + TEN_YEARS, key.created_at),)
        listed = [key for key in self._live(now) if key.signs_from <= now] or [self._dynamic_signing(now)]
        return tuple(PublicKeyEntry(spki(key), self._verifies_until(key), key.signs_from) for key in listed)

    def signing_key_expiry(self, now: int, *, dynamic: bool) -> int:
        """When the key that signs now will be replaced, in ms."""
        return self._dynamic_signing(now).created_at + self._interval if dynamic else now + TEN_YEARS

    def _dynamic_signing(self, now: int) -> SigningKey:
        return next((key for key in self._dynamic if key.signs_from <= now), self._dynamic[-1])

    def _live(self, now: int) -> tuple[SigningKey, ...]:
        return tuple(key for key in self._dynamic if now < self._verifies_until(key) or key is self._dynamic[0])

    def _verifies_until(self, key: SigningKey) -> int:
        newer = next((other for other in reversed(self._dynamic) if other.created_at > key.created_at), None)
        due = key.created_at + self._interval
        return max(due, newer.signs_from if newer else 0) + 2 * self._token_ms


def spki(key: SigningKey) -> str:
    """Write a public key as handshakes show it: DER in standard base64, on one line."""
    return b64encode(key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
