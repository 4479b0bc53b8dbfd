"""The registers of a session: which of its last 32 generations had to be given out again. Bit 0 is the current one.

Two parties who hold one line collide in every generation; lost answers are rare and scattered. So what counts is how
close together they are. A generation is *worth* one, or two where the one who asked again could be seen to be another
client than the one that was given the successor (see :mod:`reseal.core.attempt`).
"""

from __future__ import annotations

from typing import Final

SIZE: Final = 32
"""Generations that are remembered."""
IN_A_ROW: Final = 3
FULL: Final = ((8, 4), (SIZE, 7))
"""So many of the last generations must not be worth so much."""
_ALL: Final = (1 << SIZE) - 1


def aged(register: int, generations: int = 1) -> int:
    """Make room for generations that begin; the oldest fall out."""
    return register << min(generations, SIZE) & _ALL


def in_a_row(register: int) -> int:
    """Count the set bits up to the first that is not, from the current generation back."""
    return (~register & register + 1).bit_length() - 1


def is_full(collided: int, estranged: int) -> bool:
    """Tell whether these are too many for one client. ``estranged``: those of ``collided`` that are worth two."""
    run = in_a_row(collided)
    if _worth(collided, estranged, run) >= IN_A_ROW:
        return True
    return any(_worth(collided, estranged, last) >= most for last, most in FULL)


def _worth(collided: int, estranged: int, last: int) -> int:
    mask = (1 << last) - 1
    return (collided & mask).bit_count() + (estranged & mask).bit_count()
