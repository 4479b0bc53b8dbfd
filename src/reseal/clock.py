"""The clocks: the wall's, which may jump, the steady one, and the store's, which neither goes back nor jumps ahead.

A wall clock that jumps ahead is right after a machine was paused, and wrong when somebody mistyped a date; nothing
tells which. Written down, a wrong one would end sessions for good, so a jump that the steady clock does not confirm is
first left out of account. If it stands for a day it was none.

All times and durations are in milliseconds.
"""

from __future__ import annotations

import logging
import threading
import time
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from reseal.forks import PerProcess

BELIEVED_AHEAD: Final = 60_000
"""How far the wall may run ahead of the steady clock and be believed at once."""
BELIEVED_AFTER: Final = 24 * 3600 * 1000
"""For how long a longer jump has to stand until it is believed."""
_LOGGER: Final = logging.getLogger("reseal")


class Clock(Protocol):
    """A source of time. Tests bring their own.

    A clock may also have an attribute ``run``: text that is the same wherever readings of its steady clock can be
    compared, in other processes too, as long as the machine runs.
    """

    def wall(self) -> int:
        """Milliseconds since the epoch, as the machine believes."""

    def monotonic(self) -> int:
        """Milliseconds since some fixed moment; never goes back."""


class SystemClock:
    """The machine's clocks. The steady one goes on while the machine sleeps, where the system has such a clock."""

    __slots__ = ()

    @property
    def run(self) -> str | None:
        return _boot()

    def wall(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> int:
        return _steady_ns() // 1_000_000


class Mark(NamedTuple):
    """A store's time, and what the steady clock of the one who noted it said then."""

    at: int
    run: str | None = None
    steady: int = 0

    def expected(self, clock: Clock) -> int | None:
        """Return what the store's time is now; ``None`` if this clock cannot tell, because it is of another run."""
        run = run_of(clock)
        return None if run is None or run != self.run else self.at + max(0, clock.monotonic() - self.steady)


def run_of(clock: Clock) -> str | None:
    """Return the run of a clock, if it has one."""
    run = getattr(clock, "run", None)
    return run if isinstance(run, str) else None


class Doubt:
    """Whether a clock that runs ahead of what was expected is believed."""

    __slots__ = ("_since", "_whose")

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._since: int | None = None

    def believes(self, lead: int, steady: int) -> bool:
        """Judge a clock that is ``lead`` ahead, at a reading of the steady clock. The first doubt is logged."""
        if lead <= BELIEVED_AHEAD:
            self._since = None
            return True
        if self._since is None:
            self._since = steady
            _LOGGER.error(
                "%s is %d seconds ahead of what the store expected: sessions go by the store's time until it is set "
                "right, or has stood for a day; if it is right, run reseal clock repair",
                self._whose,
                lead // 1000,
            )
        if steady - self._since < BELIEVED_AFTER:
            return False
        self._since = None
        return True


class SteadyClock:
    """A store's time: follows the wall, but where the wall jumps it goes on at its own pace.

    ``mark`` is the latest time that the store has noted: a restart on a machine whose clock was moved back must not
    revive a session or reopen a window, nor one on a machine whose clock is fast for a moment end a session.
    """

    __slots__ = ("_at", "_clock", "_doubt", "_lock", "_now")

    def __init__(self, clock: Clock, mark: Mark | None = None) -> None:
        self._clock = clock
        self._doubt = Doubt("this machine's clock")
        self._lock = PerProcess(threading.Lock)
        expected = None if mark is None else mark.expected(clock)
        self._now = clock.wall() if expected is None else expected
        self._at = clock.monotonic()
        if mark is not None:
            self._now = max(self._now, mark.at)

    def follow(self, latest: int) -> None:
        """Go on from ``latest`` if that is later: the time that another process has written to the same store."""
        with self._lock.here():
            self._now = max(self._advance(), latest)

    def now(self) -> int:
        """Return the store's time in milliseconds since the epoch."""
        with self._lock.here():
            return self._advance()

    def mark(self) -> Mark:
        """Return the store's time, to be noted."""
        with self._lock.here():
            return Mark(self._advance(), run_of(self._clock), self._at)

    def begin_again(self, at: int) -> None:
        """Go on from ``at``, or from the wall if that is later: whoever looks after the store says that it is right."""
        with self._lock.here():
            self._now, self._at = max(at, self._clock.wall()), self._clock.monotonic()
            self._doubt = Doubt("this machine's clock")

    def _advance(self) -> int:
        wall = self._clock.wall()
        at = self._clock.monotonic()  # after the wall: a pause between the two must not count twice
        paced = self._now + max(0, at - self._at)
        self._now = max(wall, paced) if self._doubt.believes(wall - paced, at) else paced
        self._at = at
        return self._now


def _steady_ns() -> int:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic_ns() if clock is None else time.clock_gettime_ns(clock)


@lru_cache(maxsize=1)
def _boot() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/time').readlink()}"  # a container may have a steady clock of its own
    except (OSError, UnicodeDecodeError):
        return None  # no Linux: after a restart nothing confirms the wall
