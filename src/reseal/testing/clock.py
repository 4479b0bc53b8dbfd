"""A clock that moves only when it is told to."""

from __future__ import annotations

from typing import Final

MONDAY: Final = 1_795_392_000_000
"""An ordinary moment to begin at, in ms since the epoch."""


class ManualClock:
    """Both clocks of a machine (see :class:`reseal.clock.Clock`) under the test's hand. Milliseconds."""

    def __init__(self, start: int = MONDAY) -> None:
        self._wall = start
        self._monotonic = 0

    def wall(self) -> int:
        return self._wall

    def monotonic(self) -> int:
        return self._monotonic

    def advance(self, milliseconds: int) -> None:
        """Let time go by."""
        self._wall += milliseconds
        self._monotonic += milliseconds

    def jump(self, milliseconds: int) -> None:
        """Set the wall clock forward or back; no time goes by."""
        self._wall += milliseconds
