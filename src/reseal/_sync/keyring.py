# Generated from src/reseal/_async/keyring.py by tools/unasync.py; edit that file instead.
"""Keeps the key ring of an app in step with the store: loads it, publishes the keys that are due, retires old ones.

It waits for the store only if it must: without the store the current ring still verifies and signs.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Final

from reseal._sync.ports import KeyStore
from reseal._sync.token_families import FamilySecrets
from reseal.clock import Clock
from reseal.core import keys
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.events import EventName
from reseal.core.key_ring import KeyRing, NewKey, RingPolicy
from reseal.core.keys import REFRESH_KID, SigningKey, Wrapping
from reseal.core.model import StoredKey
from reseal.forks import PerProcess

LOOK_AGAIN_AFTER: Final = 100
"""Minimum milliseconds between two reloads for tokens with an unknown key: anybody can send one."""


def report_nothing(_name: EventName, _reason: str) -> None:
    """Ignore events of keys."""


class KeyRingKeeper:
    """The ring of one app. ``ring`` is the current one; :meth:`keep_fresh` is called before it is used.

    ``report`` is called with the event, and with the id of the key or the reason why the store could not be read.
    """

    def __init__(
        self,
        app_id: str,
        policy: RingPolicy,
        store: KeyStore,
        wrapping: Wrapping,
        clock: Clock,
        random: Callable[[int], bytes],
        report: Callable[[EventName, str], None] = report_nothing,
    ) -> None:
        self._app_id = app_id
        self._policy = policy
        self._store = store
        self._wrapping = wrapping
        self._clock = clock
        self._random = random
        self._report = report
        self._reload_at = 0
        self._read_at = 0
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108 - looked up late: gevent patches forked workers
        self._loaded: dict[str, tuple[StoredKey, SigningKey]] = {}
        self._secrets = FamilySecrets(b"", wrapping.pepper, wrapping.further_peppers)
        self.ring = KeyRing(policy)

    def secrets(self) -> FamilySecrets:
        """Return what refresh tokens are made with; the pepper comes from ``secret_key`` and is empty without one."""
        return self._secrets

    def open(self) -> KeyRing:
        """Load the ring, creating the first keys. Raises ``ConfigurationError`` if ``secret_key`` does not fit."""
        with self._lock.here():
            return self._open()

    def open_once(self) -> None:
        """Load the ring unless it is loaded, for apps that their first request opens. Raises like :meth:`open`."""
        if not self.ring.keys:
            with self._lock.here():
                if not self.ring.keys:  # another task may have opened it
                    self._open()

    def _open(self) -> KeyRing:
        self._reload(creates=True)
        self._reload_at = self._clock.monotonic() + self._policy.reload_ms
        return self.ring

    def signing_since(self) -> int | None:
        """Return since when (ms) the present key has been signing; ``None`` for a ring that nobody has used lately."""
        return None if self.is_due() else self.ring.signing(self._clock.wall()).signs_from

    def is_due(self) -> bool:
        """Return whether a reload is due. Not a coroutine: every request calls it, and an ``await`` would cost more."""
        return self._clock.monotonic() >= self._reload_at

    def keep_fresh(self) -> bool:
        """Reload the ring if that is due. Returns whether it changed; an unavailable store is no error."""
        if not self.ring.keys:
            raise RuntimeError("the sessions are not open: call open(), or run the application with its lifespan")
        if self._lock.here().locked():
            return False  # another task is reading it: the present ring will do
        with self._lock.here():
            if not self.is_due():
                return False  # another thread has read it
            before = self.ring
            self._reload_at = self._clock.monotonic() + self._policy.reload_ms
            try:
                self._reload(creates=self._policy.recreates)
            except StoreUnavailable as error:
                self._report(EventName.STORE_UNAVAILABLE, str(error))
            return self.ring.kids != before.kids

    def look_again(self) -> KeyRing:
        """Reload the keys for a token with an unknown key, which another process may have created."""
        with self._lock.here():
            if self._clock.monotonic() - self._read_at >= LOOK_AGAIN_AFTER:
                with suppress(StoreUnavailable):
                    self._use(self._read())
            return self.ring

    def rotate(self) -> str:
        """Publish new signing keys now; they sign after the lead. Returns the ``kid`` of the one for access tokens."""
        with self._lock.here():
            added = self.ring.next(self._now())
            self._publish(added)
            self._use(self._read())
            return added[-1].kid

    def _reload(self, *, creates: bool) -> None:
        ring, now = self._read(), self._now()
        if not ring.refresh_key:
            ring = self._begin(now, creates=creates)
        wanted = ring.wanted(now)
        if wanted:
            self._publish(wanted)
            ring = self._read()
        self._use(ring)
        self._retire(now)

    def _use(self, ring: KeyRing) -> None:
        self.ring, self._secrets = ring, self._secrets._replace(refresh_key=ring.refresh_key)

    def _begin(self, now: int, *, creates: bool) -> KeyRing:
        """Create the key for refresh tokens; if several processes offer one at once, the store accepts one."""
        if not creates:
            raise ConfigurationError(("the store holds no refresh key: was it emptied, or never opened?",))
        self._add(NewKey(REFRESH_KID, "HS256", now, now), self._random(32))
        return self._read()

    def _retire(self, now: int) -> None:
        retired = self.ring.retired(now)
        if retired:
            self._store.remove_keys(self._app_id, retired)
            self._use(self.ring.without(retired))
            for kid in retired:
                self._report(EventName.KEY_RETIRED, kid)

    def _read(self) -> KeyRing:
        self._read_at = self._clock.monotonic()
        stored = self._store.keys(self._app_id)
        refresh = next((key for key in stored if key.kid == REFRESH_KID), None)
        self._loaded = {key.kid: self._load(key) for key in stored if key.kid.startswith(self._policy.prefixes)}
        signing = (key for _, key in self._loaded.values())
        if refresh is None:
            return KeyRing(self._policy, signing)
        return KeyRing(self._policy, signing, self._wrapping.open(self._app_id, refresh), refresh.created_at)

    def _load(self, key: StoredKey) -> tuple[StoredKey, SigningKey]:
        known = self._loaded.get(key.kid)
        if known is not None and known[0] == key:
            return known
        return key, keys.load(key, self._wrapping.open(self._app_id, key))

    def _publish(self, wanted: Iterable[NewKey]) -> None:
        for key in wanted:
            if self._add(key, keys.generate(key.algorithm, self._policy.rsa_bits)):
                self._report(EventName.KEY_PUBLISHED, key.kid)

    def _add(self, key: NewKey, raw: bytes) -> bool:
        wrapped = self._wrapping.close(self._app_id, key.kid, raw, self._random(12))
        stored = StoredKey(key.kid, key.algorithm, wrapped, key.created_at, key.signs_from)
        return self._store.add_key(self._app_id, stored)

    def _now(self) -> int:
        """Return the store's time: a wall clock that is fast for a moment must neither date nor retire a key."""
        return (self._store.times()).now
