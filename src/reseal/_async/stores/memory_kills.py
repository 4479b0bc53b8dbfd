"""The kill list in memory, and what is written with a change."""

from __future__ import annotations

import os
from bisect import bisect_right
from itertools import islice
from typing import TYPE_CHECKING

from reseal._async.stores.polled_news import AsyncPolledNews
from reseal.core.kill_list import EPOCH_BYTES, PAGE, Kill, KillEntry, KillPage, Subject, first_number, position
from reseal.core.outbox import ID_BYTES, Occurrence

if TYPE_CHECKING:
    from reseal._async.ports import AsyncNews
    from reseal.clock import SteadyClock
    from reseal.core.kill_list import KillCursor
    from reseal.core.model import Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.forks import OwnLock
    from reseal.stores.event_queue import EventQueue


class AsyncMemoryKills:
    """A part of the store in memory."""

    if TYPE_CHECKING:
        _lock: OwnLock
        _steady: SteadyClock
        _events: EventQueue

    def __init__(self) -> None:
        super().__init__()
        self._epoch = os.urandom(EPOCH_BYTES).hex()
        self._last_kill = 0
        self._kills: list[tuple[Scope, KillEntry]] = []

    async def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:
        with self._lock:
            place, now = position(after, self._epoch), self._steady.now()
            first = bisect_right(self._kills, place, key=lambda kept: kept[1].seq)
            found = [each for its, each in self._kills[first:] if its == scope and each.until > now]
            last = found[limit - 1].seq if len(found) > limit else max(self._last_kill, place)
            return KillPage(self._epoch, place, last, tuple(found[:limit]), len(found) > limit, now)

    def news(self) -> AsyncNews:
        return AsyncPolledNews()

    async def purge_kills(self, limit: int) -> int:
        with self._lock:
            now = self._steady.now()
            gone = set(islice((each.seq for _, each in self._kills if each.until <= now), limit))
            self._kills = [kept for kept in self._kills if kept[1].seq not in gone] if gone else self._kills
            return len(gone)

    def _report(self, scope: Scope, record: SessionRecord, reports: Reports, now: int) -> None:
        for report in reports:
            if isinstance(report, Kill):
                self._kill(scope, record.handle, report, now)
            else:
                self._events.append(Occurrence(scope, record.handle, record.user_id, report, os.urandom(ID_BYTES)), now)

    def _kill(self, scope: Scope, handle: str, kill: Kill, now: int) -> None:
        self._last_kill = first_number(self._last_kill, now)
        entry = KillEntry(self._last_kill, Subject.SESSION, handle, scope.tenant_id, None, now + kill.kept_ms)
        self._kills.append((scope, entry))
