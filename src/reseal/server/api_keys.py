"""API keys: what one looks like (core interface, section 6.2), and which are good now. Only their SHA-256 is kept.

They are chance, not words, so that one round of a hash is enough: of 20 letters nobody tries all.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple

from reseal.clock import Clock
from reseal.core.secret import Secret
from reseal.log import LOGGER
from reseal.settings.problems import UnfitError

API_KEY_MIN: Final = 20
LOOK_EVERY: Final = 1_000
"""Milliseconds for which a withdrawn key may still count."""
ALPHABET: Final = re.compile(r"[A-Za-z0-9=-]*", re.ASCII)
_HASHED: Final = re.compile(r"sha256:([0-9a-fA-F]{64})", re.ASCII)
_ADVICE: Final = "make one with: openssl rand -hex 32"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key that is accepted."""

    digest: bytes = field(repr=False)
    """SHA-256 of the key."""

    @classmethod
    def of(cls, text: str) -> ApiKey:
        return cls(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


def api_keys(value: object) -> tuple[ApiKey, ...]:
    """Read a list of keys, or one text with commas or line ends between them.

    An entry is a key, or ``sha256:`` and the hash of one in hexadecimal. Raises ``UnfitError``.
    """
    return tuple(_api_key(entry) for entry in _entries(value))


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
        keys = api_keys(path.read_text("utf-8-sig"))
    except OSError as error:
        raise UnfitError(f"cannot be read ({error.strerror or 'no reason given'})", "name a readable file") from None
    except ValueError:
        raise UnfitError("is not UTF-8 text, or not a possible path", "name a readable file of keys") from None
    if not keys:
        raise UnfitError("holds no API key", _ADVICE)
    return keys


class LiveKeys:
    """The keys that are good now; where they are in a file, what is in it now.

    A new key is good at once, a withdrawn one for a second at most. Of a file that cannot be used, the keys that were
    read before stay good.
    """

    def __init__(self, keys: Iterable[ApiKey], file: KeyFile | None, clock: Clock) -> None:
        self._keys = (*keys, *(file.keys if file else ()))
        self._path = file and file.path
        self._clock = clock
        self._look_at = clock.monotonic() + LOOK_EVERY
        self._problem = ""

    def __bool__(self) -> bool:
        return bool(self._keys)

    def accepts(self, presented: str) -> bool:
        """Tell whether this is one of the keys."""
        key = ApiKey.of(presented)
        if self._path is not None and self._clock.monotonic() >= self._look_at:
            self._read(self._path)
        if self._knows(key):
            return True
        return self._path is not None and self._read(self._path) and self._knows(key)

    def _knows(self, presented: ApiKey) -> bool:
        # every key is compared, so that the time says nothing about which one came close
        return sum(hmac.compare_digest(presented.digest, key.digest) for key in self._keys) > 0

    def _read(self, path: Path) -> bool:
        """Look at the file; tell whether other keys are good since."""
        self._look_at = self._clock.monotonic() + LOOK_EVERY
        try:
            keys, problem = read_keys(path), ""
        except UnfitError as unfit:
            keys, problem = self._keys, f"{unfit.reason('api_keys_file')}: {unfit.advice}"
        if problem and problem != self._problem:
            LOGGER.error("%s. The API keys that were read before stay good", problem)
        changed, self._keys, self._problem = keys != self._keys, keys, problem
        if changed:
            LOGGER.warning("api_keys_file has changed: %d API keys are good now", len(keys))
        return changed


def _entries(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, str):
        return [part for part in re.split(r"[,\r\n]", value) if part.strip()]
    if isinstance(value, list | tuple):
        return list(value)
    raise UnfitError("must be text", "separate several keys by commas")


def _api_key(entry: object) -> ApiKey:
    if isinstance(entry, ApiKey):
        return entry
    if not isinstance(entry, str | Secret):
        raise UnfitError("must be text", "put each key in quotes")
    raw = entry.reveal() if isinstance(entry, Secret) else entry.encode("utf-8", "surrogatepass")
    key = raw.decode("utf-8", "replace").strip()
    hashed = _HASHED.fullmatch(key)
    if hashed:
        return ApiKey(bytes.fromhex(hashed[1]))
    if len(key) < API_KEY_MIN:
        raise UnfitError(
            f"One of the API keys is too short. Please use at least {API_KEY_MIN} characters", _ADVICE, whole=True
        )
    if not ALPHABET.fullmatch(key):
        raise UnfitError(
            "Invalid characters in API key. Please only use '=', '-' and alpha-numeric (including capitals)",
            _ADVICE,
            whole=True,
        )
    return ApiKey.of(key)
