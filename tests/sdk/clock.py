"""One clock for everybody in a test: the machine's, put forward by the test.

By how much stands in a file. The service and the browsers ask this object; an application's process reads the file each
time its SDK looks at the clock (``apps/shift_clock.cjs``, ``apps/shift_clock.py``), so all are in the future at once.
"""

from __future__ import annotations

from pathlib import Path

from reseal.clock import SystemClock

SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


class SharedClock(SystemClock):
    """Milliseconds. It only goes forward: no store and no SDK has to bear more than on a real machine."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._ahead = 0
        self._shift = file.open("wb", buffering=0)
        self.advance(0)

    def wall(self) -> int:
        return super().wall() + self._ahead

    def monotonic(self) -> int:
        return super().monotonic() + self._ahead

    def advance(self, milliseconds: int) -> None:
        self._ahead += milliseconds
        self._shift.seek(0)
        self._shift.write(self._ahead.to_bytes(8, "little"))

    def close(self) -> None:
        self._shift.close()
