"""The time of a store on a server: its clock, kept from going back and from jumping ahead."""

from __future__ import annotations

from typing import Any, Final

from reseal.clock import BELIEVED_AHEAD, Clock, Doubt, Mark, SystemClock, run_of
from reseal.forks import PerProcess, new_lock

NOTE_EVERY: Final = 1000
"""Milliseconds between two notes of the time, and the least lead over the server's clock that is paced."""


class ServerTime:
    """What this process knows of the server's time.

    Each statement takes its time from the server's clock, but never less than what all processes noted in the
    database or what this one has seen (the floor); and if the clock is past the ceiling, from what this one expects.

    Where the server's clock was set back, the floor goes on at the pace of this process until the clock has caught up.
    Only then: otherwise the paces of several machines would drift apart. What is expected always does.

    What a process knows is good for one era: a repair of the store's time begins the next.

    ``clock`` takes the place of the server's in tests.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._stand_in = clock
        self._clock = clock or SystemClock()
        self._lock = PerProcess(new_lock)
        self._doubt = Doubt("the database server's clock")
        self._era = -1
        self._seen = 0
        self._at = 0
        self._behind = False
        self._expected: int | None = None
        """At ``_at``; ``None`` where nothing is: the server's clock is believed."""
        self._note_at: int | None = None

    def begin(self, mark: Mark, era: int) -> None:
        """Learn what was noted last.

        Time from then on is known where it was noted on this machine in this run of its steady clock. Otherwise this
        machine's own clock is the second witness: the server's is believed if it is not far ahead of both.
        """
        with self._lock.here():
            self._begin(mark, era)

    def values(self) -> dict[str, Any]:
        """Return the parameters by which a statement takes its time."""
        with self._lock.here():
            at = self._clock.monotonic()
            expected = None if self._expected is None else self._expected + max(0, at - self._at)
            values = {
                "expected": expected,
                "ceiling": None if expected is None else expected + BELIEVED_AHEAD,
                "floor": self._paced(at),
                "era": self._era,
            }
            return values if self._stand_in is None else values | {"clock": self._stand_in.wall()}

    def mark(self) -> dict[str, Any]:
        """Return the parameters that say by which clock the time is noted."""
        return {"run": run_of(self._clock), "steady": self._clock.monotonic()}

    def see(self, now: int, wall: int) -> None:
        """Take note of a statement's time, and of the server's clock in it."""
        with self._lock.here():
            at = self._clock.monotonic()
            self._seen, self._at = max(now, self._paced(at)), at
            self._behind = now - wall >= NOTE_EVERY
            ahead = wall - now
            self._expected = None if self._doubt.believes(ahead, at) and ahead > BELIEVED_AHEAD else self._seen

    def see_era(self, now: int, wall: int, era: int) -> None:
        """Do the same, and begin anew if somebody has repaired the store's time."""
        with self._lock.here():
            if era != self._era:
                self._begin(Mark(now), era)
        self.see(now, wall)

    def is_to_be_noted(self) -> bool:
        """Tell one caller a second, of those who write, to note the time in the database."""
        with self._lock.here():
            at = self._clock.monotonic()
            if self._note_at is not None and at < self._note_at:
                return False
            self._note_at = at + NOTE_EVERY
            return True

    def _begin(self, mark: Mark, era: int) -> None:
        known = mark.expected(self._clock)
        self._expected = max(mark.at, self._clock.wall()) if known is None else known
        self._seen, self._at, self._behind = mark.at, self._clock.monotonic(), False
        self._doubt = Doubt("the database server's clock")
        self._era = era

    def _paced(self, at: int) -> int:
        return self._seen + max(0, at - self._at) if self._behind else self._seen
