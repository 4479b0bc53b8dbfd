# Generated from src/reseal/_async/stores/sqlite_providers.py by tools/unasync.py; edit that file instead.
"""Sessions of identity providers in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.stores.sqlite import provider_tables

if TYPE_CHECKING:
    import sqlite3

    from reseal.core.model import Scope
    from reseal.core.outbox import Reports
    from reseal.core.providers import ProviderEnd, ProviderLogout
    from reseal.stores.sqlite.batch_jobs import Job, T
    from reseal.stores.sqlite.tables import Tables


class SQLiteProviders:
    """A part of the store in SQLite."""

    if TYPE_CHECKING:
        _tables: Tables

        def _now_in(self, db: sqlite3.Connection) -> int: ...
        def _write(self, job: Job[T]) -> T: ...

    def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        return self._write(
            lambda db: provider_tables.end(self._tables, db, scope, logout, reports, self._now_in(db))
        )
