"""Sessions and steps as tests write them: everything has a default, and what matters is named."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from reseal.core.model import Device, NewSession, Rotation, StoredKey

MINUTE: Final = 60_000
HOUR: Final = 60 * MINUTE
DAY: Final = 24 * HOUR

USER_IDS: Final = (
    "user",
    "USER",
    "User",
    "i",
    "I",
    "\u0131",  # dotless i
    "\u0130",  # capital I with a dot
    "i\u0307",  # i and a combining dot
    "\u00e9",  # one character
    "e\u0301",  # two characters that look like it
    "user ",
    " user",
    "user\t",
    "user\u200b",  # zero width
    "u\u200dser",
    "\U0001f469\u200d\U0001f469\u200d\U0001f467",
    "\U0001f469",
    "\u00df",
    "ss",
    "%",
    "_",
    "'; DROP TABLE session; --",
    "\\",
    "0",
    "00",
    "1",
    "1.0",
    "null",
    "x" * 512,
    "x" * 511,
    "\U0001d535" * 512,
)
"""User ids that some store, somewhere, takes for each other."""


def hash_of(label: str) -> bytes:
    """Return a hash that stands for a token's."""
    return hashlib.sha256(label.encode()).digest()


def new_session(handle: str = "h", user_id: str = "user", **changes: Any) -> NewSession:
    """Describe a session to begin: one hour idle, no absolute end, its first token's hash is that of ``handle/0``."""
    values: dict[str, Any] = {
        "handle": handle,
        "user_id": user_id,
        "token_hash": hash_of(f"{handle}/0"),
        "idle_ms": HOUR,
        "absolute_ms": None,
        "jwt_payload": b"{}",
        "session_data": b"{}",
        "device": Device("192.0.2.1", "Browser/1"),
    }
    return NewSession(**(values | changes))


def step(handle: str = "h", generation: int = 0, **changes: Any) -> Rotation:
    """Describe the step from ``generation`` to the next."""
    values: dict[str, Any] = {
        "handle": handle,
        "presented_hash": hash_of(f"{handle}/{generation}"),
        "successor_hash": hash_of(f"{handle}/{generation + 1}"),
        "successor_sealed": f"sealed {generation + 1}".encode(),
        "idle_ms": HOUR,
        "device": Device("192.0.2.2", "Browser/2"),
    }
    return Rotation(**(values | changes))


def stored_key(kid: str = "k", **changes: Any) -> StoredKey:
    """Describe a key. Its secret opens nothing."""
    values: dict[str, Any] = {"algorithm": "ES256", "secret": b"\0\1\xff", "created_at": 1, "signs_from": 2}
    return StoredKey(kid=kid, **(values | changes))
