"""What a store promises about the keys of apps. Errors are those of every store: :mod:`reseal._async.ports.stores`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reseal._async.ports.time import AsyncStoreTime
from reseal.core.model import StoredKey


class AsyncKeyStore(AsyncStoreTime, Protocol):
    """Where keys live."""

    async def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        """Read all keys of an app."""

    async def add_key(self, app_id: str, key: StoredKey) -> bool:
        """Add a key. ``False`` if its ``kid`` is taken: the key that was there first stays."""

    async def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        """Put another secret in the place of a key's, if it is still the one that was read."""

    async def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        """Forget keys; absent ones are left out."""
