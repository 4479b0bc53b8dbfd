"""The kill list in SQLite."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async.stores.polled_news import AsyncPolledNews
from reseal.core.kill_list import PAGE
from reseal.stores import kill_rows
from reseal.stores.sqlite import QUERIES

if TYPE_CHECKING:
    import sqlite3

    from reseal._async.ports import AsyncNews
    from reseal.core.kill_list import KillCursor, KillPage
    from reseal.core.model import Scope
    from reseal.stores.sqlite.batch_jobs import Job, T


class AsyncSQLiteKills:
    """A part of the store in SQLite."""

    if TYPE_CHECKING:

        def _now_in(self, db: sqlite3.Connection) -> int: ...
        async def _read(self, job: Job[T]) -> T: ...
        async def _write(self, job: Job[T]) -> T: ...

    async def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:
        def read(db: sqlite3.Connection) -> KillPage | None:
            found = db.execute(QUERIES["kills"], kill_rows.of_page(scope, after, limit)).fetchall()
            return kill_rows.to_page(found, scope, after, limit, self._now_in(db))

        return await self._read(read) or await self.kill_page(scope, None, limit)

    def news(self) -> AsyncNews:
        return AsyncPolledNews()

    async def purge_kills(self, limit: int) -> int:
        def purge(db: sqlite3.Connection) -> int:
            return db.execute(QUERIES["purge_kills"], {"now": self._now_in(db), "limit": limit}).rowcount

        return await self._write(purge)
