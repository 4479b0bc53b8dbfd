"""A manual clock."""

from __future__ import annotations

import time
from itertools import count
from typing import Final

STARTED: Final = time.time_ns() // 1_000_000_000 * 1_000
"""When this process began, in ms since the epoch and without a fraction of a second.

All clocks of a process begin at the same moment. It is not one of a calendar: what a test hands to a browser, a cookie
jar or another process is judged there by the machine's own date.
"""
_RUNS: Final = count()


class ManualClock:
    """Both clocks of a machine (see :class:`reseal.clock.Clock`) under the test's hand. Milliseconds."""

    def __init__(self, start: int = STARTED) -> None:
        self._wall = start
        self._monotonic = 0
        self.run: str = f"run {next(_RUNS)}"

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

    def reboot(self) -> None:
        """Begin another run: earlier monotonic readings become meaningless."""
        self._monotonic = 0
        self.run = f"run {next(_RUNS)}"
