# Generated from src/reseal/_async/stores/sqlite_audit.py by tools/unasync.py; edit that file instead.
"""The audit trail in an SQLite file."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from reseal.core.audit import AuditRow
from reseal.stores.sqlite import QUERIES
from reseal.stores.sqlite.batch_jobs import Job

Run = Callable[[Job[Any]], Any]


class SQLiteAudit:
    """The rows of one file. ``write`` and ``read`` run a job on the threads of the store."""

    def __init__(self, write: Run, read: Run) -> None:
        self._write = write
        self._read = read

    def append(self, rows: Sequence[AuditRow]) -> bool:
        return bool(self._write(lambda db: _append(db, rows)))

    def last(self) -> AuditRow | None:
        return self._read(_last)  # type: ignore[no-any-return]

    def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        found = self._read(lambda db: db.execute(QUERIES["audit"], (after, limit)).fetchall())
        return tuple(map(AuditRow._make, found))

    def remove_before(self, seq: int, limit: int) -> int:
        return int(self._write(lambda db: db.execute(QUERIES["remove_audit"], (seq, limit)).rowcount))


def _append(db: sqlite3.Connection, rows: Sequence[AuditRow]) -> bool:
    last = _last(db)
    if not rows or rows[0].seq != (last.seq if last else 0) + 1:
        return False
    db.executemany(QUERIES["append_audit"], rows)
    return True


def _last(db: sqlite3.Connection) -> AuditRow | None:
    found = db.execute(QUERIES["last_audit"]).fetchone()
    return None if found is None else AuditRow._make(found)
