"""Which API keys are good now; where they are in a file, what is in it now.

The file is looked at in a thread, by one look at a time whoever asks, and read only if it has changed or was not read
for a second: what strangers send costs no more than that.
"""

from __future__ import annotations

import asyncio
import hmac
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

from reseal.clock import Clock
from reseal.core.errors import ConfigurationError
from reseal.log import LOGGER
from reseal.server.api_keys import ADVICE, API_KEY_MIN, ApiKey, api_keys, digest_of
from reseal.settings.problems import UnfitError
from reseal.settings.sources import parse_yaml

LOOK_EVERY: Final = 1_000
"""Milliseconds for which a withdrawn key may still count."""
_LISTED: Final = re.compile(r"^\s*-\s", re.MULTILINE)
"""A list of YAML: no key has a space in it."""
_FILE: Final = "the file"
Stamp = tuple[int, ...]


class KeyFile(NamedTuple):
    """A file of API keys, and the keys that were in it when it was read first."""

    path: Path
    keys: tuple[ApiKey, ...]


def key_file(value: object) -> KeyFile:
    """Read the file that a path names. Raises ``UnfitError``."""
    if isinstance(value, KeyFile):
        return value
    if not isinstance(value, str | Path) or not str(value).strip():
        raise UnfitError("must be the path of a file", "write it like /run/secrets/api_keys")
    path = Path(value).absolute()
    return KeyFile(path, read_keys(path))


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read the keys in a file. Raises ``UnfitError``; an empty file must not open the door, so it is a problem too."""
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise UnfitError(f"cannot be read ({error.strerror or 'no reason given'})", "name a readable file") from None
    except ValueError:
        raise UnfitError("is not UTF-8 text, or not a possible path", "name a readable file of keys") from None
    keys = api_keys(_list_in(text) if _LISTED.search(text) else text)
    if not keys:
        raise UnfitError("holds no API key", ADVICE)
    return keys


def _list_in(text: str) -> object:
    try:
        return parse_yaml(text, _FILE)
    except ConfigurationError as error:
        raise UnfitError("; ".join(error.problems), "write one entry a line, as reseal api-keys new does") from None


class LiveKeys:
    """The keys that are good now.

    A new key is good at once, a withdrawn one for a second at most. Of a file that cannot be used, the keys that were
    read before stay good.
    """

    def __init__(self, keys: Iterable[ApiKey], file: KeyFile | None, clock: Clock) -> None:
        self._keys = (*keys, *(file.keys if file else ()))
        self._path = file and file.path
        self._clock = clock
        self._read_at = clock.monotonic()
        self._stamp: Stamp | None = None
        self._problem = ""
        self._lock = asyncio.Lock()
        self._begun = 0
        """Looks that were begun; one goes on at a time."""
        self._latest = 0
        """Which of them ended last."""

    def __bool__(self) -> bool:
        return bool(self._keys)

    async def find(self, presented: str, own: Iterable[ApiKey] = ()) -> ApiKey | None:
        """Find the key that was presented, among those of the service and ``own``, which an app has beside them.

        What is too short to be a key is none, whatever hashes are listed.
        """
        if len(presented) < API_KEY_MIN:
            return None
        digest = digest_of(presented)
        its_own = among(own, digest)
        if its_own is not None and self._known(digest) is None:
            return its_own
        return await self._find(digest) or its_own

    async def _find(self, digest: bytes) -> ApiKey | None:
        if self._path is None:
            return self._known(digest)
        if self._is_old():
            await self._look(self._path)
        known = self._known(digest)
        if known is None:
            await self._look(self._path)
        return known or self._known(digest)

    def _known(self, digest: bytes) -> ApiKey | None:
        return among(self._keys, digest)

    def _is_old(self) -> bool:
        return self._clock.monotonic() - self._read_at >= LOOK_EVERY

    async def _look(self, path: Path) -> None:
        """Look at the file: a look that began after the question, one for all who ask meanwhile."""
        asked = self._begun
        async with self._lock:
            if self._latest > asked:
                return
            self._begun += 1
            known = None if self._is_old() else self._stamp
            stamp = await asyncio.to_thread(_stamp, path)
            if stamp is None or stamp != known:
                self._take(*await asyncio.to_thread(_try_to_read, path))
                self._stamp, self._read_at = stamp, self._clock.monotonic()
            self._latest = self._begun

    def _take(self, keys: tuple[ApiKey, ...] | None, problem: str) -> None:
        if problem and problem != self._problem:
            LOGGER.error("%s. The API keys that were read before stay good", problem)
        self._problem = problem
        if keys is not None and keys != self._keys:
            self._keys = keys
            LOGGER.warning("api_keys_file has changed: %d API keys are good now", len(keys))


def among(keys: Iterable[ApiKey], digest: bytes) -> ApiKey | None:
    """Find the key with this hash. Every key is compared, so that the time says nothing about which one came close."""
    same = [key for key in keys if hmac.compare_digest(digest, key.digest)]
    return same[0] if same else None


def _stamp(path: Path) -> Stamp | None:
    """Tell one state of a file from the next, without reading it; ``None`` if there is none."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _try_to_read(path: Path) -> tuple[tuple[ApiKey, ...] | None, str]:
    try:
        return read_keys(path), ""
    except UnfitError as unfit:
        return None, f"{unfit.reason('api_keys_file')}: {unfit.advice}"
