# Generated from src/reseal/_async/stores/sqlite.py by tools/unasync.py; edit that file instead.
"""Sessions in one SQLite file: durable, with nothing to install. One thread writes in groups, two others read.

Steps of several lines, and reads of one session each, go as one statement if they come together.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

from reseal._sync.stores.sqlite_audit import SQLiteAudit
from reseal._sync.stores.sqlite_cases import SQLiteCases
from reseal._sync.stores.sqlite_counts import SQLiteCounts
from reseal._sync.stores.sqlite_ends import SQLiteEnds
from reseal._sync.stores.sqlite_limits import SQLiteLimits
from reseal._sync.stores.sqlite_providers import SQLiteProviders
from reseal._sync.waiting import close_thread, resolve, run_on
from reseal.clock import Clock, SteadyClock, SystemClock
from reseal.core.confirmation import Seen, is_unconfirmed
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, TenantChanges
from reseal.core.notes import Note
from reseal.core.outbox import RETENTION, EventPage, Occurrence, PurgedEvents, Reports, Retention
from reseal.core.purging import Purged
from reseal.core.rotation import begun
from reseal.core.selection import TENANTS_PAGE, Adopted, Before, Place, UserPlace
from reseal.core.store_time import Repaired, Times
from reseal.stores import rows
from reseal.stores.rows import Key
from reseal.stores.sqlite import connection as sqlite_connection
from reseal.stores.sqlite import event_tables
from reseal.stores.sqlite import file as sqlite_file
from reseal.stores.sqlite.batch_jobs import Job, Kind, T
from reseal.stores.sqlite.connection import FileConnection, Identity
from reseal.stores.sqlite.tables import Row, Tables
from reseal.stores.sqlite.worker_threads import WorkerThread, WriterThread


class SQLiteStore(SQLiteCases, SQLiteCounts, SQLiteEnds, SQLiteLimits, SQLiteProviders):
    """A store in the file ``path``, created if it is not there. Share one object in a process, not one a request.

    ``looks_only``: nothing is changed in a file that has to be there already; what would write is ``StoreUnavailable``.
    """

    def __init__(self, path: str | Path, clock: Clock | None = None, *, looks_only: bool = False) -> None:
        self._looks_only = looks_only
        self._named = Path(path)
        self._path = self._named
        self._clock = clock or SystemClock()
        self._steady = SteadyClock(self._clock)
        self._era = 0
        self._tables = Tables()
        self._rotations: Kind[Row, Row | None] = Kind(self._rotate, self._rotate_many)
        self._confirmations: Kind[Row, Row] = Kind(lambda db, use: self._confirm(db, [use])[0], self._confirm)
        self._lookups: Kind[Key, Row] = Kind(self._tables.get, self._tables.get_many)
        self._writer: WorkerThread | None = None
        self._finder: WorkerThread | None = None
        self._lister: WorkerThread | None = None
        self._lock: IO[bytes] | None = None
        self._identity: Identity | None = None
        self.audit = SQLiteAudit(self._write, self._read)

    def open(self) -> None:
        self._leave()  # if it is opened a second time, for example by a lifespan after an import
        self._path = self._named.absolute()  # a process may change its folder later
        prepare = sqlite_file.look if self._looks_only else sqlite_file.prepare
        mark, self._era = prepare(self._path)
        self._steady = SteadyClock(self._clock, mark)
        self._identity = sqlite_connection.identity_of(self._path)
        if self._lock is None and not self._looks_only:
            self._lock = sqlite_file.lock(self._path)
        self._writer = WriterThread("reseal-writer", self._connect, resolve, self._raise_high_water)
        self._finder = WorkerThread("reseal-finder", self._connect, resolve)
        self._lister = WorkerThread("reseal-lister", self._connect, resolve)

    def close(self) -> None:
        if not self._looks_only:
            with suppress(StoreUnavailable):  # closed or not writable: fall back to the last recorded time
                self._write(self._raise_high_water)
        self._leave()
        lock, self._lock = self._lock, None
        if lock is not None:
            lock.close()

    def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        values = rows.of_new(scope, new)
        now = self._write(lambda db: self._tables.insert(db, values, self._now_in(db), reports))
        return None if now is None else begun(new, now)

    def get(self, scope: Scope, handle: str) -> Found:
        row = run_on(self._finder, self._lookups.job(_key(scope, handle)))
        return _found(row, self._now(row[:2]))

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        each_once = tuple(dict.fromkeys(handles))
        keys = [_key(scope, handle) for handle in each_once]
        found = self._read(lambda db: [self._tables.get(db, key) for key in keys])
        now = self._now(*(row[:2] for row in found))
        return {handle: _found(row, now) for handle, row in zip(each_once, found, strict=True)}

    def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        row = self._write(self._rotations.job((*rows.in_order(scope, rotation), reports)))
        return None if row is None else rows.to_rotated(row, rotation)

    def confirm(self, scope: Scope, seen: Seen) -> Found:
        found = self.get(scope, seen.handle)
        if found.record is None or not is_unconfirmed(found.record, seen, found.now):
            return found
        row = self._write(self._confirmations.job(seen.values(scope)))
        return _found(row, self._now(row[:2]))

    def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        return self._write(lambda db: self._tables.replace(db, scope, record, reports, self._now_in(db)))

    def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.encodable(user_id):
            return ()
        values = rows.of_user(scope, user_id, after, limit)
        return self._read(lambda db: self._tables.list_of_user(db, "list_user", values, self._now_in(db)))

    def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.encodable(user_id):
            return ()
        values = rows.of_ended(scope, user_id, within, limit)
        return self._read(lambda db: self._tables.list_of_user(db, "list_ended", values, self._now_in(db)))

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        if which.user_id is not None and not rows.encodable(which.user_id):
            return ()
        return self._read(lambda db: self._tables.before(db, which, after, limit, self._now_in(db)))

    def adopted(self) -> Adopted:
        return self._read(self._tables.adopted)

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        return self._write(lambda db: self._tables.claim(db, scope, name, until, self._now_in(db)))

    def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        return self._write(lambda db: self._tables.purge(db, limit, self._now_in(db), kept_ms))

    def times(self) -> Times:
        return self._read(lambda db: Times(self._now_in(db), self._clock.wall()))

    def repair_clock(self) -> Repaired:
        return self._write(self._repair_clock)

    def append_event(self, occurrence: Occurrence) -> bool:
        return self._write(lambda db: event_tables.append(db, occurrence, self._now_in(db)))

    def read_events(self, consumer: str, limit: int) -> EventPage:
        acknowledged = self._read(lambda db: event_tables.find_consumer(db, consumer, self._now_in(db)))
        if acknowledged is None:
            acknowledged = self._write(lambda db: event_tables.note_consumer(db, consumer, self._now_in(db)))
        return self._read(lambda db: event_tables.read(db, acknowledged, limit))

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        self._write(lambda db: event_tables.acknowledge(db, consumer, cursor))

    def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        return self._write(lambda db: event_tables.purge(db, limit, retention, self._now_in(db)))

    def read_note(self, name: str) -> Note | None:
        return self._read(lambda db: event_tables.read_note(db, name))

    def write_note(self, name: str, version: int, text: str) -> bool:
        return self._write(lambda db: event_tables.write_note(db, name, version, text))

    def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        return self._read(lambda db: self._tables.changed_tenants(db, since, limit))

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        now = self._steady.now()
        return self._write(lambda db: self._tables.put_tenant(db, scope, config, now))

    def remove_tenant(self, scope: Scope) -> bool:
        return self._write(lambda db: self._tables.remove_tenant(db, scope))

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return self._read(lambda db: self._tables.keys(db, app_id))

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        return self._write(lambda db: self._tables.add_key(db, app_id, key))

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        return self._write(lambda db: self._tables.replace_key(db, app_id, key, secret))

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        gone = tuple(kids)
        self._write(lambda db: self._tables.remove_keys(db, app_id, gone))

    def _write(self, job: Job[T]) -> T:
        return run_on(self._writer, job)

    def _read(self, job: Job[T]) -> T:
        """Run a read of many rows, on a thread of its own so that reads of one session do not wait for it."""
        return run_on(self._lister, job)

    def _leave(self) -> None:
        threads = (self._finder, self._lister, self._writer)
        self._finder = self._lister = self._writer = None
        for thread in threads:
            if thread is not None:
                close_thread(thread)

    def _now(self, *noted: Row) -> int:
        """Return the store's time, not earlier than any process has noted in this era."""
        for at, era in noted:
            if era > self._era:  # somebody has repaired the time
                self._era = era
                self._steady.begin_again(at)
            elif era == self._era:
                self._steady.follow(at)
        return self._steady.now()

    # -- on a worker thread -----------------------------------------------------------------------------------------

    def _rotate(self, db: sqlite3.Connection, step: Row) -> Row | None:
        return self._tables.rotate(db, step, self._now_in(db))

    def _rotate_many(self, db: sqlite3.Connection, steps: Sequence[Row]) -> Sequence[Row | None]:
        return self._tables.rotate_many(db, steps, self._now_in(db))

    def _confirm(self, db: sqlite3.Connection, several: Sequence[Row]) -> Sequence[Row]:
        return self._tables.confirm(db, several, self._now_in(db))

    def _now_in(self, db: sqlite3.Connection) -> int:
        return self._now(self._tables.high_water(db))

    def _raise_high_water(self, db: sqlite3.Connection) -> None:
        self._now_in(db)
        self._tables.raise_high_water(db, self._steady.mark())

    def _repair_clock(self, db: sqlite3.Connection) -> Repaired:
        before, after = self._now_in(db), self._clock.wall()
        return Repaired(before, after, *self._tables.begin_era(db, after))

    def _connect(self) -> FileConnection:
        connect = sqlite_file.connect_to_look if self._looks_only else sqlite_file.connect
        return connect(self._path, self._identity)


def _key(scope: Scope, handle: str) -> Key:
    """Return the key of a session; a handle that SQLite cannot store becomes the empty one, which no session has."""
    return *scope, handle if rows.encodable(handle) else ""


def _found(row: Row, now: int) -> Found:
    return Found(None if row[2] is None else rows.to_record(row[2:]), now)
