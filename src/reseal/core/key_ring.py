"""The key ring of an app: which keys sign and verify, which are due, which are retired. Also the JWKS.

A key is *published* the moment it exists, *signs* from ``signs_from`` on until a newer key does, then only *verifies*
until every token that it signed has expired, and is *retired* after that. All states follow from the stored times, so
a ring that is read late is still right. The :class:`RingPolicy` of a product sets the durations and the names of keys.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from reseal.core.keys import SigningKey, jwk, read_jwk

NEVER: Final = 2**63 - 1
"""A time (ms) that is never reached."""


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that is to be generated and stored. Times in ms."""

    kid: str
    algorithm: str
    created_at: int
    signs_from: int


@dataclass(frozen=True, slots=True)
class RingPolicy(ABC):
    """How the keys of a product follow one another. Times in ms.

    The name of a new key depends only on data that all processes share. If several processes notice that a key is due,
    they all offer the same name, and the store accepts one key.
    """

    prefixes: tuple[str, ...]
    """How the ids of the product's keys begin. Keys of another product, which begin otherwise, may lie beside them."""
    algorithms: tuple[str, ...]
    """The algorithms that sign. The last one is used as soon as one of its keys may sign; until then, the first one."""
    lead_ms: int
    """Delay between publishing a key and signing with it: longer than caches keep a JWKS, and than ``reload_ms``."""
    reload_ms: int
    """Interval at which keys of other processes are read."""
    rsa_bits: int
    interval_ms: int
    """How long a key signs; :data:`NEVER` if keys are not replaced."""
    tail_ms: int
    """How long a key verifies after the last moment at which it may have signed."""
    fixed_life: bool = False
    """``True``: the interval is counted from a key's publication, and the key verifies for all of it, even if it is
    replaced early. ``False``: the interval is counted from the first signature, and ends when the next key signs."""
    separate: tuple[str, ...] = ()
    """Each of these algorithms has keys of its own, published in this order. Empty: all keys follow one another."""
    static_prefix: str | None = None
    """Prefix of the ids of static keys, which are never replaced; one for each algorithm."""
    recreates: bool = False
    """Whether keys that disappear while a ring is open are created again: an app may be removed and recreated."""

    @abstractmethod
    def first_name(self, refresh_key: bytes, algorithm: str, moment: int) -> str:
        """Return the id of the first key of an algorithm in an app that began at ``moment``."""

    @abstractmethod
    def next_name(self, refresh_key: bytes, algorithm: str, moment: int, *, changes: bool) -> str:
        """Return the id of the key that is due from ``moment`` on; ``changes``: since the algorithm was changed."""

    def static_name(self, refresh_key: bytes, algorithm: str, moment: int) -> str:
        """Return the id of a static key. A policy with a ``static_prefix`` overrides this; no other one is asked."""
        raise NotImplementedError("a policy with a static_prefix has to name its static keys")


