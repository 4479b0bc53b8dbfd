"""Keeps the key ring of an app in step with the store: loads, publishes the next key, retires old ones.

It waits only when it must. While the store is silent the ring that is there goes on verifying and signing.
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Callable
from typing import Final

from reseal._async.ports import AsyncStore
from reseal._async.token_families import FamilySecrets
from reseal.clock import Clock
from reseal.core import guessable, keys
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.events import EventName
from reseal.core.keys import PUBLICATION_LEAD, REFRESH_KID, KeyRing, Wrapping
from reseal.core.model import StoredKey
from reseal.core.secret import revealed
from reseal.forks import PerProcess
from reseal.log import LOGGER
from reseal.settings import Settings
from reseal.teller import Teller

RELOAD_EVERY: Final = 30_000
"""Milliseconds after which another process's new key is looked for; well inside the publication lead."""
DYNAMIC: Final = "n-"
STATIC: Final = "m-"
"""How the ids of our signing keys begin: those of the core interface begin otherwise, and may lie beside them."""


class AsyncKeyRingKeeper:
    """The ring of one app. ``ring`` is the current one; ``keep_fresh`` is called before it is used."""

    def __init__(
        self,
        settings: Settings,
        store: AsyncStore,
        clock: Clock,
        random: Callable[[int], bytes],
        teller: Teller,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._random = random
        self._teller = teller
        self._wrapping = Wrapping(revealed(settings.secret_key), revealed(settings.accepted_secret_keys))
        self._app_id = settings.scope.app_id
        self._reload_at = 0
        self._lock = PerProcess(asyncio.Lock)
        self._loaded: dict[str, tuple[StoredKey, keys.SigningKey]] = {}
        self.ring = KeyRing((), b"")

    def secrets(self) -> FamilySecrets:
        """Give what refresh tokens are made with; the pepper comes from ``secret_key`` and is empty without one."""
        return FamilySecrets(self.ring.refresh_key, self._wrapping.pepper, self._wrapping.further_peppers)

    async def open(self) -> KeyRing:
        """Load the ring, creating the first keys. Raises ``ConfigurationError`` if ``secret_key`` does not fit."""
        self._warn_of_a_weak_secret()
        await self._add(REFRESH_KID, "HS256", self._random(32), await self._now(), signs_from=0)
        self.ring = await self._read()
        await self._tend()
        self._reload_at = self._clock.monotonic() + RELOAD_EVERY
        return self.ring

    def _warn_of_a_weak_secret(self) -> None:
        """Warn of a secret that reads like words, in a frame of its own: those that fail must not show the secret."""
        secret = revealed(self._settings.secret_key)
        weakness = None if secret is None else guessable.weakness(secret.decode("utf-8", "replace"))
        if weakness is not None:
            LOGGER.warning("secret_key %s: make one with openssl rand -base64 48", weakness)

    def is_due(self) -> bool:
        """Say whether it is time to read the ring again: asked on every request, where an ``await`` would cost more."""
        return self._clock.monotonic() >= self._reload_at

    async def keep_fresh(self) -> bool:
        """Read the ring again if it is time to. Says whether the ring changed; never fails for a silent store."""
        if not self.ring.refresh_key:
            raise RuntimeError("the sessions are not open: call open(), or run the application with its lifespan")
        async with self._lock.here():
            if not self.is_due():
                return False  # another task has read it meanwhile
            before = self.ring
            self._reload_at = self._clock.monotonic() + RELOAD_EVERY
            try:
                self.ring = await self._read()
                await self._tend()
            except StoreUnavailable as error:
                self._teller.tell(EventName.STORE_UNAVAILABLE, reason=str(error))
            return self.ring.kids != before.kids

    async def publish(self) -> str:
        """Publish a new signing key now; it signs after the publication lead. Gives its ``kid``."""
        async with self._lock.here():
            now = await self._now()
            kid = self._name(now)
            await self._publish(kid, now, lead=PUBLICATION_LEAD)
            self.ring = await self._read()
            return kid

    async def _read(self) -> KeyRing:
        stored = await self._store.keys(self._app_id)
        refresh = next((key for key in stored if key.kid == REFRESH_KID), None)
        if refresh is None:
            raise ConfigurationError(("the store holds no refresh key: was it emptied, or never opened?",))
        signing = tuple(key for key in stored if key.kid.startswith((DYNAMIC, STATIC)))
        self._loaded = {key.kid: self._load(key) for key in signing}
        return KeyRing((key for _, key in self._loaded.values()), self._wrapping.open(self._app_id, refresh))

    def _load(self, key: StoredKey) -> tuple[StoredKey, keys.SigningKey]:
        known = self._loaded.get(key.kid)
        if known is not None and known[0] == key:
            return known
        return key, keys.load(key, self._wrapping.open(self._app_id, key))

    async def _tend(self) -> None:
        settings, now = self._settings, await self._now()
        due_at = self.ring.due_at(settings.access_token_signing_algorithm, settings.key_interval_ms)
        if now >= due_at:
            await self._publish(self._due_name(int(due_at)), now, lead=PUBLICATION_LEAD if self.ring.kids else 0)
            self.ring = await self._read()
        retired = self.ring.retired(now, settings.access_token_ms)
        if retired:
            await self._store.remove_keys(self._app_id, retired)
            self.ring = self.ring.without(retired)
            for kid in retired:
                self._teller.tell(EventName.KEY_RETIRED, reason=kid)

    async def _publish(self, kid: str, now: int, lead: int) -> None:
        algorithm = self._settings.access_token_signing_algorithm
        if await self._add(kid, algorithm, keys.generate(algorithm), now, signs_from=now + lead):
            self._teller.tell(EventName.KEY_PUBLISHED, reason=kid)

    def _due_name(self, due_at: int) -> str:
        """Name a key after the moment from which it was due: of processes that notice at once, one adds it."""
        algorithm = self._settings.access_token_signing_algorithm
        return self._name(due_at) + (f"-{algorithm.lower()}" if self.ring.changes_to(algorithm) else "")

    def _name(self, moment: int) -> str:
        """Name a key so that no other database has one of that name, and whoever wants this key gives it this name."""
        kind = DYNAMIC if self._settings.access_token_signing_key_dynamic else STATIC
        mark = hmac.digest(self.ring.refresh_key, f"reseal key name {moment}".encode(), "sha256")[:6]
        return f"{kind}{moment:013}-{mark.hex()}"

    async def _add(self, kid: str, algorithm: str, raw: bytes, now: int, signs_from: int) -> bool:
        wrapped = self._wrapping.close(self._app_id, kid, raw, self._random(12))
        return await self._store.add_key(self._app_id, StoredKey(kid, algorithm, wrapped, now, signs_from))

    async def _now(self) -> int:
        """Return the store's time: a wall clock that is fast for a moment must neither date nor retire a key."""
        return (await self._store.times()).now
