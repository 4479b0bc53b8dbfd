"""Figures of the sessions in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.purging import MOST_COUNTED, Backlog
from reseal.core.rotation import why_ended

if TYPE_CHECKING:
    from reseal.clock import SteadyClock
    from reseal.core.model import Scope, SessionRecord
    from reseal.forks import OwnLock


class AsyncMemoryCounts:
    """A part of the store in memory."""

    if TYPE_CHECKING:
        _lock: OwnLock
        _steady: SteadyClock
        _sessions: dict[Scope, dict[str, SessionRecord]]
        _due: list[tuple[int, Scope, str]]

    async def backlog(self) -> Backlog:
        with self._lock:
            now = self._steady.now()
            due = [at for at, _, _ in self._due if at <= now]
            return Backlog(min(len(due), MOST_COUNTED), now - min(due, default=now))

    async def live_sessions(self) -> int:
        with self._lock:
            now = self._steady.now()
            return sum(not why_ended(record, now) for its in self._sessions.values() for record in its.values())
