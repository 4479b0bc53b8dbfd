# Generated from src/reseal/_async/stores/connection_pool.py by tools/unasync.py; edit that file instead.
"""Connections to one database server, for any driver: bounded in number and in patience."""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from reseal._sync.stores.batching import take
from reseal.core.errors import StoreUnavailable
from reseal.forks import PerProcess
from reseal.stores.deadlines import left

T = TypeVar("T")


class Pooled(Protocol):
    """A connection."""

    @property
    def is_reusable(self) -> bool:
        """Whether it is open, and in no transaction; asks nobody."""

    def close(self) -> None:
        """Close it."""


LinkT = TypeVar("LinkT", bound=Pooled)


@dataclass(frozen=True, slots=True)
class Connections(Generic[LinkT]):
    """Those of one process."""

    slots: threading.Semaphore
    idle: list[LinkT] = field(default_factory=list)


class ConnectionPool(Generic[LinkT]):
    """At most ``size`` connections, opened by ``connect`` when they are needed. A broken one is not lent again."""

    def __init__(self, connect: Callable[[], LinkT], size: int, wait_s: float, name: str) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._name = name
        self._processes: PerProcess[Connections[LinkT]] = PerProcess(self._new)
        self._is_open = False

    def open(self) -> None:
        """Begin with no connection, maybe in another event loop."""
        self.close()
        self._processes.renew()
        self._is_open = True

    def close(self) -> None:
        self._is_open = False
        idle = self._processes.here().idle
        with suppress(IndexError):
            while True:
                idle.pop().close()

    def forget(self, which: Callable[[LinkT], bool]) -> None:
        """Close idle connections."""
        idle = self._processes.here().idle
        for link in tuple(filter(which, idle)):
            with suppress(ValueError):  # somebody has taken it
                idle.remove(link)
                link.close()

    def run(self, work: Callable[[LinkT], T]) -> T:
        """Lend a connection for the time of ``work``."""
        if not self._is_open:
            raise StoreUnavailable("the store is not open")
        connections = self._processes.here()
        if not take(connections.slots, left(self._wait_s)):
            raise StoreUnavailable(f"{self._name}: all connections of the pool are busy")
        try:
            return self._run(connections.idle, work)
        finally:
            connections.slots.release()

    def _run(self, idle: list[LinkT], work: Callable[[LinkT], T]) -> T:
        link = self._lend(idle)
        try:
            return work(link)
        finally:
            if self._is_open and link.is_reusable:
                idle.append(link)
            else:
                link.close()

    def _lend(self, idle: list[LinkT]) -> LinkT:
        with suppress(IndexError):  # there was none, or another thread has taken it
            while not (link := idle.pop()).is_reusable:
                link.close()
            return link
        return self._connect()

    def _new(self) -> Connections[LinkT]:
        return Connections(threading.Semaphore(self._size))
