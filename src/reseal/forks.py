"""What belongs to one process, and is made anew in a child that was forked from it.

A child has its parent's memory, but none of its threads, and it shares sockets and open files that the parent goes on
using. So whatever is a thread, a connection, a lock or an event loop's is kept in a :class:`PerProcess`: the parent's
is neither used nor closed in the child.

The process is asked for its id rather than told of a fork: servers that fork in C do not run Python's hooks. Where
something has to come to rest *before* the fork, there is no way without them (:func:`rests_at_fork`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from reseal.core.errors import StoreUnavailable

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value of which every process has its own, made by ``make`` when it is first needed there.

    Of two threads that need it first, one's is thrown away: ``make`` starts nothing.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}
        """By process id. Those of ancestors are kept: to let go of them would close what is still the parent's."""

    def here(self) -> T:
        """Give this process's value."""
        pid = os.getpid()
        try:
            return self._made[pid]
        except KeyError:
            return self._made.setdefault(pid, self._make())

    def renew(self) -> T:
        """Make this process's value anew, and leave those of others alone."""
        value = self._made[os.getpid()] = self._make()
        return value

    def made(self) -> T | None:
        """Give this process's value, or ``None`` if it was not needed yet."""
        return self._made.get(os.getpid())


class OwnLock:
    """A lock of what cannot be made anew: it refuses a child of the process that called :meth:`own`."""

    __slots__ = ("_lock", "_pid", "_refusal")

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal
        self._lock = threading.Lock()
        self._pid: int | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether another process owns it."""
        return self._pid is not None and self._pid != os.getpid()

    def own(self) -> None:
        """Make it this process's."""
        self._pid = os.getpid()

    def give_up(self) -> None:
        """Leave it to whichever process owns it next."""
        if not self.is_foreign:
            self._pid = None

    def __enter__(self) -> None:
        """Raises ``StoreUnavailable`` in a child, without waiting for the lock, which its parent may have held."""
        if self.is_foreign:
            raise StoreUnavailable(self._refusal)
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Rests(Protocol):
    """Something that must not be at work while the process forks."""

    def rest(self) -> None:
        """Come to rest; called before a fork, in the thread that forks."""

    def wake(self) -> None:
        """Go on; called afterwards in the parent, and not in the child."""


def rests_at_fork(what: Rests) -> None:
    """Have something rest at every fork from now on, as far as Python knows of it."""
    _RESTING.add(what)


def forget(what: Rests) -> None:
    """Leave it alone from now on."""
    _RESTING.discard(what)


_RESTING: Final[set[Rests]] = set()
_AT_REST: Final[list[Rests]] = []
_FORKING: Final = threading.Lock()
"""Held during a fork: two threads may fork at once."""


def _before() -> None:
    _FORKING.acquire()
    for what in tuple(_RESTING):
        what.rest()
        _AT_REST.append(what)


def _in_parent() -> None:
    while _AT_REST:
        _AT_REST.pop().wake()
    _FORKING.release()


def _in_child() -> None:
    _AT_REST.clear()
    _FORKING.release()


if hasattr(os, "register_at_fork"):  # where a process can fork
    # once for all, at the import: hooks cannot be taken back
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