class KeySeries:
    """Keys that follow one another, and the static ones beside them, each newest first. Immutable.

    While the series ``signs``, its newest key verifies, however old it is: it signs until there is a newer one. Static
    keys verify for ever then; otherwise they retire with the last of the others.
    """

    __slots__ = ("_ends", "_policy", "dynamic", "static")

    def __init__(self, policy: RingPolicy, keys: Iterable[SigningKey], *, signs: bool) -> None:
        newest_first = sorted(keys, key=lambda key: (key.signs_from, key.kid), reverse=True)
        static = () if policy.static_prefix is None else (policy.static_prefix,)
        self.dynamic: tuple[SigningKey, ...] = tuple(key for key in newest_first if not key.kid.startswith(static))
        self.static: tuple[SigningKey, ...] = tuple(key for key in newest_first if key.kid.startswith(static))
        self._policy = policy
        self._ends = {key.kid: self.verifies_until(key) for key in self.dynamic}
        last = NEVER if signs else max(self._ends.values(), default=0)
        self._ends |= {key.kid: last for key in (*self.static, *(self.dynamic[:1] if signs else ()))}

    def signing(self, now: int, *, dynamic: bool = True) -> SigningKey | None:
        """Return the newest key whose time to sign has come."""
        for key in self.dynamic if dynamic else self.static:
            if key.signs_from <= now:
                return key
        return None

    def signing_or_oldest(self, now: int, *, dynamic: bool = True) -> SigningKey:
        """Return the key that signs; if the clock is earlier than all keys, the oldest one."""
        return self.signing(now, dynamic=dynamic) or (self.dynamic if dynamic else self.static)[-1]

    def changes_to(self, algorithm: str) -> bool:
        """Return whether the newest key, if there is one, is of another algorithm."""
        return bool(self.dynamic) and self.dynamic[0].algorithm != algorithm

    def due_at(self, algorithm: str) -> int:
        """Return when the next key is to be published (ms), given that there is one.

        Every process that reads the same keys gets the same time, at any moment, so the next key can be named by it.
        """
        newest = self.dynamic[0]
        return newest.created_at if self.changes_to(algorithm) else self.replaced_at(newest) - self._policy.lead_ms

    def replaced_at(self, key: SigningKey) -> int:
        """Return when a key is to be replaced by a newer one that signs (ms)."""
        return (key.created_at if self._policy.fixed_life else key.signs_from) + self._policy.interval_ms

    def verifies_until(self, key: SigningKey) -> int:
        """Return when the last token of a key expires, if the key is replaced on time or was replaced (ms)."""
        place = self.dynamic.index(key)
        newer = self.dynamic[place - 1].signs_from if place else 0
        last = max(self.replaced_at(key), newer) if self._policy.fixed_life or not place else newer
        return last + self._policy.tail_ms

    def verifies(self, key: SigningKey, now: int) -> bool:
        """Return whether a key of this series still verifies."""
        return now < self._ends[key.kid]

    def verifying(self, now: int) -> tuple[SigningKey, ...]:
        """Return the keys that still verify, static ones last."""
        return tuple(key for key in (*self.dynamic, *self.static) if self.verifies(key, now))


