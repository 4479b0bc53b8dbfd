"""Lifetimes of access tokens that differ, so that clients that signed in together do not refresh together."""

from __future__ import annotations

from typing import Final

_CHANCE_BYTES: Final = 4


def shortened(ms: int, jitter: float, token_hash: bytes) -> int:
    """Return a lifetime that is shorter by at most the fraction ``jitter``.

    By how much follows from the hash of the refresh token: whoever asks again for the same token gets the same end.
    """
    chance = int.from_bytes(token_hash[:_CHANCE_BYTES]) / 2 ** (8 * _CHANCE_BYTES)
    return int(ms * (1 - jitter * chance))
