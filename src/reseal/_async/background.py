"""Work that goes on beside requests. Written by hand for async and sync: here it is a task of the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

Going = Callable[[], bool]
"""Says whether the work is to go on."""


class AsyncBackground:
    """One piece of work of this process, begun at its first use and again after a fork or in another event loop."""

    def __init__(self, name: str, work: Callable[[Going], Awaitable[None]]) -> None:
        self._name = name
        self._work = work
        self._task: asyncio.Task[None] | None = None

    def goes_on(self) -> bool:
        """Return whether the work goes on in the event loop that runs here."""
        task = self._task
        return task is not None and not task.done() and task.get_loop() is asyncio.get_running_loop()

    def ensure(self) -> None:
        """Begin the work unless it goes on. Needs a running event loop."""
        if not self.goes_on():
            self._task = asyncio.get_running_loop().create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End the work."""
        task, self._task = self._task, None
        if task is not None and task.get_loop() is asyncio.get_running_loop():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        await self._work(lambda: True)
