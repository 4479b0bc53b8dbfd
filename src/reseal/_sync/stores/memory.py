# Generated from src/reseal/_async/stores/memory.py by tools/unasync.py; edit that file instead.
"""A store in memory: for tests, and for trying things out. It implements the full contract except persistence."""

from __future__ import annotations

import heapq
import hmac
from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from reseal._sync.stores.memory_audit import MemoryAudit
from reseal._sync.stores.memory_cases import MemoryCases
from reseal._sync.stores.memory_counts import MemoryCounts
from reseal._sync.stores.memory_limits import MemoryLimits
from reseal._sync.stores.memory_providers import MemoryProviders
from reseal.clock import Clock, SteadyClock, SystemClock
from reseal.core.confirmation import Seen, is_unconfirmed
from reseal.core.errors import ConfigurationError
from reseal.core.model import (
    EndReason,
    Found,
    NewSession,
    Rotation,
    Scope,
    SessionRecord,
    StoredKey,
    StoredTenant,
    TenantChanges,
)
from reseal.core.notes import Note
from reseal.core.outbox import RETENTION, EventPage, Occurrence, PurgedEvents, Reports, Retention
from reseal.core.purging import Purged, first_look, next_look
from reseal.core.rotation import advanced, begun, ended, redated, why_ended
from reseal.core.selection import TENANTS_PAGE, Adopted, Before, Place, UserPlace
from reseal.core.store_time import Repaired, Times
from reseal.forks import OwnLock
from reseal.stores.event_queue import EventQueue

_FOREIGN: Final = (
    "sessions in memory are those of the process that opened them, and this one was forked from it: neither would know "
    "what the other changed; name a file or a PostgreSQL database, or open the sessions after the fork"
)


