"""API keys: their form (core interface, section 6.2) and their permits. Only their SHA-256 is kept.

Keys are random, so a single SHA-256 suffices; 20 characters cannot be brute-forced.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from itertools import product
from string import printable
from typing import Any, Final

from reseal.cdi.names import check_app_id, check_tenant_id
from reseal.cdi.paths import Right
from reseal.cdi.problem import Problem
from reseal.core.secret import Secret
from reseal.server.permits import Permit
from reseal.settings.problems import InvalidValueError

API_KEY_MIN: Final = 20
ALPHABET: Final = re.compile(r"[A-Za-z0-9=-]*", re.ASCII)
ADVICE: Final = "make one with: openssl rand -hex 32"
RIGHTS: Final = {right.name.lower(): right for right in Right}
"""Rights by their names in a configuration."""
_HASHED: Final = re.compile(r"sha256:([0-9a-fA-F]{64})", re.ASCII)
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_MEMBERS: Final = frozenset({"name", "key", "sha256", "may", "apps", "tenants"})
_PLACEHOLDERS: Final = (
    "admin apikey api-key api_key api_keys changeme change-me default dummy example example-key false foobar key "
    "my-api-key my-key none null nil passwd password placeholder public reseal root sample secret secret-key "
    "supertokens sha256 temp test testing test-key todo token true undefined user xxx xxxx your-api-key "
    "your_api_key $key ${key} $API_KEY ${API_KEY} 123 1234 12345 123456 12345678 1234567890"
)


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An accepted API key and its permit."""

    digest: bytes = field(repr=False)
    """SHA-256 of the key."""
    permit: Permit

    @classmethod
    def of(cls, text: str) -> ApiKey:
        """Return a key that permits everything, named by the first digits of its hash."""
        return _unnamed(digest_of(text))

    @classmethod
    def for_apps(cls, digest: bytes, app_ids: Iterable[str]) -> ApiKey:
        """Return a key that permits everything in these apps."""
        return cls(digest, replace(_unnamed(digest).permit, apps=frozenset(app_ids)))


def digest_of(text: str) -> bytes:
    """Return the SHA-256 of a presented key."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def api_keys(value: object) -> tuple[ApiKey, ...]:
    """Read a list of keys, or text with commas or line breaks between them.

    An entry is a key, ``sha256:`` followed by the hash of a key in hexadecimal, or a mapping with ``key`` or ``sha256``
    and, optionally, ``name``, ``may`` (read, write or admin), ``apps`` and ``tenants``. Raises ``InvalidValueError``.
    """
    keys = tuple(_api_key(entry) for entry in _entries(value))
    by_name = {key.permit.name: key for key in keys}
    for key in keys:
        if by_name[key.permit.name] != key:
            raise InvalidValueError(f"has two entries named '{key.permit.name}'", "give each key a name of its own")
    if len({key.digest for key in keys}) < len(by_name):
        raise InvalidValueError("lists one key under two names", "keep one of the entries")
    return keys


def check_text(key: str) -> None:
    """Raise ``InvalidValueError`` for text that cannot be a key."""
    if len(key) < API_KEY_MIN:
        raise InvalidValueError(
            f"One of the API keys is too short. Please use at least {API_KEY_MIN} characters", ADVICE, whole=True
        )
    if not ALPHABET.fullmatch(key):
        raise InvalidValueError(
            "Invalid characters in API key. Please only use '=', '-' and alpha-numeric (including capitals)",
            ADVICE,
            whole=True,
        )


def _entries(value: object) -> list[object]:
    if value is None:
        return []
    if isinstance(value, str):
        return [part for part in re.split(r"[,\r\n]", value) if part.strip()]
    if isinstance(value, list | tuple):
        return list(value)
    raise InvalidValueError("must be text", "separate several keys by commas")


def _api_key(entry: object) -> ApiKey:
    if isinstance(entry, ApiKey):
        return entry
    if isinstance(entry, Mapping):
        return _described(entry)
    if not isinstance(entry, str | Secret):
        raise InvalidValueError("must be text", "put each key in quotes")
    raw = entry.reveal() if isinstance(entry, Secret) else entry.encode("utf-8", "surrogatepass")
    text = raw.decode("utf-8", "replace").strip()
    hashed = _HASHED.fullmatch(text)
    if hashed:
        return _unnamed(_unguessable(hashed[1]))
    check_text(text)
    return ApiKey.of(text)


def _described(entry: Mapping[Any, Any]) -> ApiKey:
    """Read an entry in the form of a mapping."""
    strange = [str(name) for name in entry if name not in _MEMBERS]
    if strange:
        raise InvalidValueError("has an entry with unknown members", f"use only {', '.join(sorted(_MEMBERS))}")
    if ("key" in entry) is ("sha256" in entry):
        raise InvalidValueError("has an entry without key, or with two", "write either key or sha256 in each entry")
    if "key" in entry:
        bare = _api_key(entry["key"] if isinstance(entry["key"], str | Secret) else None)
    else:
        bare = _api_key(f"sha256:{str(entry['sha256']).removeprefix('sha256:')}")
    permit = Permit(
        name=_name(entry.get("name", bare.permit.name)),
        right=_right(entry.get("may", "admin")),
        apps=_ids(entry, "apps", check_app_id),
        tenants=_ids(entry, "tenants", check_tenant_id),
    )
    return ApiKey(bare.digest, permit)


def _name(value: object) -> str:
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise InvalidValueError("has an entry whose name cannot be one", "use up to 64 letters, digits, dots, - and _")
    return value


def _right(value: object) -> Right:
    if not isinstance(value, str) or value not in RIGHTS:
        raise InvalidValueError("has an entry whose 'may' is not known", f"choose one of {', '.join(RIGHTS)}")
    return RIGHTS[value]


def _ids(entry: Mapping[Any, Any], member: str, check: Callable[[str], str]) -> frozenset[str] | None:
    """Read a list of ids. An empty list is an error: a missing one means all, and a key without any is useless."""
    if member not in entry:
        return None
    given = entry[member]
    if not isinstance(given, list | tuple) or not given or not all(isinstance(each, str) for each in given):
        raise InvalidValueError(
            f"has an entry whose '{member}' is not a list of ids", f"write it like {member}: [public]"
        )
    try:
        return frozenset(check(each) for each in given)
    except Problem as problem:
        raise InvalidValueError(f"has an entry whose '{member}' cannot be: {problem.text}", "correct the ids") from None


def _unnamed(digest: bytes) -> ApiKey:
    return ApiKey(digest, Permit(name=f"sha256-{digest.hex()[:8]}"))


def _unguessable(digits: str) -> bytes:
    digest = bytes.fromhex(digits)
    guessed = _guesses().get(digest)
    if guessed is not None:
        what = "the empty text" if not guessed.strip() else "a text that anyone would guess"
        raise InvalidValueError(
            f"lists the hash of {what}, not of a key: the variable that it came from was empty or a placeholder",
            "make key and entry with: reseal api-keys new",
        )
    return digest


@cache
def _guesses() -> dict[bytes, str]:
    """Hash likely mistakes: placeholders and texts of up to two characters, with and without a line break."""
    short = ("".join(letters) for length in range(3) for letters in product(printable, repeat=length))
    texts = [*short, *(form(word) for word in _PLACEHOLDERS.split() for form in (str, str.upper, str.capitalize))]
    return {digest_of(text + end): text for text in texts for end in ("", "\n", "\r\n")}
