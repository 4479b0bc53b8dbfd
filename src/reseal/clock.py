"""The clocks: the wall clock, which may jump; the monotonic one; and the store's, which never jumps or goes back.

A wall clock that jumps ahead is right after a machine was paused, and wrong when an operator mistyped a date; the two
cases look alike. Storing a wrong time would end sessions permanently, so a jump that the monotonic clock does not
confirm is ignored at first. After a day it is accepted.

All times and durations are in milliseconds.
"""

from __future__ import annotations

import logging
import time
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from reseal.forks import PerProcess, new_lock

BELIEVED_AHEAD: Final = 60_000
"""Largest lead of the wall clock over the monotonic one that is accepted at once."""
BELIEVED_AFTER: Final = 24 * 3600 * 1000
"""How long a larger lead must last before it is accepted."""
_BOOT_TIME: Final[int | None] = getattr(time, "CLOCK_BOOTTIME", None)
"""The clock that counts suspended time; only Linux has it."""
_LOGGER: Final = logging.getLogger("reseal")


class Clock(Protocol):
    """A source of time. Tests bring their own.

    A clock may also have an attribute ``run``, an id of the machine's boot. Monotonic readings with the same ``run``
    can be compared, even across processes.
    """

    def wall(self) -> int:
        """Return milliseconds since the epoch, by the machine's clock."""

    def monotonic(self) -> int:
        """Return milliseconds since a fixed moment; never goes back."""


class SystemClock:
    """The machine's clocks. The monotonic one counts suspended time, if the system has such a clock."""

    __slots__ = ()

    @property
    def run(self) -> str | None:
        return _boot()

    def wall(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> int:
        return (time.monotonic_ns() if _BOOT_TIME is None else time.clock_gettime_ns(_BOOT_TIME)) // 1_000_000


class Mark(NamedTuple):
    """A store's recorded time, with the monotonic reading of the process that recorded it."""

    at: int
    run: str | None = None
    steady: int = 0

    def expected(self, clock: Clock) -> int | None:
        """Return the store's time now; ``None`` if the mark was recorded in another run of the machine."""
        run = run_of(clock)
        return None if run is None or run != self.run else self.at + max(0, clock.monotonic() - self.steady)


def run_of(clock: Clock) -> str | None:
    """Return the run of a clock, if it has one."""
    run = getattr(clock, "run", None)
    return run if isinstance(run, str) else None


class Doubt:
    """Decides whether to accept a clock that is ahead of the expected time."""

    __slots__ = ("_since", "_whose")

    def __init__(self, whose: str) -> None:
        self._whose = whose
        self._since: int | None = None

    def believes(self, lead: int, steady: int) -> bool:
        """Return whether to accept a lead, at a monotonic reading. The first rejection is logged. All in ms."""
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
    """A store's time: it follows the wall clock, but continues at its own pace when the wall clock jumps.

    ``mark`` is the latest time that the store has recorded. With it, a restart while the machine's clock is slow cannot
    revive a session or reopen a window, and a restart while the clock is briefly fast cannot end a session.
    """

    __slots__ = ("_at", "_clock", "_doubt", "_lock", "_now")

    def __init__(self, clock: Clock, mark: Mark | None = None) -> None:
        self._clock = clock
        self._doubt = Doubt("this machine's clock")
        self._lock = PerProcess(new_lock)
        expected = None if mark is None else mark.expected(clock)
        self._now = clock.wall() if expected is None else expected
        self._at = clock.monotonic()
        if mark is not None:
            self._now = max(self._now, mark.at)

    def follow(self, latest: int) -> None:
        """Advance to ``latest``, the time recorded in the store by another process, if that is later."""
        with self._lock.here():
            self._now = max(self._advance(), latest)

    def now(self) -> int:
        """Return the store's time in milliseconds since the epoch."""
        with self._lock.here():
            return self._advance()

    def mark(self) -> Mark:
        """Return the store's time in the form to be recorded."""
        with self._lock.here():
            return Mark(self._advance(), run_of(self._clock), self._at)

    def begin_again(self, at: int) -> None:
        """Restart from ``at``, or from the wall clock if that is later: the operator has vouched for it."""
        with self._lock.here():
            self._now, self._at = max(at, self._clock.wall()), self._clock.monotonic()
            self._doubt = Doubt("this machine's clock")

    def _advance(self) -> int:
        wall = self._clock.wall()
        at = self._clock.monotonic()  # after the wall clock: a pause between the two must not count twice
        paced = self._now + max(0, at - self._at)
        self._now = max(wall, paced) if self._doubt.believes(wall - paced, at) else paced
        self._at = at
        return self._now


@lru_cache(maxsize=1)
def _boot() -> str | None:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {Path('/proc/self/ns/time').readlink()}"  # a container may have a steady clock of its own
    except (OSError, UnicodeDecodeError):
        return None  # not Linux: after a restart nothing confirms the wall clock
