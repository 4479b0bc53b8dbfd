"""How callers wait for each other. Written by hand for async and sync, which differ here.

Here each thread runs its own statement on a connection of its own; the server commits them in groups.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from reseal.stores.deadlines import within

Item = TypeVar("Item")
Result = TypeVar("Result")
Run = Callable[[Sequence[Item]], Sequence[Result | Exception]]
"""Runs a batch; gives for each item, in order, its result or the error that only its caller is to see."""


def take(slots: threading.Semaphore, seconds: float) -> bool:
    """Take a slot; ``False`` if none came free in time."""
    return slots.acquire(timeout=seconds)


class Batches(Generic[Item, Result]):
    """Batches of one, which take ``limit_s`` at most."""

    def __init__(self, run: Run[Item, Result], limit_s: float) -> None:
        self._run = run
        self._limit_s = limit_s

    def submit(self, item: Item) -> Result:
        """Run it now."""
        with within(self._limit_s):
            result = self._run([item])[0]
        if isinstance(result, Exception):
            raise result
        return result

    def finish(self) -> None:
        """Nothing is under way but what other threads wait for themselves."""