class MemoryStore(MemoryCases, MemoryCounts, MemoryLimits, MemoryProviders):
    """Sessions in a dictionary. Safe to share between threads and tasks of one process."""

    def __init__(self, clock: Clock | None = None) -> None:
        super().__init__()
        self._clock = clock or SystemClock()
        self._steady = SteadyClock(self._clock)
        self._lock = OwnLock(_FOREIGN)
        self._sessions: dict[Scope, dict[str, SessionRecord]] = {}
        self._due: list[tuple[int, Scope, str]] = []
        """A heap: when to look at which session next."""
        self._adopted_at: dict[tuple[Scope, str], int] = {}
        self._claims: dict[tuple[Scope, str], int] = {}
        self._keys: dict[str, dict[str, StoredKey]] = {}
        self._tenants: dict[Scope, tuple[StoredTenant, int]] = {}
        """Tenants, oldest first, and their revisions."""
        self._gone: dict[Scope, int] = {}
        self._events = EventQueue()
        self._notes: dict[str, Note] = {}
        self.audit = MemoryAudit(self._lock)
        self._revision = 1

    def open(self) -> None:
        """Have this process use it. Raises ``ConfigurationError`` in a child that was forked while it was open."""
        if self._lock.is_foreign:
            raise ConfigurationError((f"database_uri: {_FOREIGN}",))
        self._lock.own()

    def close(self) -> None:
        """Keeps everything, so that a test can open it again."""
        self._lock.give_up()

    def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        with self._lock:
            return self._insert(scope, new, reports)

    def get(self, scope: Scope, handle: str) -> Found:
        with self._lock:
            return Found(self._sessions.get(scope, {}).get(handle), self._steady.now())

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        with self._lock:
            sessions, now = self._sessions.get(scope, {}), self._steady.now()
            return {handle: Found(sessions.get(handle), now) for handle in handles}

    def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        with self._lock:
            record, now = self._sessions.get(scope, {}).get(rotation.handle), self._steady.now()
            if record is None or why_ended(record, now):
                return None
            if not hmac.compare_digest(record.current_hash, rotation.presented_hash):
                return None
            if record.policy is not None:
                return None
            rotated = advanced(record, rotation, now)
            self._sessions[scope][rotation.handle] = rotated
            self._report(scope, rotated, reports, now)
            return rotated

    def confirm(self, scope: Scope, seen: Seen) -> Found:
        with self._lock:
            record, now = self._sessions.get(scope, {}).get(seen.handle), self._steady.now()
            if record is not None and is_unconfirmed(record, seen, now):
                record = replace(record, confirmed_at=now, version=record.version + 1)
                self._sessions[scope][seen.handle] = record
            return Found(record, now)

    def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        with self._lock:
            return self._replace(scope, record, reports)

    def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        with self._lock:
            return tuple(h for h in dict.fromkeys(handles) if self._end(scope, h, reason, reports, note))

    def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        with self._lock:
            of_user = [r.handle for r in self._sessions.get(scope, {}).values() if r.user_id == user_id]
            return tuple(h for h in of_user if h != keep and self._end(scope, h, reason, reports))

    def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        with self._lock:
            now = self._steady.now()
            records = (r for r in self._sessions.get(scope, {}).values() if r.user_id == user_id)
            placed = {UserPlace(r.created_at, r.handle): r for r in records if not why_ended(r, now)}
            return tuple(placed[place] for place in sorted(placed) if place > after)[:limit]

    def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        with self._lock:
            now = self._steady.now()
            over = [r for r in self._sessions.get(scope, {}).values() if r.user_id == user_id and why_ended(r, now)]
            dated = [(r.expires_at if r.ended_at is None else r.ended_at, r) for r in over]
            latest_first = sorted(dated, key=lambda each: (-each[0], each[1].handle))
            return tuple([record for at, record in latest_first if at > now - within][:limit])

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        with self._lock:
            now = self._steady.now()
            everywhere = ((scope, r) for scope, its in self._sessions.items() for r in its.values())
            meant = (each for each in everywhere if self._is_before(which, *each) and not why_ended(each[1], now))
            placed = sorted((Place(scope.tenant_id, record.handle), scope, record) for scope, record in meant)
            return tuple((scope, record) for place, scope, record in placed if place > after)[:limit]

    def adopted(self) -> Adopted:
        with self._lock:
            last = max(self._adopted_at.values(), default=None)
            return Adopted(len(self._adopted_at), last)

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        with self._lock:
            return self._claim(scope, name, until)

    def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        with self._lock:
            now = self._steady.now()
            claims = [claim for claim, until in self._claims.items() if until <= now][:limit]
            for claim in claims:
                del self._claims[claim]
            looked_at = removed = 0
            while looked_at < limit and self._due and self._due[0][0] <= now:
                looked_at += 1
                removed += self._look(*heapq.heappop(self._due)[1:], now, kept_ms)
            return Purged(max(len(claims), looked_at), removed)

    def times(self) -> Times:
        with self._lock:
            return Times(self._steady.now(), self._clock.wall())

    def repair_clock(self) -> Repaired:
        with self._lock:
            before, now = self._steady.now(), self._clock.wall()
            self._steady.begin_again(now)
            sessions = [(scope, record) for scope, its in self._sessions.items() for record in its.values()]
            keys = [(app_id, key) for app_id, its in self._keys.items() for key in its.values()]
            self._events.redate(now)
            self._redate_cases(now)
            redated = sum(self._redate(*session, now) for session in sessions)
            return Repaired(before, now, redated, sum(self._redate_key(*key, now) for key in keys))

    def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        with self._lock:
            since = since if since <= self._revision else 0
            put = sorted(at for _, at in self._tenants.values() if at > since)
            removed = sorted(at for at in self._gone.values() if at > since)
            until = min([self._revision, *put[limit - 1 : limit], *removed[limit - 1 : limit]])
            there = [tenant for tenant, at in self._tenants.values() if since < at <= until]
            gone = [scope for scope, at in self._gone.items() if 0 < since < at <= until]
            return TenantChanges(until, since, tuple(there), tuple(gone), until < self._revision)

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        with self._lock:
            before = self._tenants.get(scope)
            created_at = self._steady.now() if before is None else before[0].created_at
            self._revision += 1
            self._tenants[scope] = StoredTenant(scope, config, created_at), self._revision
            self._gone.pop(scope, None)
            return before is None

    def remove_tenant(self, scope: Scope) -> bool:
        with self._lock:
            self._cases.pop(scope, None)
            for handle in self._sessions.pop(scope, {}):
                self._adopted_at.pop((scope, handle), None)
            if scope.tenant_id == "public":
                self._keys.pop(scope.app_id, None)
            if self._tenants.pop(scope, None) is None:
                return False
            self._revision += 1
            self._gone[scope] = self._revision
            return True

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        with self._lock:
            return tuple(self._keys.get(app_id, {}).values())

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        with self._lock:
            keys = self._keys.setdefault(app_id, {})
            if key.kid in keys:
                return False
            keys[key.kid] = key
            return True

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        with self._lock:
            keys = self._keys.get(app_id, {})
            there = keys.get(key.kid)
            if there is None or not hmac.compare_digest(there.secret, key.secret):
                return False
            keys[key.kid] = there._replace(secret=secret)
            return True

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        with self._lock:
            for kid in kids:
                self._keys.get(app_id, {}).pop(kid, None)

    def append_event(self, occurrence: Occurrence) -> bool:
        with self._lock:
            return self._events.append(occurrence, self._steady.now())

    def read_events(self, consumer: str, limit: int) -> EventPage:
        with self._lock:
            return self._events.read(consumer, limit)

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        with self._lock:
            self._events.acknowledge(consumer, cursor)

    def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        with self._lock:
            return self._events.purge(limit, retention, self._steady.now())

    def read_note(self, name: str) -> Note | None:
        with self._lock:
            return self._notes.get(name)

    def write_note(self, name: str, version: int, text: str) -> bool:
        with self._lock:
            if version != self._notes.get(name, Note(0, "")).version:
                return False
            self._notes[name] = Note(version + 1, text)
            return True

    def _insert(self, scope: Scope, new: NewSession, reports: Reports) -> SessionRecord | None:
        sessions = self._sessions.setdefault(scope, {})
        if new.handle in sessions:
            return None
        sessions[new.handle] = record = begun(new, self._steady.now())
        heapq.heappush(self._due, (record.created_at + first_look(new), scope, new.handle))
        self._report(scope, record, reports, record.created_at)
        return record

    def _look(self, scope: Scope, handle: str, now: int, kept_ms: int | None) -> bool:
        """Remove a session that is due, or put it off; says whether it is gone by this."""
        record = self._sessions.get(scope, {}).get(handle)
        if record is None:
            return False  # it went with its tenant
        look = next_look(record.expires_at, record.ended_at, now, kept_ms)
        if look is None:
            del self._sessions[scope][handle]
            self._adopted_at.pop((scope, handle), None)
        else:
            heapq.heappush(self._due, (look, scope, handle))
        return look is None

    def _is_before(self, which: Before, scope: Scope, record: SessionRecord) -> bool:
        if scope.app_id != which.app_id or which.tenant_id not in {None, scope.tenant_id}:
            return False
        if which.user_id not in {None, record.user_id}:
            return False
        adopted_at = self._adopted_at.get((scope, record.handle), -1)
        return record.rotated_at < which.moment or adopted_at >= which.moment

    def _redate(self, scope: Scope, record: SessionRecord, now: int) -> bool:
        changed = redated(record, now)
        if changed is record:
            return False
        self._sessions[scope][record.handle] = replace(changed, version=record.version + 1)
        adopted_at = self._adopted_at.get((scope, record.handle))
        if adopted_at is not None:
            self._adopted_at[scope, record.handle] = min(adopted_at, now)
        heapq.heappush(self._due, (now, scope, record.handle))
        return True

    def _redate_key(self, app_id: str, key: StoredKey, now: int) -> bool:
        if key.created_at <= now:
            return False
        self._keys[app_id][key.kid] = key._replace(created_at=now, signs_from=min(key.signs_from, now))
        return True

    def _end(self, scope: Scope, handle: str, reason: EndReason, reports: Reports, note: str | None = None) -> bool:
        record, now = self._sessions.get(scope, {}).get(handle), self._steady.now()
        if record is None or record.ended_at is not None:
            return False
        changed = ended(record, reason, now, note)
        self._sessions[scope][handle] = replace(changed, version=record.version + 1)
        self._report(scope, record, reports, now)
        return True
