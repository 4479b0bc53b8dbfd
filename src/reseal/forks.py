"""Per-process values, which a forked child creates for itself.

A child has its parent's memory but none of its threads, and it shares sockets and open files that the parent still
uses. So every thread, connection, lock and event-loop object is held in a :class:`PerProcess`: the child neither uses
nor closes the parent's.

Forks are detected by comparing process ids, because servers that fork in C do not run Python's hooks. The hooks are
needed only where work must pause *before* the fork (:func:`rests_at_fork`).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from reseal.core.errors import StoreUnavailable

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value of which every process has its own, created by ``make`` at its first use there.

    If two threads create it at once, one value is discarded; so ``make`` must not start anything.
    """

    __slots__ = ("_made", "_make")

    def __init__(self, make: Callable[[], T]) -> None:
        self._make = make
        self._made: dict[int, T] = {}
        """By process id. Ancestors' values are kept: garbage collection would close resources of the parent."""

    def here(self) -> T:
        """Return this process's value."""
        pid = os.getpid()
        try:
            return self._made[pid]
        except KeyError:
            return self._made.setdefault(pid, self._make())

    def renew(self) -> T:
        """Create this process's value again, leaving those of other processes alone."""
        value = self._made[os.getpid()] = self._make()
        return value

    def made(self) -> T | None:
        """Return this process's value, or ``None`` if it has not been created yet."""
        return self._made.get(os.getpid())


def new_lock() -> threading.Lock:
    """Make a lock of the kind that this process uses now: gevent patches a forked worker after the modules' import."""
    return threading.Lock()


class OwnLock:
    """A lock for a resource that cannot be re-created: it refuses children of the process that called :meth:`own`."""

    __slots__ = ("_lock", "_pid", "_refusal")

    def __init__(self, refusal: str) -> None:
        self._refusal = refusal
        self._lock = threading.Lock()
        self._pid: int | None = None

    @property
    def is_foreign(self) -> bool:
        """Whether another process owns the lock."""
        return self._pid is not None and self._pid != os.getpid()

    def own(self) -> None:
        """Make this process the owner."""
        self._pid = os.getpid()

    def give_up(self) -> None:
        """Release ownership, if this process has it."""
        if not self.is_foreign:
            self._pid = None

    def __enter__(self) -> None:
        """Raise ``StoreUnavailable`` in a child, without waiting: the parent may have held the lock at the fork."""
        if self._pid is not None and self._pid != os.getpid():
            raise StoreUnavailable(self._refusal)
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


class Rests(Protocol):
    """An object that must pause while the process forks."""

    def rest(self) -> None:
        """Pause; called before a fork, in the thread that forks."""

    def wake(self) -> None:
        """Resume; called after the fork in the parent only."""


def rests_at_fork(what: Rests) -> None:
    """Pause an object at every fork from now on, if the fork runs Python's hooks."""
    _RESTING.add(what)


def forget(what: Rests) -> None:
    """Undo :func:`rests_at_fork`."""
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


if hasattr(os, "register_at_fork"):  # platforms without fork lack it
    # registered once, at import: hooks cannot be unregistered
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
