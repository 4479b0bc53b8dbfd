"""How a test does several things at once. Written by hand for async and sync, which differ here."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def together(calls: Iterable[Callable[[], T]]) -> list[T | BaseException]:
    """Begin all calls at once; give each one's result, or the error that it raised, in order."""
    waiting = list(calls)
    barrier = threading.Barrier(len(waiting))

    def outcome(call: Callable[[], T]) -> T | BaseException:
        barrier.wait()
        try:
            return call()
        except BaseException as error:  # noqa: BLE001 - it is the outcome
            return error

    with ThreadPoolExecutor(len(waiting)) as pool:
        return list(pool.map(outcome, waiting))
