"""Keeps the wire's keys of one app in step with the store. The counterpart of ``keyring`` for the service."""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from reseal._async.ports import AsyncStore
from reseal._async.token_families import FamilySecrets
from reseal.cdi.key_ring import DYNAMIC, OVERLAP, RS256, STATIC, CdiKeyRing
from reseal.clock import Clock
from reseal.core import keys
from reseal.core.errors import StoreUnavailable
from reseal.core.keys import REFRESH_KID, SigningKey, Wrapping
from reseal.core.model import StoredKey

RELOAD_EVERY: Final = 20_000
"""Milliseconds after which other processes' keys are looked for: well inside the overlap."""
LOOK_AGAIN_AFTER: Final = 100
"""Milliseconds between two readings because of a token whose key is unknown: anybody can send one."""
RSA_BITS: Final = 2048
"""What published SDKs expect of an RS256 key."""


class CdiKeyRingKeeper:
    """The wire's keys of one app: those for RS256, and those for ``algorithm`` if it is another. Times in ms."""

    def __init__(
        self,
        app_id: str,
        store: AsyncStore,
        clock: Clock,
        random: Callable[[int], bytes],
        wrapping: Wrapping,
        *,
        algorithm: str,
        interval_ms: int,
        token_ms: int,
    ) -> None:
        self._app_id = app_id
        self._store = store
        self._clock = clock
        self._random = random
        self._wrapping = wrapping
        self._algorithms = tuple(dict.fromkeys((RS256, algorithm)))
        self._interval_ms = interval_ms
        self._token_ms = token_ms
        self._lock = asyncio.Lock()
        self._reload_at: int | None = None
        self._read_at = 0
        self._begun_at = 0
        self._loaded: dict[str, tuple[StoredKey, SigningKey]] = {}
        self._secrets = FamilySecrets(b"", b"")
        self.ring = self._ring_of(())

    def secrets(self) -> FamilySecrets:
        """Give what refresh tokens are made with."""
        return self._secrets

    async def keep_fresh(self) -> CdiKeyRing:
        """Give the ring, read again if it is time to; a silent store leaves the one that is there."""
        if self._reload_at is not None and (self._clock.monotonic() < self._reload_at or self._lock.locked()):
            return self.ring  # nobody waits for the one who reads it again
        async with self._lock:
            first = self._reload_at is None
            if not first and self._clock.monotonic() < (self._reload_at or 0):
                return self.ring
            try:
                await self._reload()
            except StoreUnavailable:
                if first:
                    raise
            self._reload_at = self._clock.monotonic() + RELOAD_EVERY
            return self.ring

    async def look_again(self) -> CdiKeyRing:
        """Read the keys once more, for a token whose key is not among them; it may be another process's."""
        async with self._lock:
            if self._clock.monotonic() - self._read_at >= LOOK_AGAIN_AFTER:
                with suppress(StoreUnavailable):
                    await self._read()
            return self.ring

    async def rotate(self) -> str:
        """Publish new dynamic keys now; they sign after the overlap. Gives the ``kid`` of the one for JWTs."""
        async with self._lock:
            now = (await self._store.times()).now
            for algorithm in self._algorithms:
                kid = _dynamic_name(algorithm, now)
                await self._publish(kid, algorithm, now, signs_from=now + OVERLAP)
            await self._reload()
            return kid

    async def _reload(self) -> None:
        await self._read()
        now = (await self._store.times()).now  # no wall clock that is fast for a moment dates or retires a key
        if self._lacking():
            await self._begin(now)
        if await self._publish_due(now):
            await self._read()
        retired = self.ring.retired(now)
        if retired:
            await self._store.remove_keys(self._app_id, retired)

    async def _publish_due(self, now: int) -> bool:
        """Name each key after the moment from which it was due: of processes that notice at once, one adds it."""
        due = {each: self.ring.series(each).due_at() for each in self._algorithms}
        overdue = {each: due_at for each, due_at in due.items() if now >= due_at}
        for algorithm, due_at in overdue.items():
            await self._publish(_dynamic_name(algorithm, due_at), algorithm, now, signs_from=now + OVERLAP)
        return bool(overdue)

    def _lacking(self) -> list[str]:
        """Name the algorithms that want a first key."""
        series = {each: self.ring.series(each) for each in self._algorithms}
        return [each for each, its in series.items() if not (its.static and its.dynamic)]

    async def _begin(self, now: int) -> None:
        """Create the first keys, once, however many processes do so at the same moment and whoever of them dies.

        Of all refresh keys the store takes one. The names of the other first keys follow from it, so that everybody
        offers keys of the same names, of which the store takes one each. An algorithm that is chosen later has its
        first keys published before they sign, like any next key, and named after the RS256 key of that time.
        """
        await self._add(REFRESH_KID, "HS256", self._random(32), now, now)
        await self._read()
        is_recent = abs(now - self._begun_at) < OVERLAP  # or else whoever began died before this, or it is chosen later
        created_at = self._begun_at if is_recent else now
        begun = self.ring.series(RS256).dynamic
        moment = begun[0].created_at if begun else self._begun_at
        for algorithm in self._lacking():
            series = self.ring.series(algorithm)
            signs_from = created_at if is_recent or algorithm == RS256 else now + OVERLAP
            if not series.static:
                await self._publish_first_static(algorithm, moment, now, signs_from)
            if not series.dynamic:
                await self._publish(_dynamic_name(algorithm, moment), algorithm, created_at, signs_from)
        await self._read()

    async def _read(self) -> None:
        self._read_at = self._clock.monotonic()
        stored = await self._store.keys(self._app_id)
        for key in stored:
            if key.kid == REFRESH_KID:
                self._begun_at = key.created_at
                refresh_key = self._wrapping.open(self._app_id, key)
                self._secrets = FamilySecrets(refresh_key, self._wrapping.pepper, self._wrapping.further_peppers)
        mine = [key for key in stored if key.kid.startswith((DYNAMIC, STATIC))]
        self._loaded = {key.kid: self._load(key) for key in mine}
        signing = (loaded for _, loaded in self._loaded.values())
        self.ring = self._ring_of(signing)

    def _load(self, key: StoredKey) -> tuple[StoredKey, SigningKey]:
        known = self._loaded.get(key.kid)
        if known is not None and known[0] == key:
            return known
        return key, keys.load(key, self._wrapping.open(self._app_id, key))

    def _ring_of(self, loaded: Iterable[SigningKey]) -> CdiKeyRing:
        return CdiKeyRing(
            loaded, algorithm=self._algorithms[-1], interval_ms=self._interval_ms, token_ms=self._token_ms
        )

    async def _publish_first_static(self, algorithm: str, moment: int, created_at: int, signs_from: int) -> None:
        """Name it after ``moment`` if its algorithm may be left and chosen again: then it is another key."""
        chosen = "" if algorithm == RS256 else f"{_mark(algorithm)}-{moment}"
        purpose = f"reseal first static key{chosen}".encode()
        name = hmac.digest(self._secrets.refresh_key, purpose, "sha256")[:16]
        await self._publish(f"{STATIC}{uuid.UUID(bytes=name, version=4)}", algorithm, created_at, signs_from)

    async def _publish(self, kid: str, algorithm: str, created_at: int, signs_from: int) -> None:
        await self._add(kid, algorithm, keys.generate(algorithm, RSA_BITS), created_at, signs_from)

    async def _add(self, kid: str, algorithm: str, raw: bytes, created_at: int, signs_from: int) -> None:
        """Store a key. ``created_at`` is from before it was generated."""
        wrapped = self._wrapping.close(self._app_id, kid, raw, self._random(12))
        await self._store.add_key(self._app_id, StoredKey(kid, algorithm, wrapped, created_at, signs_from))


def _dynamic_name(algorithm: str, moment: int) -> str:
    return f"{DYNAMIC}{moment}{_mark(algorithm)}"


def _mark(algorithm: str) -> str:
    """Tell the name of a key from that of an RS256 key of the same moment."""
    return "" if algorithm == RS256 else f"-{algorithm.lower()}"
