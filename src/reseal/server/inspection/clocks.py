"""Check that this machine's clock, the database server's clock and the store's time agree."""

from __future__ import annotations

from typing import Final

from reseal.core.store_time import Times
from reseal.server.inspection.finding import Finding

TOLERANCE: Final = 5_000
"""Largest difference between two of them that is accepted, in ms."""


def look(machine: int, times: Times, *, shared: bool) -> Finding:
    """Report a clock that is wrong. ``shared``: the store uses the database server's clock."""
    name = "the database server's clock" if shared else "this machine's clock"
    if abs(times.wall - machine) > TOLERANCE:
        text = (
            f"the database server's clock is {_apart(times.wall - machine)} this machine's: one of the two is wrong, "
            "and sessions use the server's; set it right"
        )
    elif times.wall - times.now > TOLERANCE:
        text = (
            f"{name} is {_apart(times.wall - times.now)} the store's time, because it jumped or was wrong when the "
            f"store was used last: set it right, or run reseal clock repair if it is right; in a day it is accepted"
        )
    elif times.now - times.wall > TOLERANCE:
        text = (
            f"the store's time is {_apart(times.now - times.wall)} {name}: that clock was fast before, or is slow now. "
            "Set it right if it is slow; if it is right, run reseal clock repair"
        )
    else:
        return Finding("clock", fine=True, text="agrees with the store")
    return Finding("clock", fine=False, text=text)


def _apart(milliseconds: int) -> str:
    side = "ahead of" if milliseconds > 0 else "behind"
    return f"{abs(milliseconds) / 1000:.0f} seconds {side}"
