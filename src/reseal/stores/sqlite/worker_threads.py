"""Threads that own one SQLite connection each, and the group commit of the one that writes.

Jobs queue up while a batch is being written and then form the next one, a single transaction with one ``fsync``: a lone
writer does not wait, thirty-two writers share a commit, and a statement if possible. A job that fails is rolled back
alone; if the commit fails, every job of the batch fails, because none of them is durable.

Shared by async and sync: the caller brings the object that waits for the outcome (``waiting`` in ``_async`` and
``_sync``).
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final

from reseal import forks
from reseal.core.errors import StoreUnavailable
from reseal.forks import PerProcess
from reseal.stores.sqlite.batch_jobs import Outcome, Submission, attempts, wrapped
from reseal.stores.sqlite.connection import FileConnection

BATCH: Final = 256
"""A transaction with so many jobs takes no more: bounds how long the first of them waits for its commit."""

REST_PATIENCE: Final = 15.0
"""Seconds that a fork waits for the batches under way; after that the child may not use the file."""

CLOSED: Final = "the store is not open"

Resolve = Callable[[Iterable[Outcome]], None]


class WorkerThread:
    """One thread with one connection, in each process. Jobs run in the order in which they were given.

    SQLite wants no connection to be open across a fork, not even unused: what it knows of the file's locks would be
    the parent's. So the connection is closed before a fork and opened again after it.
    """

    def __init__(self, name: str, connect: Callable[[], FileConnection], resolve: Resolve) -> None:
        self._name = name
        self._connect = connect
        self._resolve = resolve
        self._workers = PerProcess(_Worker)
        self._closed = False
        forks.rests_at_fork(self)

    @property
    def pending(self) -> dict[Any, list[Submission]]:
        """What an event loop is about to submit; each entry belongs to the thread of its loop."""
        return self._workers.here().pending

    def submit(self, *submissions: Submission) -> None:
        """Queue jobs; each outcome is passed to its waiter from this thread."""
        worker = self._workers.here()
        with worker.gate:
            if not self._closed:
                if worker.thread is None:
                    worker.thread = threading.Thread(target=self._run, args=(worker,), name=self._name, daemon=True)
                    worker.thread.start()
                for first in range(0, len(submissions), BATCH):
                    worker.queue.put(submissions[first : first + BATCH])
                return
        self._resolve([(waiter, None, StoreUnavailable(CLOSED)) for waiter, _ in submissions])

    def close(self) -> None:
        """Finish what is queued, close the connection and wait for the thread."""
        worker = self._workers.here()
        with worker.gate:
            self._closed = True
            worker.queue.put(None)
        if worker.thread is not None:
            worker.thread.join()
        forks.forget(self)

    def rest(self) -> None:
        """Close the connection between two batches, and hold up the next one, until :meth:`wake`."""
        worker = self._workers.here()
        worker.rests = worker.using.acquire(timeout=REST_PATIENCE)
        if worker.rests:
            worker.disconnect()

    def wake(self) -> None:
        worker = self._workers.here()
        if worker.rests:
            worker.using.release()

    def run_batch(self, connection: FileConnection, batch: list[Submission]) -> list[Outcome]:
        """Run jobs that only read."""
        connection.require_file()
        return [outcome for some in attempts(connection, batch) for outcome in some]

    def _run(self, worker: _Worker) -> None:
        while (batch := worker.take()) is not None:
            with worker.using:
                outcomes = self._outcomes(worker, batch)
            self._resolve(outcomes)
        with worker.using:
            worker.disconnect()

    def _outcomes(self, worker: _Worker, batch: list[Submission]) -> list[Outcome]:
        try:
            worker.connection = worker.connection or self._connect()
            return self.run_batch(worker.connection, batch)
        except Exception as error:  # noqa: BLE001 - those who wait must hear of it, whatever it is
            return [(waiter, None, wrapped(error)) for waiter, _ in batch]


class _Worker:
    """The thread itself in one process, and what it shares with the threads that submit."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.queue: queue.SimpleQueue[Sequence[Submission] | None] = queue.SimpleQueue()
        self.pending: dict[Any, list[Submission]] = {}
        self.thread: threading.Thread | None = None
        self.connection: FileConnection | None = None
        self.using = threading.Lock()
        """Held while the connection is at work."""
        self.rests = False

    def disconnect(self) -> None:
        """Close the connection, if there is one."""
        connection, self.connection = self.connection, None
        if connection is not None:
            connection.close()

    def take(self) -> list[Submission] | None:
        """Wait for a batch; ``None`` at the end."""
        first = self.queue.get()
        if first is None:
            return None
        batch = list(first)
        while len(batch) < BATCH and not self.queue.empty():
            following = self.queue.get()
            if following is None:
                self.queue.put(None)
                break
            batch += following
        return batch


class WriterThread(WorkerThread):
    """The only thread that writes: each batch is one transaction, made durable before it is acknowledged.

    ``before_commit`` writes what is to be written once for a whole batch.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], FileConnection],
        resolve: Resolve,
        before_commit: Callable[[FileConnection], None],
    ) -> None:
        self._before_commit = before_commit
        super().__init__(name, connect, resolve)

    def run_batch(self, connection: FileConnection, batch: list[Submission]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            connection.find_files()
            connection.execute("BEGIN IMMEDIATE")
            for some in attempts(connection, batch):
                if not connection.in_transaction:
                    raise sqlite3.OperationalError("the database took the whole transaction back")
                outcomes += some
            self._before_commit(connection)
            connection.execute("COMMIT")
            connection.require_files()  # what was written to a file that nobody will read is not acknowledged
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [(waiter, None, wrapped(error)) for waiter, _ in batch]
        return outcomes
