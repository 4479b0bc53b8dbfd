"""Threads that own one SQLite connection each, and the group commit of the one that writes.

Jobs queue up while the batch before them is under way and then go as one transaction with one ``fsync``: a lone
writer waits for nobody, thirty-two of them share a commit, and a statement where they can. A job that fails takes only
itself back; if the commit fails, every job of the batch is told so, because none of them is durable.

Colourless: each outcome goes to the waiter that its colour brought along (``waiting`` in either colour).
"""

from __future__ import annotations

import queue
import sqlite3
import threading
from collections.abc import Callable, Iterable
from typing import Any, Final

from reseal.core.errors import StoreUnavailable
from reseal.sql.jobs import Outcome, Submission, attempts, wrapped

BATCH: Final = 256
"""Most jobs in one transaction: bounds how long the first of them waits for its commit."""

Deliver = Callable[[Iterable[Outcome]], None]


class Lane:
    """One thread with one connection. Jobs run in the order in which they were given."""

    def __init__(self, name: str, connect: Callable[[], sqlite3.Connection], deliver: Deliver) -> None:
        self._connect = connect
        self._deliver = deliver
        self._queue: queue.SimpleQueue[Submission | None] = queue.SimpleQueue()
        self.gathered: dict[Any, list[Submission]] = {}
        """What an event loop is about to submit; each entry belongs to the thread of its loop."""
        self._gate = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def submit(self, *submissions: Submission) -> None:
        """Queue jobs; each outcome is delivered to its waiter from the lane's thread."""
        with self._gate:
            if not self._closed:
                for submission in submissions:
                    self._queue.put(submission)
                return
        self._deliver([(waiter, None, StoreUnavailable("the store is closed")) for waiter, _ in submissions])

    def close(self) -> None:
        """Finish what is queued, close the connection and wait for the thread."""
        with self._gate:
            self._closed = True
            self._queue.put(None)
        self._thread.join()

    def run_batch(self, connection: sqlite3.Connection, batch: list[Submission]) -> list[Outcome]:
        """Run jobs that only read."""
        return [outcome for some in attempts(connection, batch) for outcome in some]

    def _run(self) -> None:
        connection: sqlite3.Connection | None = None
        while (batch := self._take()) is not None:
            try:
                connection = connection or self._connect()
                outcomes = self.run_batch(connection, batch)
            except Exception as error:  # noqa: BLE001 - those who wait must hear of it, whatever it is
                outcomes = [(waiter, None, wrapped(error)) for waiter, _ in batch]
            self._deliver(outcomes)
        if connection is not None:
            connection.close()

    def _take(self) -> list[Submission] | None:
        first = self._queue.get()
        if first is None:
            return None
        batch = [first]
        while len(batch) < BATCH:
            try:
                following = self._queue.get_nowait()
            except queue.Empty:
                break
            if following is None:
                self._queue.put(None)
                break
            batch.append(following)
        return batch


class WritingLane(Lane):
    """The lane of the one writer: each batch is one transaction, made durable before anybody is told.

    ``before_commit`` writes what is to be written once for a whole batch.
    """

    def __init__(
        self,
        name: str,
        connect: Callable[[], sqlite3.Connection],
        deliver: Deliver,
        before_commit: Callable[[sqlite3.Connection], None],
    ) -> None:
        self._before_commit = before_commit
        super().__init__(name, connect, deliver)

    def run_batch(self, connection: sqlite3.Connection, batch: list[Submission]) -> list[Outcome]:
        outcomes: list[Outcome] = []
        try:
            connection.execute("BEGIN IMMEDIATE")
            for some in attempts(connection, batch):
                if not connection.in_transaction:
                    raise sqlite3.OperationalError("the database took the whole transaction back")
                outcomes += some
            self._before_commit(connection)
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            return [(waiter, None, wrapped(error)) for waiter, _ in batch]
        return outcomes
