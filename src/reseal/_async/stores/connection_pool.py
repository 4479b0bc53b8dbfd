"""Connections to one database server, for any driver: bounded in number and in patience."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from reseal._async.stores.batching import take
from reseal.core.errors import StoreUnavailable
from reseal.forks import PerProcess
from reseal.stores.deadlines import left

T = TypeVar("T")


class AsyncPooled(Protocol):
    """A connection."""

    @property
    def is_reusable(self) -> bool:
        """Whether it is open, and in no transaction; asks nobody."""

    async def close(self) -> None:
        """Close it."""


LinkT = TypeVar("LinkT", bound=AsyncPooled)


@dataclass(frozen=True, slots=True)
class AsyncConnections(Generic[LinkT]):
    """Those of one process."""

    slots: asyncio.Semaphore
    idle: list[LinkT] = field(default_factory=list)


class AsyncConnectionPool(Generic[LinkT]):
    """At most ``size`` connections, opened by ``connect`` when they are needed. A broken one is not lent again."""

    def __init__(self, connect: Callable[[], Awaitable[LinkT]], size: int, wait_s: float, name: str) -> None:
        self._connect = connect
        self._size = size
        self._wait_s = wait_s
        self._name = name
        self._processes: PerProcess[AsyncConnections[LinkT]] = PerProcess(self._new)
        self._is_open = False

    async def open(self) -> None:
        """Begin with no connection, maybe in another event loop."""
        await self.close()
        self._processes.renew()
        self._is_open = True

    async def close(self) -> None:
        self._is_open = False
        idle = self._processes.here().idle
        with suppress(IndexError):
            while True:
                await idle.pop().close()

    async def forget(self, which: Callable[[LinkT], bool]) -> None:
        """Close idle connections."""
        idle = self._processes.here().idle
        for link in tuple(filter(which, idle)):
            with suppress(ValueError):  # somebody has taken it
                idle.remove(link)
                await link.close()

    async def run(self, work: Callable[[LinkT], Awaitable[T]]) -> T:
        """Lend a connection for the time of ``work``."""
        if not self._is_open:
            raise StoreUnavailable("the store is not open")
        connections = self._processes.here()
        if not await take(connections.slots, left(self._wait_s)):
            raise StoreUnavailable(f"{self._name}: all connections of the pool are busy")
        try:
            return await self._run(connections.idle, work)
        finally:
            connections.slots.release()

    async def _run(self, idle: list[LinkT], work: Callable[[LinkT], Awaitable[T]]) -> T:
        link = await self._lend(idle)
        try:
            return await work(link)
        finally:
            if self._is_open and link.is_reusable:
                idle.append(link)
            else:
                await link.close()

    async def _lend(self, idle: list[LinkT]) -> LinkT:
        with suppress(IndexError):  # there was none, or another thread has taken it
            while not (link := idle.pop()).is_reusable:
                await link.close()
            return link
        return await self._connect()

    def _new(self) -> AsyncConnections[LinkT]:
        return AsyncConnections(asyncio.Semaphore(self._size))
