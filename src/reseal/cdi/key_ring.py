"""The keys of the wire: a dynamic one that changes, a static one that stays (core interface, section 5).

There are two of each if access tokens are signed with ES256: the first forms of the access token, handshakes and an
application's own JWTs know RS256 alone. RS256 keys come first wherever keys are listed, because SDKs that look for the
key of a token without ``kid`` try one after the other. Some SDKs fail at a key of any other kind, so that nothing of an
algorithm that was left stays published after its last token has ended.

A dynamic key may sign for the update interval and verifies for that and twice the life of an access token. The next
one is published a minute before it signs, so that whoever caches the JWKS has it in time. Nobody called for a while,
it comes late: the key before it signs until then, and verifies for twice the life of a token longer.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from reseal.core.keys import SigningKey, jwk

DYNAMIC: Final = "d-"
STATIC: Final = "s-"
RS256: Final = "RS256"
ES256: Final = "ES256"
ALGORITHMS: Final = (RS256, ES256)
"""What access tokens may be signed with, in the order of publication."""
OVERLAP: Final = 60_000
"""Milliseconds between publishing a dynamic key and signing with it."""
TEN_YEARS: Final = 315_360_000_000


@dataclass(frozen=True, slots=True)
class PublicKeyEntry:
    """One entry of ``jwtSigningPublicKeyList``. Times in ms."""

    public_key: str
    expires_at: int
    created_at: int


class KeySeries:
    """The dynamic and the static keys of one algorithm, each newest first. Immutable.

    While the series ``signs``, its newest dynamic key verifies, however old it is: it signs until there is a newer one.
    Static keys verify for ever then; otherwise they go with the last dynamic key.
    """

    __slots__ = ("_ends", "_interval", "_token_ms", "dynamic", "static")

    def __init__(self, keys: Iterable[SigningKey], *, signs: bool, interval_ms: int, token_ms: int) -> None:
        newest_first = sorted(keys, key=lambda key: (key.created_at, key.kid), reverse=True)
        self.dynamic: tuple[SigningKey, ...] = tuple(key for key in newest_first if key.kid.startswith(DYNAMIC))
        self.static: tuple[SigningKey, ...] = tuple(key for key in newest_first if key.kid.startswith(STATIC))
        self._interval = interval_ms
        self._token_ms = token_ms
        self._ends: dict[str, float] = {key.kid: self.verifies_until(key) for key in self.dynamic}
        last = inf if signs else max(self._ends.values(), default=0)
        self._ends |= {key.kid: last for key in (*self.static, *(self.dynamic[:1] if signs else ()))}

    def signing(self, now: int, *, dynamic: bool) -> SigningKey | None:
        """Give the newest key whose time to sign has come."""
        return next((key for key in (self.dynamic if dynamic else self.static) if key.signs_from <= now), None)

    def due_at(self) -> int:
        """Say when the next dynamic key is to be published (ms), given that there is one."""
        return self.replaced_at(self.dynamic[0]) - OVERLAP

    def replaced_at(self, key: SigningKey) -> int:
        """Say when a dynamic key is to be replaced (ms)."""
        return key.created_at + self._interval

    def verifies_until(self, key: SigningKey) -> int:
        """Say when the last token of a dynamic key that has been replaced has ended (ms)."""
        newer = next((other for other in reversed(self.dynamic) if other.created_at > key.created_at), None)
        return max(self.replaced_at(key), newer.signs_from if newer else 0) + 2 * self._token_ms

    def verifies(self, key: SigningKey, now: int) -> bool:
        return now < self._ends[key.kid]

    def verifying(self, now: int) -> tuple[SigningKey, ...]:
        """List the keys that still verify, dynamic ones first."""
        return tuple(key for key in (*self.dynamic, *self.static) if self.verifies(key, now))


class CdiKeyRing:
    """The wire's keys of one app. Immutable.

    ``algorithm``: what access tokens in the form of JWTs are signed with. ``interval_ms``: how long a dynamic key
    signs. ``token_ms``: how long an access token lives.
    """

    __slots__ = ("_all", "_by_kid", "_rsa", "_signing")

    def __init__(self, keys: Iterable[SigningKey], *, algorithm: str, interval_ms: int, token_ms: int) -> None:
        given = tuple(keys)
        self._all = {
            each: KeySeries(
                (key for key in given if key.algorithm == each),
                signs=each in {RS256, algorithm},
                interval_ms=interval_ms,
                token_ms=token_ms,
            )
            for each in ALGORITHMS
        }
        self._by_kid = {key.kid: (key, each) for each in self._all.values() for key in (*each.dynamic, *each.static)}
        self._rsa, self._signing = self._all[RS256], self._all[algorithm]

    def series(self, algorithm: str) -> KeySeries:
        """Give the keys of one algorithm."""
        return self._all[algorithm]

    def signing(self, now: int, *, dynamic: bool) -> SigningKey:
        """Give the key that signs JWTs as access tokens at ``now``: an RS256 key as long as there is no other."""
        return self._signing.signing(now, dynamic=dynamic) or self.signing_rsa(now, dynamic=dynamic)

    def signing_rsa(self, now: int, *, dynamic: bool) -> SigningKey:
        """Give the RS256 key that signs at ``now`` (the oldest one if the clock is behind them all)."""
        oldest = (self._rsa.dynamic if dynamic else self._rsa.static)[-1]
        return self._rsa.signing(now, dynamic=dynamic) or oldest

    def by_kid(self, kid: str, now: int) -> SigningKey | None:
        """Find a key that may still verify."""
        key, series = self._by_kid.get(kid, (None, self._rsa))
        return key if key is not None and series.verifies(key, now) else None

    def verifying_old(self, now: int) -> tuple[SigningKey, ...]:
        """List the keys that may have signed a token whose header names none, newest first."""
        return self._rsa.verifying(now)

    def retired(self, now: int) -> tuple[str, ...]:
        """Name the keys that verify nothing any more."""
        return tuple(kid for kid, (key, series) in self._by_kid.items() if not series.verifies(key, now))

    def jwks(self, now: int) -> list[dict[str, str]]:
        """Publish the public halves, of each algorithm the dynamic keys first (RFC 7517)."""
        return [jwk(key) for series in self._all.values() for key in series.verifying(now)]

    def jwks_max_age(self, now: int) -> int:
        """Seconds until the next dynamic key will be published, at least one."""
        due = min(series.due_at() for series in (self._rsa, self._signing) if series.dynamic)
        return max(1, (due - now) // 1000)

    def public_key_list(self, now: int, *, dynamic: bool) -> tuple[PublicKeyEntry, ...]:
        """List what a handshake shows: the RS256 keys that verify, newest first.

        An SDK that meets a token younger than the newest key and not signed by it asks the service, every time; so
        a key is listed once it signs, and said to be as old as its first token can be.
        """
        signing = self.signing_rsa(now, dynamic=dynamic)
        if not dynamic:
            return (PublicKeyEntry(spki(signing), now + TEN_YEARS, signing.created_at),)
        begun = [key for key in self._rsa.dynamic if key.signs_from <= now and self._rsa.verifies(key, now)]
        return tuple(
            PublicKeyEntry(spki(key), self._rsa.verifies_until(key), key.signs_from) for key in begun or [signing]
        )

    def signing_key_expiry(self, now: int, *, dynamic: bool) -> int:
        """When the RS256 key that signs now will be replaced, in ms."""
        return self._rsa.replaced_at(self.signing_rsa(now, dynamic=True)) if dynamic else now + TEN_YEARS


def spki(key: SigningKey) -> str:
    """Write a public key as handshakes show it: DER in standard base64, on one line."""
    return b64encode(key.public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()
