# Generated from src/reseal/_async/stores/sqlite_cases.py by tools/unasync.py; edit that file instead.
"""Theft cases in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.stores import rows
from reseal.stores.sqlite import case_tables

if TYPE_CHECKING:
    from reseal.core.cases import CaseFilter, CasePlace, StoredCase
    from reseal.core.model import Scope
    from reseal.stores.sqlite.batch_jobs import Job, T


class SQLiteCases:
    """A part of the store in SQLite."""

    if TYPE_CHECKING:

        def _write(self, job: Job[T]) -> T: ...
        def _read(self, job: Job[T]) -> T: ...

    def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        return self._read(lambda db: case_tables.read(db, scope, handle)) if rows.encodable(handle) else None

    def write_case(self, scope: Scope, case: StoredCase) -> bool:
        return self._write(lambda db: case_tables.write(db, scope, case))

    def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        if not rows.encodable(which.user_id or ""):
            return ()
        return self._read(lambda db: case_tables.page(db, scope, which, after, limit))

    def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        if not rows.encodable(user_id or ""):
            return 0
        return self._write(lambda db: case_tables.remove(db, scope, until, user_id))
