"""The time of a store on a server: its clock, kept from going back."""

from __future__ import annotations

import threading
from typing import Final

from reseal.clock import Clock, SystemClock
from reseal.forks import PerProcess

NOTE_EVERY: Final = 1000
"""Milliseconds between two notes of the time, and the least lead over the server's clock that is paced."""


class ServerTime:
    """What this process knows of the server's time.

    Each statement takes its time from the server's clock, but never less than what all processes noted in the
    database or what :meth:`floor` gives: the latest time seen here.

    Where the server's clock was set back, that floor goes on at the pace of this process until the clock has caught
    up. Only then: otherwise the paces of several machines would drift apart.

    ``clock`` takes the place of the server's in tests.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._stand_in = clock
        self._clock = clock or SystemClock()
        self._lock = PerProcess(threading.Lock)
        self._seen = 0
        self._at = 0
        self._behind = False
        self._note_at: int | None = None

    def stand_in(self) -> int | None:
        """Give the time to use instead of the server's, in tests."""
        return None if self._stand_in is None else self._stand_in.wall()

    def floor(self) -> int:
        """Give the time that the next statement must not come before."""
        with self._lock.here():
            return self._paced(self._clock.monotonic())

    def see(self, now: int, wall: int) -> None:
        """Take note of a statement's time, and of the server's clock in it."""
        with self._lock.here():
            at = self._clock.monotonic()
            self._seen, self._at = max(now, self._paced(at)), at
            self._behind = now - wall >= NOTE_EVERY

    def is_to_be_noted(self) -> bool:
        """Tell one caller a second, of those who write, to note the time in the database."""
        with self._lock.here():
            at = self._clock.monotonic()
            if self._note_at is not None and at < self._note_at:
                return False
            self._note_at = at + NOTE_EVERY
            return True

    def _paced(self, at: int) -> int:
        return self._seen + max(0, at - self._at) if self._behind else self._seen
