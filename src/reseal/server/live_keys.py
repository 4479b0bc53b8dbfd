"""The API keys that are valid now, including those of a file that may change.

The file is checked in a thread, by one check at a time, and read only if it has changed or was last read more than a
second ago. This bounds the cost of unauthenticated calls.
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
from reseal.settings.problems import InvalidValueError
from reseal.settings.sources import parse_yaml

LOOK_EVERY: Final = 1_000
"""Milliseconds for which a withdrawn key may still be accepted."""
_LISTED: Final = re.compile(r"^\s*-\s", re.MULTILINE)
"""A YAML list: keys contain no spaces."""
_FILE: Final = "the file"
Stamp = tuple[int, ...]


class KeyFile(NamedTuple):
    """A file of API keys, and its content when it was first read."""

    path: Path
    keys: tuple[ApiKey, ...]


def key_file(value: object) -> KeyFile:
    """Read the file that a path names. Raises ``InvalidValueError``."""
    if isinstance(value, KeyFile):
        return value
    if not isinstance(value, str | Path) or not str(value).strip():
        raise InvalidValueError("must be the path of a file", "write it like /run/secrets/api_keys")
    path = Path(value).absolute()
    return KeyFile(path, read_keys(path))


def read_keys(path: Path) -> tuple[ApiKey, ...]:
    """Read the keys in a file. Raises ``InvalidValueError``.

    An empty file is refused: it must not disable authentication.
    """
    try:
        text = path.read_text("utf-8-sig")
    except OSError as error:
        raise InvalidValueError(
            f"cannot be read ({error.strerror or 'no reason given'})", "name a readable file"
        ) from None
    except ValueError:
        raise InvalidValueError("is not UTF-8 text, or not a possible path", "name a readable file of keys") from None
    keys = api_keys(_list_in(text) if _LISTED.search(text) else text)
    if not keys:
        raise InvalidValueError("holds no API key", ADVICE)
    return keys


def _list_in(text: str) -> object:
    try:
        return parse_yaml(text, _FILE)
    except ConfigurationError as error:
        raise InvalidValueError(
            "; ".join(error.problems), "write one entry a line, as reseal api-keys new does"
        ) from None


class LiveKeys:
    """The keys that are valid now.

    A new key is valid at once; a withdrawn one is valid for at most another second. If the file becomes unusable, the
    keys read before stay valid.
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
        """Number of checks started; they run one at a time."""
        self._latest = 0
        """The last check that finished."""

    def __bool__(self) -> bool:
        return bool(self._keys)

    async def find(self, presented: str, own: Iterable[ApiKey] = ()) -> ApiKey | None:
        """Find the presented key among the service's and ``own``, which are the app's.

        Text that is too short is never a key, even if its hash is listed.
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
        """Check the file. Concurrent callers share one check, if it started after they asked."""
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
            LOGGER.error("%s. The API keys that were read before stay valid", problem)
        self._problem = problem
        if keys is not None and keys != self._keys:
            self._keys = keys
            LOGGER.warning("api_keys_file has changed: %d API keys are valid now", len(keys))


def among(keys: Iterable[ApiKey], digest: bytes) -> ApiKey | None:
    """Find the key with this hash. Every key is compared, so that timing does not reveal which one was close."""
    same = [key for key in keys if hmac.compare_digest(digest, key.digest)]
    return same[0] if same else None


def _stamp(path: Path) -> Stamp | None:
    """Return a fingerprint of a file's state without reading it; ``None`` if the file is missing."""
    try:
        facts = path.stat()
    except (OSError, ValueError):
        return None
    return facts.st_dev, facts.st_ino, facts.st_size, facts.st_mtime_ns, facts.st_ctime_ns


def _try_to_read(path: Path) -> tuple[tuple[ApiKey, ...] | None, str]:
    try:
        return read_keys(path), ""
    except InvalidValueError as invalid:
        return None, f"{invalid.reason('api_keys_file')}: {invalid.advice}"
