# Generated from src/reseal/_async/stores/sqlite_limits.py by tools/unasync.py; edit that file instead.
"""Limited sign-ins in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.stores.sqlite import limit_tables

if TYPE_CHECKING:
    import sqlite3

    from reseal.core.model import NewSession, Scope
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Admission, SessionLimit
    from reseal.stores.sqlite.batch_jobs import Job, T
    from reseal.stores.sqlite.tables import Tables


class SQLiteLimits:
    """A part of the store in SQLite."""

    if TYPE_CHECKING:
        _tables: Tables

        def _now_in(self, db: sqlite3.Connection) -> int: ...
        def _write(self, job: Job[T]) -> T: ...

    def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        return self._write(
            lambda db: limit_tables.insert(
                self._tables, db, scope, new, limit, reports, ended_reports, self._now_in(db)
            )
        )
