"""The rows of one SQLite file, read and written. Shared by async and sync."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import chain, repeat
from typing import Any, Final, NamedTuple

from reseal.clock import Mark
from reseal.core import purging
from reseal.core.cases import FAR
from reseal.core.model import EndReason, Scope, SessionRecord, StoredKey, TenantChanges
from reseal.core.outbox import Reports
from reseal.core.purging import MOST_COUNTED, Backlog, Purged
from reseal.core.selection import Adopted, Before, Place
from reseal.stores import rows
from reseal.stores.rows import Key, Values
from reseal.stores.sqlite import QUERIES, event_tables

Row = tuple[Any, ...]
_USER_ID: Final = rows.COLUMNS.index("user_id")
_STEP: Final = (
    *("app_id", "tenant_id", "handle", "presented_hash", "successor_hash", "successor_sealed", "attempt_hash"),
    *("idle_ms", "ip", "user_agent", "now"),
)
"""The parameters of a step by name: those with numbers have to be named too, from Python 3.12 on."""
_NO_SESSION: Final = bytearray()
"""In place of a key: unlike any text, and quick to pass on (see :func:`rows.in_order`)."""


class Ending(NamedTuple):
    """Where sessions are ended, and why."""

    scope: Scope
    reason: EndReason
    note: str | None = None

    def values(self) -> Values:
        return rows.scoped(self.scope) | {"reason": self.reason.value, "note": self.note}


class Tables:
    """Reads and writes of one database, on a worker thread. Times come from the store's clock.

    Whoever commits a write calls :meth:`raise_high_water` in the same transaction.
    """

    def __init__(self) -> None:
        self._sql = QUERIES

    def insert(self, db: sqlite3.Connection, new: Values, now: int, reports: Reports) -> int | None:
        """Return the time at which the session begins."""
        with event_tables.together(db, reports):
            if not db.execute(self._sql["insert"], new | {"now": now}).rowcount:
                return None
            event_tables.report(db, _key(new), new["user_id"], reports, now)
        return now

    def get(self, db: sqlite3.Connection, key: Key) -> Row:
        """Return the latest time that any process has noted (ms), its era, and the columns of a session or NULLs."""
        row: Row = db.execute(self._sql["get"], key).fetchone()
        return row

    def get_many(self, db: sqlite3.Connection, keys: Sequence[Key]) -> list[Row]:
        found = {row[:3]: row[3:] for row in self._many(db, "get_many", keys)}
        return [found[key] for key in keys]

    def rotate(self, db: sqlite3.Connection, step: Row, now: int) -> Row | None:
        """Return the columns of the session after a step: its parameters, and the events that go with it."""
        *values, reports = step
        with event_tables.together(db, reports):
            row: Row | None = db.execute(self._sql["rotate"], dict(zip(_STEP, (*values, now), strict=True))).fetchone()
            if row is not None:
                event_tables.report(db, values, row[_USER_ID], reports, now)
        return row

    def rotate_many(self, db: sqlite3.Connection, steps: Sequence[Row], now: int) -> list[Row | None]:
        are_reported = any(step[-1] for step in steps)
        with event_tables.together(db, are_reported):
            rotated = self._many(db, "rotate_many", [(*step[:-1], now) for step in steps])
            found = {(*row[-2:], row[0]): row for row in rotated}
            outcomes = [found.get(step[:3]) for step in steps]
            for step, row in zip(steps, outcomes, strict=True) if are_reported else ():
                if row is not None:
                    event_tables.report(db, step, row[_USER_ID], step[-1], now)
        return outcomes

    def confirm(self, db: sqlite3.Connection, uses: Sequence[Row], now: int) -> list[Row]:
        """Confirm generations, where no other connection has yet; return what :meth:`get_many` does."""
        self._many(db, "confirm", [(*use, now) for use in uses])
        return self.get_many(db, [use[:3] for use in uses])

    def replace(self, db: sqlite3.Connection, scope: Scope, record: SessionRecord, reports: Reports, now: int) -> bool:
        values = rows.of_record(scope, record)
        with event_tables.together(db, reports):
            is_done = db.execute(self._sql["replace"], values).rowcount == 1
            if is_done:
                event_tables.report(db, _key(values), record.user_id, reports, now)
        return is_done

    def end(
        self, db: sqlite3.Connection, ending: Ending, handles: Iterable[str], reports: Reports, now: int
    ) -> tuple[str, ...]:
        values = ending.values() | {"now": now}
        with event_tables.together(db, reports):
            ended = (db.execute(self._sql["end"], values | {"handle": handle}).fetchone() for handle in handles)
            return self._ended(db, values, [row for row in ended if row is not None], reports, now)

    def end_user(self, db: sqlite3.Connection, values: Values, reports: Reports, now: int) -> tuple[str, ...]:
        values = values | {"now": now}
        with event_tables.together(db, reports):
            return self._ended(db, values, db.execute(self._sql["end_user"], values).fetchall(), reports, now)

    def list_of_user(self, db: sqlite3.Connection, name: str, values: Values, now: int) -> tuple[SessionRecord, ...]:
        found = db.execute(self._sql[name], values | {"now": now})
        return tuple(map(rows.to_record, found.fetchall()))

    def before(
        self, db: sqlite3.Connection, which: Before, after: Place, limit: int, now: int
    ) -> tuple[tuple[Scope, SessionRecord], ...]:
        name = "before" if which.user_id is None or which.tenant_id is None else "before_of_user"
        found = db.execute(self._sql[name], rows.of_before(which, after, limit) | {"now": now}).fetchall()
        return rows.with_scopes(which, found)

    def adopted(self, db: sqlite3.Connection) -> Adopted:
        return Adopted(*db.execute(self._sql["adopted"]).fetchone())

    def claim(self, db: sqlite3.Connection, scope: Scope, name: str, until: int, now: int) -> bool:
        values = rows.scoped(scope) | {"name": name, "until": until, "now": now}
        return until > now and db.execute(self._sql["claim"], values).rowcount == 1

    def purge(self, db: sqlite3.Connection, limit: int, now: int, kept_ms: int | None) -> Purged:
        claims = db.execute(self._sql["purge_claims"], {"now": now, "limit": limit}).rowcount
        due = db.execute(self._sql["due"], {"now": now, "limit": limit}).fetchall()
        looks = [(purging.next_look(ends, ended, now, kept_ms), rowid) for rowid, ends, ended in due]
        gone = [(rowid,) for look, rowid in looks if look is None]
        db.executemany(self._sql["purge"], gone)
        db.executemany(self._sql["put_off"], [look for look in looks if look[0] is not None])
        return Purged(max(claims, len(due)), len(gone))

    def backlog(self, db: sqlite3.Connection, now: int) -> Backlog:
        count, first = db.execute(self._sql["backlog"], {"now": now, "most": MOST_COUNTED}).fetchone()
        return Backlog(count, 0 if first is None else max(0, now - first))

    def live_sessions(self, db: sqlite3.Connection, now: int) -> int:
        return int(db.execute(self._sql["live_sessions"], {"now": now}).fetchone()[0])

    def changed_tenants(self, db: sqlite3.Connection, since: int, limit: int) -> TenantChanges:
        (revision,) = db.execute(self._sql["tenant_revision"]).fetchone()
        if revision == since:
            return TenantChanges(revision, since, ())
        after = rows.changed_after(revision, since)
        (end,) = db.execute(self._sql["end_of_tenants_page"], {"after": after, "skipped": limit - 1}).fetchone()
        page = rows.tenants_page(revision, after, end)
        there = db.execute(self._sql["changed_tenants"], page.values).fetchall()
        gone = db.execute(self._sql["gone_tenants"], page.values).fetchall()
        return rows.tenant_changes(page, there, gone)

    def put_tenant(self, db: sqlite3.Connection, scope: Scope, config: bytes, now: int) -> bool:
        revision = self._next_revision(db)
        created = db.execute(self._sql["insert_tenant"], (*scope, config.decode(), now, revision)).rowcount == 1
        if not created:
            db.execute(self._sql["update_tenant"], (config.decode(), revision, *scope))
        return created

    def remove_tenant(self, db: sqlite3.Connection, scope: Scope) -> bool:
        db.execute(self._sql["remove_sessions"], tuple(scope))
        db.execute(self._sql["remove_cases"], rows.scoped(scope) | {"until": FAR})
        if scope.tenant_id == "public":
            db.execute(self._sql["remove_keys"], (scope.app_id,))
        existed = db.execute(self._sql["remove_tenant"], tuple(scope)).rowcount == 1
        if existed:
            db.execute(self._sql["note_gone_tenant"], (*scope, self._next_revision(db)))
        return existed

    def keys(self, db: sqlite3.Connection, app_id: str) -> tuple[StoredKey, ...]:
        return tuple(StoredKey(*row) for row in db.execute(self._sql["keys"], (app_id,)).fetchall())

    def add_key(self, db: sqlite3.Connection, app_id: str, key: StoredKey) -> bool:
        return db.execute(self._sql["add_key"], (app_id, *key)).rowcount == 1

    def replace_key(self, db: sqlite3.Connection, app_id: str, key: StoredKey, secret: bytes) -> bool:
        return db.execute(self._sql["replace_key"], (secret, app_id, key.kid, key.secret)).rowcount == 1

    def remove_keys(self, db: sqlite3.Connection, app_id: str, kids: Iterable[str]) -> None:
        db.executemany(self._sql["remove_key"], [(app_id, kid) for kid in kids])

    def high_water(self, db: sqlite3.Connection) -> tuple[int, int]:
        """Read the latest time that any process has noted (ms), and its era."""
        at, _, _, era = db.execute(self._sql["high_water"]).fetchone()
        return at, era

    def raise_high_water(self, db: sqlite3.Connection, mark: Mark) -> None:
        """Note the time, so that a session refused as expired stays so when the clock is moved back meanwhile."""
        db.execute(self._sql["raise_high_water"], mark._asdict())

    def begin_era(self, db: sqlite3.Connection, now: int) -> tuple[int, int]:
        """Set the time, also back, and with it what is dated later; give the numbers of sessions and keys."""
        db.execute(self._sql["begin_era"], (now,))
        db.execute(self._sql["redate_events"], {"now": now})
        db.execute(self._sql["redate_cases"], {"now": now})
        sessions = db.execute(self._sql["redate_sessions"], {"now": now}).rowcount
        return sessions, db.execute(self._sql["redate_keys"], {"now": now}).rowcount

    def _ended(
        self, db: sqlite3.Connection, scope: Values, ended: Iterable[Row], reports: Reports, now: int
    ) -> tuple[str, ...]:
        handles = []
        for handle, user_id in ended:
            event_tables.report(db, _key(scope | {"handle": handle}), user_id, reports, now)
            handles.append(handle)
        return tuple(handles)

    def _next_revision(self, db: sqlite3.Connection) -> int:
        return int(db.execute(self._sql["next_tenant_revision"]).fetchone()[0])

    def _many(self, db: sqlite3.Connection, name: str, several: Sequence[Row]) -> list[Row]:
        room = 1 << (len(several) - 1).bit_length()
        values = [*chain.from_iterable(several), *repeat(_NO_SESSION, (room - len(several)) * len(several[0]))]
        return db.execute(_with_room(self._sql[name], room), values).fetchall()


def _key(values: Values) -> Key:
    return values["app_id"], values["tenant_id"], values["handle"]


@cache
def _with_room(sql: str, room: int) -> str:
    """Repeat the row of ``VALUES``. With powers of two there are few statements, and each is prepared once."""
    return re.sub(r"\(VALUES (\([?, ]+\))\)", lambda found: f"(VALUES {', '.join([found[1]] * room)})", sql)
