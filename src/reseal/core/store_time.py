"""What a store tells of its time."""

from __future__ import annotations

from typing import NamedTuple


class Times(NamedTuple):
    """The time of a store, and of the clock that it follows (ms)."""

    now: int
    wall: int
    """Apart from ``now`` after that clock jumped: ahead as long as the jump is not believed, behind if it was."""


class Repaired(NamedTuple):
    """What a repair of the store's time did."""

    before: int
    """The store's time before it (ms)."""
    after: int
    sessions: int
    """Sessions with times that were still to come, and are now."""
    keys: int
    """Keys, likewise."""
