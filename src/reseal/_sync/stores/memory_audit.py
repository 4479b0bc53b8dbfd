# Generated from src/reseal/_async/stores/memory_audit.py by tools/unasync.py; edit that file instead.
"""The audit trail in memory."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from itertools import islice
from typing import Any

from reseal.core.audit import AuditRow


class MemoryAudit:
    """Rows by their numbers. ``lock`` is that of the store."""

    def __init__(self, lock: AbstractContextManager[Any]) -> None:
        self._lock = lock
        self._rows: dict[int, AuditRow] = {}

    def append(self, rows: Sequence[AuditRow]) -> bool:
        with self._lock:
            if not rows or rows[0].seq != max(self._rows, default=0) + 1:
                return False
            self._rows |= {row.seq: row for row in rows}
            return True

    def last(self) -> AuditRow | None:
        with self._lock:
            return self._rows[max(self._rows)] if self._rows else None

    def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        with self._lock:
            return tuple(islice((self._rows[seq] for seq in sorted(self._rows) if seq > after), limit))

    def remove_before(self, seq: int, limit: int) -> int:
        with self._lock:
            gone = [each for each in sorted(self._rows) if each < seq][:limit]
            for each in gone:
                del self._rows[each]
            return len(gone)
