"""The two clocks: the wall's, which may jump, and the store's, which never goes back."""

from __future__ import annotations

import threading
import time
from typing import Protocol

from reseal.forks import PerProcess


class Clock(Protocol):
    """A source of time. Tests bring their own."""

    def wall(self) -> int:
        """Milliseconds since the epoch, as the machine believes."""

    def monotonic(self) -> int:
        """Milliseconds since some fixed moment; never goes back."""


class SystemClock:
    """The machine's clocks."""

    __slots__ = ()

    def wall(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> int:
        return time.monotonic_ns() // 1_000_000


class SteadyClock:
    """A store's time: follows the wall, but where the wall jumps back it goes on at its own pace.

    ``floor`` is the latest time that the store has written (ms): a restart on a machine whose clock was moved
    back must not revive a session or reopen a window.
    """

    __slots__ = ("_at", "_clock", "_lock", "_now")

    def __init__(self, clock: Clock, floor: int = 0) -> None:
        self._clock = clock
        self._lock = PerProcess(threading.Lock)
        self._now = max(floor, clock.wall())
        self._at = clock.monotonic()

    def follow(self, latest: int) -> None:
        """Go on from ``latest`` (ms) if that is later: the time that another process has written to the same store."""
        with self._lock.here():
            self._now = max(self._advance(), latest)

    def now(self) -> int:
        """Give the store's time in milliseconds since the epoch."""
        with self._lock.here():
            return self._advance()

    def _advance(self) -> int:
        wall = self._clock.wall()
        at = self._clock.monotonic()  # after the wall: a pause between the two must not count twice
        self._now = max(wall, self._now + max(0, at - self._at))
        self._at = at
        return self._now
