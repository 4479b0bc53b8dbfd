"""Theft cases in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.stores import rows
from reseal.stores.sqlite import case_tables

if TYPE_CHECKING:
    from reseal.core.cases import CaseFilter, CasePlace, StoredCase
    from reseal.core.model import Scope
    from reseal.stores.sqlite.batch_jobs import Job, T


class AsyncSQLiteCases:
    """A part of the store in SQLite."""

    if TYPE_CHECKING:

        async def _write(self, job: Job[T]) -> T: ...
        async def _read(self, job: Job[T]) -> T: ...

    async def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        return await self._read(lambda db: case_tables.read(db, scope, handle)) if rows.encodable(handle) else None

    async def write_case(self, scope: Scope, case: StoredCase) -> bool:
        return await self._write(lambda db: case_tables.write(db, scope, case))

    async def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        if not rows.encodable(which.user_id or ""):
            return ()
        return await self._read(lambda db: case_tables.page(db, scope, which, after, limit))

    async def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        if not rows.encodable(user_id or ""):
            return 0
        return await self._write(lambda db: case_tables.remove(db, scope, until, user_id))
