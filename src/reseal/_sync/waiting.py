"""How a thread waits for a lane. Written by hand in either colour: this is where the two differ."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from reseal.stores.sqlite.batch_jobs import Job, Outcome, T
from reseal.stores.sqlite.worker_threads import Lane


def run_on(lane: Lane, job: Job[T]) -> T:
    """Have a lane run a job, and wait for its outcome."""
    waiter: Future[T] = Future()
    lane.submit((waiter, job))
    return waiter.result()


def close_lane(lane: Lane) -> None:
    """Close a lane."""
    lane.close()


def deliver(outcomes: Iterable[Outcome]) -> None:
    """Wake the waiters."""
    for waiter, result, error in outcomes:
        if error is not None:
            waiter.set_exception(error)
        else:
            waiter.set_result(result)


def pause(seconds: float) -> None:
    """Let a moment pass."""
    time.sleep(seconds)
