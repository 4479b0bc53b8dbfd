"""The registers of a session: which of its last 32 generations were replayed. Bit 0 is the current one.

Two parties that share one token family collide in every generation; lost responses are rare and scattered. So the
density of replays counts. A replayed generation is *worth* one, or two if the attempt keys showed a different client
from the one that received the successor first (see :mod:`reseal.core.attempt`).
"""

from __future__ import annotations

from typing import Final

SIZE: Final = 32
"""Generations that are remembered."""
IN_A_ROW: Final = 3
FULL: Final = ((8, 4), (SIZE, 7))
"""Pairs of a number of latest generations and the worth at which they are too many."""
_ALL: Final = (1 << SIZE) - 1


def aged(register: int, generations: int) -> int:
    """Shift the register for new generations; the oldest drop out."""
    return register << min(generations, SIZE) & _ALL


def in_a_row(register: int) -> int:
    """Count the consecutive set bits, from the current generation back."""
    return (~register & register + 1).bit_length() - 1


def is_full(collided: int, estranged: int) -> bool:
    """Return whether these are too many for one client. ``estranged``: those of ``collided`` that are worth two."""
    run = in_a_row(collided)
    if _worth(collided, estranged, run) >= IN_A_ROW:
        return True
    return any(_worth(collided, estranged, last) >= most for last, most in FULL)


def _worth(collided: int, estranged: int, last: int) -> int:
    mask = (1 << last) - 1
    return (collided & mask).bit_count() + (estranged & mask).bit_count()
