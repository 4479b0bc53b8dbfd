"""How callers wait for each other. Written by hand for async and sync, which differ here.

Here calls that come while a batch is under way go together in the next one: that is one turn of the event loop, or
several. A lone caller waits for nobody.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, Generic, TypeVar

from reseal.core.errors import StoreUnavailable
from reseal.forks import PerProcess
from reseal.stores.deadlines import within

MOST: Final = 256
"""Most calls in one batch: bounds how long the first of them waits for its commit."""

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Sequence[Item]], Awaitable[Sequence[Result | Exception]]]
"""Runs a batch; gives for each item, in order, its result or the error that only its caller is to see."""


async def take(slots: asyncio.Semaphore, seconds: float) -> bool:
    """Take a slot; ``False`` if none came free in time."""
    if not slots.locked():
        return await slots.acquire()  # at once
    try:
        async with asyncio.timeout(seconds):
            return await slots.acquire()
    except TimeoutError:
        return False


class Batches(Generic[Item, Result]):
    """One batch at a time, in each process. A batch takes ``limit_s`` at most, and so does a caller's wait in all."""

    def __init__(self, run: Run[Item, Result], limit_s: float) -> None:
        self._run = run
        self._limit_s = limit_s
        self._lines: PerProcess[_Line[Item, Result]] = PerProcess(_Line)

    async def submit(self, item: Item) -> Result:
        """Go with the next batch. A caller that is cancelled, or has waited too long, leaves its item in it."""
        line, loop = self._lines.here(), asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()
        line.queue.append((item, future))
        if line.worker is None:
            line.worker = loop.create_task(self._work(line))
        alarm = loop.call_later(self._limit_s, _give_up, future)
        try:
            return await future
        finally:
            alarm.cancel()

    async def finish(self) -> None:
        """Wait until nothing is under way."""
        line = self._lines.here()
        while line.worker is not None:
            await asyncio.wait([line.worker])

    async def _work(self, line: _Line[Item, Result]) -> None:
        try:
            while line.queue:
                batch, line.queue = line.queue[:MOST], line.queue[MOST:]
                await self._go([item for item, _ in batch], [future for _, future in batch])
        finally:
            line.worker = None
            for _, future in line.queue:
                future.cancel()  # only if the worker itself was cancelled
            line.queue = []

    async def _go(self, items: Sequence[Item], futures: Sequence[asyncio.Future[Result]]) -> None:
        results: Sequence[Result | Exception]
        try:
            with within(self._limit_s):
                results = await self._run(items)
        except Exception as error:  # noqa: BLE001 - those who wait must hear of it, whatever it is
            results = [error] * len(items)
        except BaseException:
            for future in futures:
                future.cancel()
            raise
        for future, result in zip(futures, results, strict=True):
            if future.done():
                continue  # cancelled, or too late: what is written stands, and a repeat gets the same successor
            if isinstance(result, Exception):
                future.set_exception(result)
            else:
                future.set_result(result)


def _give_up(future: asyncio.Future[Result]) -> None:
    if not future.done():
        future.set_exception(StoreUnavailable("the database took longer than a call may take"))


class _Line(Generic[Item, Result]):
    """Those who wait for the next batch, and the task that looks after them."""

    def __init__(self) -> None:
        self.queue: list[tuple[Item, asyncio.Future[Result]]] = []
        self.worker: asyncio.Task[None] | None = None
