"""The app's keys on the wire: a dynamic one that changes, a static one that stays (core interface, section 5).

There are two of each if access tokens are signed with ES256: the first forms of the access token, handshakes and an
application's own JWTs know RS256 alone. RS256 keys come first wherever keys are listed, because SDKs that look for the
key of a token without ``kid`` try one after the other. Some SDKs fail at a key of any other kind, so that nothing of an
algorithm that was left stays published after its last token has ended.

A dynamic key may sign for the update interval and verifies for that and twice the life of an access token. The next
one is published a minute before it signs, so that caches of the JWKS have it in time. If no request arrives in time,
publication is late: the key before it signs until then, and verifies for twice the life of a token longer.
"""

from __future__ import annotations

import hmac
import uuid
from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reseal.core.key_ring import KeyRing, RingPolicy
from reseal.core.keys import SigningKey, jwk

DYNAMIC: Final = "d-"
STATIC: Final = "s-"
PREFIXES: Final = (DYNAMIC, STATIC)
"""How the ids of signing keys begin."""
RS256: Final = "RS256"
ES256: Final = "ES256"
ALGORITHMS: Final = (RS256, ES256)
"""What access tokens may be signed with, in the order of publication."""
OVERLAP: Final = 60_000
"""Milliseconds between publishing a dynamic key and signing with it."""
RELOAD_EVERY: Final = 20_000
"""Milliseconds after which other processes' keys are looked for: well inside the overlap."""
RSA_BITS: Final = 2048
"""What published SDKs expect of an RS256 key."""
TEN_YEARS: Final = 315_360_000_000


class CdiKeys(RingPolicy):
    """Keys are named after the moment from which they are due, and after their algorithm unless it is RS256."""

    __slots__ = ()

    def first_name(self, _refresh_key: bytes, algorithm: str, moment: int) -> str:
        """Return the name of any dynamic key of that moment."""
        return _dynamic_name(algorithm, moment)

    def next_name(self, _refresh_key: bytes, algorithm: str, moment: int, *, changes: bool) -> str:  # noqa: ARG002
        """Return the name of a dynamic key; an algorithm has keys of its own, so that it never changes."""
        return _dynamic_name(algorithm, moment)

    def static_name(self, refresh_key: bytes, algorithm: str, moment: int) -> str:
        """Name it after ``moment`` if its algorithm may be left and chosen again: then it is another key."""
        chosen = "" if algorithm == RS256 else f"{_mark(algorithm)}-{moment}"
        name = hmac.digest(refresh_key, f"reseal first static key{chosen}".encode(), "sha256")[:16]
        return f"{STATIC}{uuid.UUID(bytes=name, version=4)}"


def cdi_keys(algorithm: str, *, interval_ms: int, token_ms: int) -> RingPolicy:
    """Return the policy of an app whose access tokens in the form of JWTs are signed with ``algorithm``.

    ``interval_ms``: how long a dynamic key signs. ``token_ms``: how long an access token lives.
    """
    return CdiKeys(
        prefixes=PREFIXES,
        algorithms=tuple(dict.fromkeys((RS256, algorithm))),
        lead_ms=OVERLAP,
        reload_ms=RELOAD_EVERY,
        rsa_bits=RSA_BITS,
        interval_ms=interval_ms,
        tail_ms=2 * token_ms,
        fixed_life=True,
        separate=ALGORITHMS,
        static_prefix=STATIC,
        recreates=True,
    )


@dataclass(frozen=True, slots=True)
class PublicKeyEntry:
    """One entry of ``jwtSigningPublicKeyList``. Times in ms."""

    public_key: str
    expires_at: int
    created_at: int


def signing_rsa(ring: KeyRing, now: int, *, dynamic: bool) -> SigningKey:
    """Return the RS256 key that signs at ``now`` (the oldest one if the clock is behind them all)."""
    return ring.series(RS256).signing_or_oldest(now, dynamic=dynamic)


def verifying_old(ring: KeyRing, now: int) -> tuple[SigningKey, ...]:
    """Return the keys that may have signed a token whose header names none, newest first."""
    return ring.series(RS256).verifying(now)


def jwks(ring: KeyRing, now: int) -> list[dict[str, str]]:
    """Return the public halves of the keys that verify, of each algorithm the dynamic keys first (RFC 7517)."""
    return [jwk(key) for key in ring.verifying(now)]


def jwks_max_age(ring: KeyRing, algorithm: str, now: int) -> int:
    """Return the seconds until the next dynamic key will be published, at least one."""
    due = min(ring.series(each).due_at(each) for each in (RS256, algorithm) if ring.series(each).dynamic)
    return max(1, (due - now) // 1000)


def public_key_list(ring: KeyRing, now: int, *, dynamic: bool) -> tuple[PublicKeyEntry, ...]:
    """Return the list of a handshake: the RS256 keys that verify, newest first.

    An SDK that meets a token younger than the newest key and not signed by it asks the service, every time; so a key
    is listed once it signs, and its ``createdAt`` is its first possible use.
    """
    series, signing = ring.series(RS256), signing_rsa(ring, now, dynamic=dynamic)
    if not dynamic:
        return (PublicKeyEntry(spki(signing), now + TEN_YEARS, signing.created_at),)
    begun = [key for key in series.dynamic if key.signs_from <= now and series.verifies(key, now)]
    return tuple(PublicKeyEntry(spki(key), series.verifies_until(key), key.signs_from) for key in begun or [signing])


def signing_key_expiry(ring: KeyRing, now: int, *, dynamic: bool) -> int:
    """Return when the RS256 key that signs now will be replaced, in ms."""
    return ring.series(RS256).replaced_at(signing_rsa(ring, now, dynamic=True)) if dynamic else now + TEN_YEARS


def spki(key: SigningKey) -> str:
    """Write a public key as handshakes show it: DER in standard base64, on one line."""
    return b64encode(key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def _dynamic_name(algorithm: str, moment: int) -> str:
    return f"{DYNAMIC}{moment}{_mark(algorithm)}"


def _mark(algorithm: str) -> str:
    """Distinguish the name of a key from that of an RS256 key of the same moment."""
    return "" if algorithm == RS256 else f"-{algorithm.lower()}"
