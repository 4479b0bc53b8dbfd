# Generated from src/reseal/_async/stores/sqlite.py by tools/unasync.py; edit that file instead.
"""Sessions in one SQLite file: durable, with nothing to install. One lane writes in groups, two read beside it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import suppress
from itertools import cycle
from pathlib import Path
from typing import IO

from reseal._sync.waiting import close_lane, deliver, run_on
from reseal.clock import Clock, SteadyClock, SystemClock
from reseal.core.errors import StoreUnavailable
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, StoredTenant
from reseal.sql import sqlite_file
from reseal.sql.lanes import Job, Lane, T, WritingLane
from reseal.sql.sqlite_file import Tables

READERS = 2


class SQLiteStore:
    """A store in the file ``path``, created if it is not there. Share one object in a process, not one a request."""

    def __init__(self, path: str | Path, clock: Clock | None = None) -> None:
        self._path = Path(path)
        self._clock = clock or SystemClock()
        self._steady = SteadyClock(self._clock)
        self._tables = Tables()
        self._writer: Lane | None = None
        self._readers: list[Lane] = []
        self._next_reader = cycle(self._readers)
        self._lock: IO[bytes] | None = None
        self._purged_to = 0

    def open(self) -> None:
        self._steady = SteadyClock(self._clock, floor=sqlite_file.prepare(self._path))
        self._lock = sqlite_file.lock(self._path)
        self._writer = WritingLane("reseal-writer", self._connect, deliver, self._raise_high_water)
        self._readers = [Lane(f"reseal-reader-{n}", self._connect, deliver) for n in range(READERS)]
        self._next_reader = cycle(self._readers)

    def close(self) -> None:
        with suppress(StoreUnavailable):  # not open, or it cannot be written: the last written time has to do
            self._write(self._raise_high_water)
        lanes = [*self._readers, *([self._writer] if self._writer else [])]
        self._writer, self._readers = None, []
        for lane in lanes:
            close_lane(lane)
        if self._lock is not None:
            self._lock.close()

    def insert(self, scope: Scope, new: NewSession) -> SessionRecord | None:
        return self._write(lambda db: self._tables.insert(db, scope, new, self._now(db)))

    def get(self, scope: Scope, handle: str) -> Found:
        return self._read(lambda db: Found(self._tables.get(db, scope, handle), self._now(db)))

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        each_once = tuple(dict.fromkeys(handles))
        return self._read(lambda db: self._tables.get_many(db, scope, each_once, self._now(db)))

    def rotate(self, scope: Scope, rotation: Rotation) -> SessionRecord | None:
        return self._write(lambda db: self._tables.rotate(db, scope, rotation, self._now(db)))

    def replace(self, scope: Scope, record: SessionRecord) -> bool:
        return self._write(lambda db: self._tables.replace(db, scope, record))

    def end(self, scope: Scope, handles: Iterable[str], reason: EndReason) -> tuple[str, ...]:
        each_once = tuple(dict.fromkeys(handles))
        return self._write(lambda db: self._tables.end(db, scope, each_once, reason, self._now(db)))

    def end_user(self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None) -> tuple[str, ...]:
        return self._write(lambda db: self._tables.end_user(db, scope, user_id, reason, keep, self._now(db)))

    def list_user(self, scope: Scope, user_id: str) -> tuple[SessionRecord, ...]:
        return self._read(lambda db: self._tables.list_user(db, scope, user_id, self._now(db)))

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        return self._write(lambda db: self._tables.claim(db, scope, name, until, self._now(db)))

    def purge(self, limit: int) -> int:
        after = self._purged_to
        self._purged_to, gone = self._write(lambda db: self._tables.purge(db, after, limit, self._now(db)))
        return gone

    def tenants(self) -> tuple[StoredTenant, ...]:
        return self._read(self._tables.tenants)

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        now = self._steady.now()
        return self._write(lambda db: self._tables.put_tenant(db, scope, config, now))

    def remove_tenant(self, scope: Scope) -> bool:
        return self._write(lambda db: self._tables.remove_tenant(db, scope))

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return self._read(lambda db: self._tables.keys(db, app_id))

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        return self._write(lambda db: self._tables.add_key(db, app_id, key))

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        gone = tuple(kids)
        self._write(lambda db: self._tables.remove_keys(db, app_id, gone))

    def _write(self, job: Job[T]) -> T:
        if self._writer is None:
            raise StoreUnavailable("the store is not open")
        return run_on(self._writer, job)

    def _read(self, job: Job[T]) -> T:
        if self._writer is None:
            raise StoreUnavailable("the store is not open")
        return run_on(next(self._next_reader), job)

    def _now(self, db: sqlite3.Connection) -> int:
        """Give the store's time in a lane, not earlier than what any process has written."""
        self._steady.follow(self._tables.high_water(db))
        return self._steady.now()

    def _raise_high_water(self, db: sqlite3.Connection) -> None:
        self._tables.raise_high_water(db, self._steady.now())

    def _connect(self) -> sqlite3.Connection:
        return sqlite_file.connect(self._path)
