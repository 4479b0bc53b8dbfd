# Generated from src/reseal/_async/stores/memory_limits.py by tools/unasync.py; edit that file instead.
"""Limited sign-ins in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from reseal._sync.stores.memory_kills import MemoryKills
from reseal.core.model import EndReason
from reseal.core.rotation import why_ended
from reseal.core.session_policy import Admission

if TYPE_CHECKING:
    from reseal.core.model import NewSession, Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import SessionLimit


class MemoryLimits(MemoryKills):
    """A part of the store in memory."""

    if TYPE_CHECKING:
        _sessions: dict[Scope, dict[str, SessionRecord]]
        _adopted_at: dict[tuple[Scope, str], int]

        def _insert(self, scope: Scope, new: NewSession, reports: Reports) -> SessionRecord | None: ...
        def _end(self, scope: Scope, handle: str, reason: EndReason, reports: Reports) -> bool: ...

    def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        with self._lock:
            now = self._steady.now()
            of_user = [r for r in self._sessions.get(scope, {}).values() if r.user_id == new.user_id]
            evicted = limit.evicted(each for each in of_user if not why_ended(each, now))
            if evicted is None or new.handle in self._sessions.get(scope, {}):
                return Admission(None, (), is_full=evicted is None)
            if limit.ending and not self._replace(scope, *limit.ending):
                return Admission(None, (), is_stale=True)
            for handle in evicted:
                self._end(scope, handle, EndReason.LIMIT, ended_reports)
            return Admission(self._insert(scope, new, reports), evicted)

    def _replace(self, scope: Scope, record: SessionRecord, reports: Reports) -> bool:
        """Write a row if it has still the version that was read."""
        current = self._sessions.get(scope, {}).get(record.handle)
        if current is None or current.version != record.version:
            return False
        self._sessions[scope][record.handle] = replace(record, version=record.version + 1)
        if record.generation > current.generation + 1:
            self._adopted_at[scope, record.handle] = record.rotated_at
        self._report(scope, record, reports, self._steady.now())
        return True
