"""How a thread waits for a worker thread. Written by hand for async and sync, which differ here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from concurrent.futures import Future
from typing import Any

from reseal.core.errors import StoreUnavailable
from reseal.stores.sqlite.batch_jobs import Job, Outcome, T
from reseal.stores.sqlite.worker_threads import CLOSED, WorkerThread


def run_on(thread: WorkerThread | None, job: Job[T]) -> T:
    """Run a job on the worker thread of an open store and wait for its outcome."""
    if thread is None:
        raise StoreUnavailable(CLOSED)
    waiter: Future[T] = Future()
    thread.submit((waiter, job))
    return waiter.result()


def close_thread(thread: WorkerThread) -> None:
    """Close a worker thread."""
    thread.close()


def resolve(outcomes: Iterable[Outcome]) -> None:
    """Wake the waiters."""
    for waiter, result, error in outcomes:
        if error is not None:
            waiter.set_exception(error)
        else:
            waiter.set_result(result)


def pause(seconds: float) -> None:
    """Let a moment pass."""
    time.sleep(seconds)
