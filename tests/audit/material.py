"""Databases with an audit trail, and what can be done to them from outside."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import psycopg

from reseal._async.ports import AsyncStore
from reseal._async.ports.audit import AsyncAuditStore
from reseal.core.audit import AuditRow
from reseal.core.events import EventName
from reseal.core.model import Device, Scope
from reseal.core.outbox import Occurrence, Report
from reseal.testing.material import hash_of
from tests.support.mortal import Mortal


class Tables:
    """The audit trail of a database, as its owner changes it: ``execute`` runs a statement about the table."""

    def __init__(self, place: Path | str) -> None:
        self._place = place

    def execute(self, statement: str, *values: object) -> None:
        """Run a statement in which ``TABLE`` is the table, with ``?`` for each value."""
        if isinstance(self._place, Path):
            with closing(sqlite3.connect(self._place, isolation_level=None)) as db:
                db.execute(statement.replace("TABLE", "audit"), values)
        else:
            with psycopg.connect(self._place, autocommit=True) as connection:
                text = statement.replace("TABLE", "reseal_audit").replace("?", "%s")
                connection.execute(text.encode(), values)

    def put(self, row: AuditRow) -> None:
        self.execute("DELETE FROM TABLE WHERE seq = ?", row.seq)
        self.execute("INSERT INTO TABLE (seq, entry, hash) VALUES (?, ?, ?)", *row)

    def remove(self, *seqs: int) -> None:
        for seq in seqs:
            self.execute("DELETE FROM TABLE WHERE seq = ?", seq)


async def report(store: AsyncStore, *numbers: int, user_id: str | None = "alice", by: str | None = None) -> None:
    """Write an event for each number."""
    for number in numbers:
        told = Report(
            name=EventName.SESSION_REVOKED,
            reason="signed_out",
            device=Device("192.0.2.7", "Browser/1"),
            note=f"note {number}",
            by=by,
        )
        event_id = hash_of(f"event {number}")[:16]
        await store.append_event(Occurrence(Scope("app", "tenant"), f"handle-{number}", user_id, told, event_id))


class MortalAuditor(Mortal):
    """The same for a store with an audit trail."""

    @property
    def audit(self) -> AsyncAuditStore:
        return MortalAudit(self.inner.audit, self)


class MortalAudit:
    """Its audit trail."""

    def __init__(self, inner: AsyncAuditStore, store: Mortal) -> None:
        self._inner = inner
        self._store = store

    async def append(self, rows: Sequence[AuditRow]) -> bool:
        return await self._store.count(self._inner.append, rows)

    async def last(self) -> AuditRow | None:
        return await self._store.count(self._inner.last)

    async def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        return await self._store.count(self._inner.read, after, limit)

    async def remove_before(self, seq: int, limit: int) -> int:
        return await self._store.count(self._inner.remove_before, seq, limit)
