# Generated from src/reseal/_async/stores/sqlite_ends.py by tools/unasync.py; edit that file instead.
"""Ends of sessions in SQLite, where one writer at a time has the file: those of a user are ended in portions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal._sync.stores.sqlite_kills import SQLiteKills
from reseal.stores import rows
from reseal.stores.sqlite.tables import Ending

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable

    from reseal.core.model import EndReason, Scope
    from reseal.core.outbox import Reports
    from reseal.stores.sqlite.batch_jobs import Job, T
    from reseal.stores.sqlite.tables import Tables

AT_ONCE: Final = 5_000
"""Sessions of a user that one transaction ends: other writers wait for some hundredths of a second at most."""


class SQLiteEnds(SQLiteKills):
    """A part of the store in SQLite."""

    if TYPE_CHECKING:
        _tables: Tables

        def _now_in(self, db: sqlite3.Connection) -> int: ...
        def _write(self, job: Job[T]) -> T: ...

    def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        each_once, ending = tuple(filter(rows.encodable, dict.fromkeys(handles))), Ending(scope, reason, note)
        return self._write(lambda db: self._tables.end(db, ending, each_once, reports, self._now_in(db)))

    def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        if not rows.encodable(user_id):
            return ()
        kept = keep if keep is not None and rows.encodable(keep) else None
        values = Ending(scope, reason).values() | {"user_id": user_id, "keep": kept, "limit": AT_ONCE}
        ended: tuple[str, ...] = ()
        while True:
            some = self._write(lambda db: self._tables.end_user(db, values, reports, self._now_in(db)))
            ended += some
            if len(some) < AT_ONCE:
                return ended