class KeyRing:
    """All keys of an app that can still verify. Immutable: a changed ring is a new one.

    ``begun_at``: when the key for refresh tokens, the first one of all, was made (ms).
    """

    __slots__ = ("_begun_at", "_by_header", "_by_kid", "_chosen", "_first", "_policy", "_series", "keys", "refresh_key")

    def __init__(
        self, policy: RingPolicy, keys: Iterable[SigningKey] = (), refresh_key: bytes = b"", begun_at: int = 0
    ) -> None:
        self._policy = policy
        self._begun_at = begun_at
        self.refresh_key: bytes = refresh_key
        self._series = _series(policy, tuple(keys))
        self._first, self._chosen = self.series(policy.algorithms[0]), self.series(policy.algorithms[-1])
        by_kid = {key.kid: (key, each) for each in self._series.values() for key in (*each.dynamic, *each.static)}
        self._by_kid = by_kid
        self.keys: tuple[SigningKey, ...] = tuple(key for key, _ in by_kid.values())
        """In the order of publication: newest first, those of a ring with several series one series after another."""
        self._by_header = {key.header: key for key in self.keys}

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self.kids)})"

    @property
    def kids(self) -> tuple[str, ...]:
        """The ids of all keys, in the order of publication."""
        return tuple(self._by_kid)

    def series(self, algorithm: str) -> KeySeries:
        """Return the keys of one algorithm, or all of them if the algorithms have no keys of their own."""
        return self._series[algorithm if self._policy.separate else _ALL]

    def signing(self, now: int, *, dynamic: bool = True) -> SigningKey:
        """Return the key that signs at ``now`` (ms): one of the first algorithm until there is one of the last."""
        return self._chosen.signing(now, dynamic=dynamic) or self._first.signing_or_oldest(now, dynamic=dynamic)

    def find(self, header: str) -> SigningKey | None:
        """Return the key whose tokens begin with exactly this segment.

        The comparison pins ``alg``, ``kid`` and ``typ`` at once and leaves no room for ``crit``, ``jwk``, ``jku``,
        ``zip``, repeated members or another encoding: a header that we did not write matches no key.
        """
        return self._by_header.get(header)

    def by_kid(self, kid: str, now: int) -> SigningKey | None:
        """Return the key of this id if it still verifies at ``now`` (ms)."""
        key, series = self._by_kid.get(kid, (None, self._first))
        return key if key is not None and series.verifies(key, now) else None

    def verifying(self, now: int) -> tuple[SigningKey, ...]:
        """Return the keys that still verify at ``now`` (ms), in the order of publication."""
        return tuple(key for key, series in self._by_kid.values() if series.verifies(key, now))

    def retired(self, now: int) -> tuple[str, ...]:
        """Return the ids of the keys that verify nothing any more."""
        return tuple(kid for kid, (key, series) in self._by_kid.items() if not series.verifies(key, now))

    def without(self, kids: Iterable[str]) -> KeyRing:
        """Return a ring without these keys."""
        gone = frozenset(kids)
        kept = (key for key in self.keys if key.kid not in gone)
        return KeyRing(self._policy, kept, self.refresh_key, self._begun_at)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """Return the public halves of all keys (RFC 7517)."""
        return {"keys": [jwk(key) for key in self.keys]}

    def wanted(self, now: int) -> list[NewKey]:
        """Return the keys that are to be added at ``now`` (ms): first ones that are missing, next ones that are due."""
        return [
            key
            for algorithm in self._policy.algorithms
            for key in (*self._missing(algorithm, now), *self._due(algorithm, now))
        ]

    def next(self, now: int) -> list[NewKey]:
        """Return the next key of each algorithm, to be published at ``now`` (ms) although none is due."""
        return [self._new(algorithm, now, now, changes=False) for algorithm in self._policy.algorithms]

    def _missing(self, algorithm: str, now: int) -> Iterator[NewKey]:
        """Yield the first keys of an algorithm, of the same names in every process that begins at the same moment.

        They sign at once; those of an algorithm that is chosen later are published before they sign, like any next
        key, and named after the key of the first algorithm at that time.
        """
        series, first = self.series(algorithm), self._first.dynamic
        is_recent = abs(now - self._begun_at) < self._policy.lead_ms  # else the one that began died before this
        created_at = self._begun_at if is_recent else now
        signs_from = created_at if is_recent or series is self._first else now + self._policy.lead_ms
        named = (self.refresh_key, algorithm, first[0].created_at if first else self._begun_at)
        if self._policy.static_prefix is not None and not series.static:
            yield NewKey(self._policy.static_name(*named), algorithm, now, signs_from)
        if not series.dynamic:
            yield NewKey(self._policy.first_name(*named), algorithm, created_at, signs_from)

    def _due(self, algorithm: str, now: int) -> Iterator[NewKey]:
        series = self.series(algorithm)
        if series.dynamic and now >= (due_at := series.due_at(algorithm)):
            yield self._new(algorithm, due_at, now, changes=series.changes_to(algorithm))

    def _new(self, algorithm: str, moment: int, now: int, *, changes: bool) -> NewKey:
        kid = self._policy.next_name(self.refresh_key, algorithm, moment, changes=changes)
        return NewKey(kid, algorithm, now, now + self._policy.lead_ms)


def read_jwks(policy: RingPolicy, jwks: Mapping[str, Iterable[Mapping[str, str]]]) -> KeyRing:
    """Read what :meth:`KeyRing.jwks` published: a ring that verifies and signs nothing. Raises ``ValueError``."""
    try:
        published = list(jwks["keys"])
        return KeyRing(policy, (read_jwk(one, -place) for place, one in enumerate(published)))
    except (KeyError, TypeError) as error:
        raise ValueError("not a set of public keys") from error


def _series(policy: RingPolicy, keys: tuple[SigningKey, ...]) -> dict[str, KeySeries]:
    if not policy.separate:
        return {_ALL: KeySeries(policy, keys, signs=True)}
    return {
        each: KeySeries(policy, (key for key in keys if key.algorithm == each), signs=each in policy.algorithms)
        for each in policy.separate
    }


_ALL: Final = ""
"""The series of a ring in which all keys follow one another."""
