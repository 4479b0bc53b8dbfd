"""A store's time, and its repair."""

from __future__ import annotations

from typing import NamedTuple


class Times(NamedTuple):
    """The time of a store, and of the wall clock that it follows (ms)."""

    now: int
    wall: int
    """Differs from ``now`` after that clock jumped: ahead while the jump is not yet accepted, behind if it was."""


class Repaired(NamedTuple):
    """The result of repairing the store's time."""

    before: int
    """The store's time before the repair (ms)."""
    after: int
    sessions: int
    """Sessions whose future times were moved back to now."""
    keys: int
    """Keys whose future times were moved back to now."""
