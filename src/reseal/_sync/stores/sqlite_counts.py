# Generated from src/reseal/_async/stores/sqlite_counts.py by tools/unasync.py; edit that file instead.
"""Figures of the sessions in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

    from reseal.core.purging import Backlog
    from reseal.stores.sqlite.batch_jobs import Job, T
    from reseal.stores.sqlite.tables import Tables


class SQLiteCounts:
    """A part of the store in SQLite."""

    if TYPE_CHECKING:
        _tables: Tables

        def _now_in(self, db: sqlite3.Connection) -> int: ...
        def _read(self, job: Job[T]) -> T: ...

    def backlog(self) -> Backlog:
        return self._read(lambda db: self._tables.backlog(db, self._now_in(db)))

    def live_sessions(self) -> int:
        return self._read(lambda db: self._tables.live_sessions(db, self._now_in(db)))
