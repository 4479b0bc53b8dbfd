# Generated from src/reseal/_async/ports/keys.py by tools/unasync.py; edit that file instead.
"""What a store promises about the keys of apps. Errors are those of every store: :mod:`reseal._sync.ports.stores`."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reseal._sync.ports.time import StoreTime
from reseal.core.model import StoredKey


class KeyStore(StoreTime, Protocol):
    """Where keys live."""

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        """Read all keys of an app."""

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        """Add a key. ``False`` if its ``kid`` is taken: the key that was there first stays."""

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        """Put another secret in the place of a key's, if it is still the one that was read."""

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        """Forget keys; absent ones are left out."""
