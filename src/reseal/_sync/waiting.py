"""How a thread waits for a worker thread. Written by hand for async and sync, which differ here."""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Iterable, Sequence

from reseal.core.errors import StoreUnavailable
from reseal.stores.sqlite.batch_jobs import Job, Outcome, T
from reseal.stores.sqlite.worker_threads import CLOSED, WorkerThread


def run_on(thread: WorkerThread | None, job: Job[T]) -> T:
    """Run a job on the worker thread of an open store and wait for its outcome."""
    if thread is None:
        raise StoreUnavailable(CLOSED)
    waiter: queue.SimpleQueue[Outcome] = queue.SimpleQueue()  # a ``Future`` wakes its thread in Python, and takes longer
    thread.submit((waiter, job))
    _, result, error = waiter.get()
    if error is not None:
        raise error
    return result  # type: ignore[no-any-return]  # threads carry outcomes of every type


def close_thread(thread: WorkerThread) -> None:
    """Close a worker thread."""
    thread.close()


def resolve(outcomes: Iterable[Outcome]) -> None:
    """Wake the waiters."""
    for outcome in outcomes:
        outcome[0].put(outcome)


def at_once(calls: Sequence[Callable[[], None]]) -> None:
    """Have several calls done, here one after the other: the threads of the caller are what is done at once."""
    for call in calls:
        call()


def pause(seconds: float) -> None:
    """Let a moment pass."""
    time.sleep(seconds)


def briefly(work: Callable[[], object]) -> None:
    """Do work. A thread waits for it to its end, even if it could do without."""
    work()
