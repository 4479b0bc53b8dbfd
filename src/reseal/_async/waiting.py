"""How a task waits for a worker thread. Written by hand for async and sync, which differ here."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import Any, Final

from reseal.core.errors import StoreUnavailable
from reseal.stores.sqlite.batch_jobs import Job, Outcome, T
from reseal.stores.sqlite.worker_threads import CLOSED, WorkerThread

BRIEFLY: Final = 0.5
"""Seconds that a request waits for what it can do without."""
_going: Final = set[asyncio.Task[object]]()
"""What goes on by itself: the event loop alone does not keep a task."""


async def run_on(thread: WorkerThread | None, job: Job[T]) -> T:
    """Run a job on the worker thread of an open store and wait for its outcome.

    The jobs of one iteration of the event loop are submitted together. A thread that starts on the first of them would
    commit it alone, and compete with this one for the interpreter while the others are still being made.
    """
    if thread is None:
        raise StoreUnavailable(CLOSED)
    loop, pending = asyncio.get_running_loop(), thread.pending
    if loop not in pending:
        pending[loop] = []
        loop.call_soon(_hand_over, thread, loop)
    future: asyncio.Future[T] = loop.create_future()
    pending[loop].append((future, job))
    return await future


async def close_thread(thread: WorkerThread) -> None:
    """Close a worker thread without blocking the event loop."""
    _hand_over(thread, asyncio.get_running_loop())
    await asyncio.to_thread(thread.close)


def resolve(outcomes: Iterable[Outcome]) -> None:
    """Wake the waiters, with one call into each loop however many of its tasks wait."""
    by_loop: dict[asyncio.AbstractEventLoop, list[Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome[0].get_loop()].append(outcome)
    for loop, its_outcomes in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_settle, its_outcomes)


def _hand_over(thread: WorkerThread, loop: asyncio.AbstractEventLoop) -> None:
    thread.submit(*thread.pending.pop(loop, ()))


def _settle(outcomes: list[Outcome]) -> None:
    for future, result, error in outcomes:
        if future.done():
            continue  # cancelled: the write stands, its response is lost, and a repeat gets the same successor
        if error is not None:
            future.set_exception(error)
        else:
            future.set_result(result)


async def at_once(calls: Sequence[Callable[[], Awaitable[None]]]) -> None:
    """Have several calls done at once."""
    if len(calls) == 1:
        await calls[0]()
    else:
        await asyncio.gather(*(call() for call in calls))


async def pause(seconds: float) -> None:
    """Let a moment pass."""
    await asyncio.sleep(seconds)


async def briefly(work: Callable[[], Coroutine[Any, Any, object]]) -> None:
    """Wait for work, but not until a database or service is given up that does not answer: it then goes on by itself.

    Raises what it raises meanwhile.
    """
    task = asyncio.create_task(work())
    _going.add(task)
    task.add_done_callback(_going.discard)
    if (await asyncio.wait({task}, timeout=BRIEFLY))[0]:
        task.result()
