# Generated from src/reseal/_async/stores/server_store.py by tools/unasync.py; edit that file instead.
"""Sessions on a database server, in what all servers share. Calls that come together go as one statement.

A server of another make has queries of the same names, with the same parameters, whose rows have the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from reseal._sync.stores.batched_confirmations import BatchedConfirmations, Use
from reseal._sync.stores.batched_reads import BatchedReads
from reseal._sync.stores.batched_writes import BatchedWrites
from reseal._sync.stores.batching import Batches
from reseal._sync.stores.server_audit import ServerAudit
from reseal._sync.stores.server_cases import ServerCases
from reseal._sync.stores.server_counts import ServerCounts
from reseal._sync.stores.server_events import ServerEvents
from reseal._sync.stores.server_limits import ServerLimits
from reseal._sync.stores.server_providers import ServerProviders
from reseal._sync.stores.servers import Server, ServerLink, Row
from reseal.clock import Clock, Mark
from reseal.core import purging
from reseal.core.cases import FAR
from reseal.core.confirmation import Seen
from reseal.core.errors import StoreUnavailable
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, TenantChanges
from reseal.core.notes import Note
from reseal.core.outbox import RETENTION, EventPage, Occurrence, PurgedEvents, Reports, Retention
from reseal.core.purging import Purged
from reseal.core.selection import TENANTS_PAGE, Adopted, Before, Place, UserPlace
from reseal.core.store_time import Repaired, Times
from reseal.stores import rows
from reseal.stores.batching import Insert, Result, Rotate
from reseal.stores.deadlines import within
from reseal.stores.rows import Key, Values
from reseal.stores.server_time import ServerTime

REMOVED_AT_ONCE: Final = 5_000
"""Sessions of a removed tenant that go in one statement, so that none takes too long."""


class ServerStore(ServerCases, ServerCounts, ServerLimits, ServerProviders):
    """A store in a database of a server. Share one object in a process, not one a request.

    The time is the server's, taken in each statement. It does not go back: see :class:`ServerTime`. ``clock`` takes
    its place in tests. ``looks_only``: the schema has to be there, and the time is not noted. ``is_of_one_row`` tells
    whether an error of the server is that of one of several rows.
    """

    def __init__(
        self,
        server: Server,
        is_of_one_row: Callable[[StoreUnavailable], bool],
        *,
        clock: Clock | None,
        looks_only: bool,
    ) -> None:
        self._looks_only = looks_only
        self._server = server
        self._time = ServerTime(clock)
        self._events = ServerEvents(self._server, self._timed)
        self.audit = ServerAudit(self._server)
        self._writes = BatchedWrites(self._fetch, is_of_one_row, self._time.see)
        reads = BatchedReads(self._fetch, self._time.see)
        self._confirms = BatchedConfirmations(self._fetch, self._time.see, reads)
        self._gets: Batches[Key, Found] = Batches(reads.get, server.limit_s)
        self._confirmations: Batches[Use, Found] = Batches(self._confirm, server.limit_s)
        self._inserts: Batches[Insert, SessionRecord | None] = Batches(self._insert, server.limit_s)
        self._rotations: Batches[Rotate, SessionRecord | None] = Batches(self._rotate, server.limit_s)

    def open(self) -> None:
        self._server.open(upgrade=not self._looks_only)
        [(*mark, era)] = self._server.fetch("noted", {})
        self._time.begin(Mark(*mark), era)
        if not self._looks_only:
            self._note_time()

    def close(self) -> None:
        self._gets.finish()
        self._confirmations.finish()
        self._inserts.finish()
        self._rotations.finish()
        if not self._looks_only:
            with suppress(StoreUnavailable):  # closed or unreachable: fall back to the last recorded time
                self._note_time()
        self._server.close()

    def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        return self._inserts.submit((scope, new, reports))

    def get(self, scope: Scope, handle: str) -> Found:
        return self._gets.submit((*scope, handle if rows.storable(handle) else ""))

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        meant = dict.fromkeys(handles)
        values = rows.scoped(scope) | {"handles": [handle for handle in meant if rows.storable(handle)]}
        found = self._server.fetch("get_many", self._timed(values))
        now, wall = found[0][:2]
        self._time.see(now, wall)
        records = {row[2]: rows.to_record(row[2:]) for row in found if row[2] is not None}
        for handle in records:
            rows.require_asked(handle, meant)
        return {handle: Found(records.get(handle), now) for handle in meant}

    def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        if not rows.storable(rotation.handle):
            return None
        return self._rotations.submit((scope, rotation, reports))

    def confirm(self, scope: Scope, seen: Seen) -> Found:
        if not rows.storable(seen.handle):
            return self.get(scope, seen.handle)
        return self._confirmations.submit(seen.values(scope))

    def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        if not rows.storable(record.handle):
            return False
        values = rows.of_record(scope, record)
        return bool(self._write("replace", self._timed(values) if reports else values, reports))

    def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        meant = [handle for handle in dict.fromkeys(handles) if rows.storable(handle)]
        if not meant:
            return ()
        values = rows.scoped(scope) | {"handles": meant, "reason": reason.value, "note": note}
        ended = {row[0] for row in self._write("end", self._timed(values), reports)}
        for handle in ended:
            rows.require_asked(handle, meant)
        return tuple(handle for handle in meant if handle in ended)

    def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        if not rows.storable(user_id):
            return ()
        kept = keep if keep is not None and rows.storable(keep) else None
        values = rows.scoped(scope) | {"user_id": user_id, "reason": reason.value, "keep": kept}
        ended = self._write("end_user", self._timed(values), reports)
        for _, its_user in ended:
            rows.require_asked(its_user, (user_id,))
        return tuple(row[0] for row in ended)

    def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.storable(user_id):
            return ()
        values = self._timed(rows.of_user(scope, user_id, after, limit))
        records = tuple(map(rows.to_record, self._server.fetch("list_user", values)))
        for record in records:
            rows.require_asked(record.user_id, (user_id,))
        return records

    def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.storable(user_id):
            return ()
        values = self._timed(rows.of_ended(scope, user_id, within, limit))
        records = tuple(map(rows.to_record, self._server.fetch("list_ended", values)))
        for record in records:
            rows.require_asked(record.user_id, (user_id,))
        return records

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        if which.user_id is not None and not rows.storable(which.user_id):
            return ()
        name = "before" if which.user_id is None or which.tenant_id is None else "before_of_user"
        values = self._timed(rows.of_before(which, after, limit))
        return rows.with_scopes(which, self._server.fetch(name, values))

    def adopted(self) -> Adopted:
        [found] = self._server.fetch("adopted", {})
        return Adopted(*found)

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        values = rows.scoped(scope) | {"name": name, "until": until}
        with within(self._server.limit_s):
            done = self._server.fetch("claim", self._timed(values))
            self._written()
        return bool(done)

    def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        kept, is_early = (purging.KEPT, False) if kept_ms is None else (kept_ms, True)
        values = {"limit": limit, "kept_ms": kept, "again_ms": purging.LOOK_AGAIN, "early": is_early}
        with within(self._server.limit_s):
            claims = self._server.fetch("purge_claims", self._timed({"limit": limit}))
            [(due, gone)] = self._server.fetch("purge", self._timed(values))
        return Purged(max(len(claims), due), gone)

    def times(self) -> Times:
        [(now, wall)] = self._server.fetch("times", self._timed({}))
        self._time.see(now, wall)
        return Times(now, wall)

    def repair_clock(self) -> Repaired:
        repaired = self._server.run_patiently(lambda link: _repair_clock(link, self._timed({})))
        self._note_time()
        return repaired

    def append_event(self, occurrence: Occurrence) -> bool:
        with within(self._server.limit_s):
            done = self._events.append(occurrence)
            self._written()
        return done

    def read_events(self, consumer: str, limit: int) -> EventPage:
        with within(self._server.limit_s):
            return self._events.read(consumer, limit)

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        self._events.acknowledge(consumer, cursor)

    def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        with within(self._server.limit_s):
            return self._events.purge(limit, retention)

    def read_note(self, name: str) -> Note | None:
        found = self._server.fetch("note", {"name": name})
        return Note(*found[0]) if found else None

    def write_note(self, name: str, version: int, text: str) -> bool:
        values = {"name": name, "version": version, "text": text}
        return bool(self._server.fetch("update_note" if version else "insert_note", values))

    def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        with within(self._server.limit_s):
            [(revision,)] = self._server.fetch("tenant_revision", {})
            if revision == since:
                return TenantChanges(revision, since, ())
            after = rows.changed_after(revision, since)
            [(end,)] = self._server.fetch("end_of_tenants_page", {"after": after, "skipped": limit - 1})
            page = rows.tenants_page(revision, after, end)
            there = self._server.fetch("changed_tenants", page.values)
            return rows.tenant_changes(page, there, self._server.fetch("gone_tenants", page.values))

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        values = rows.scoped(scope) | {"config": config.decode()}
        [(created,)] = self._server.fetch("put_tenant", self._timed(values))
        return bool(created)

    def remove_tenant(self, scope: Scope) -> bool:
        return self._server.run(lambda link: _remove_tenant(link, scope))

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return tuple(StoredKey(*row) for row in self._server.fetch("keys", {"app_id": app_id}))

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        return bool(self._server.fetch("add_key", {"app_id": app_id} | key._asdict()))

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        values = {"app_id": app_id, "kid": key.kid, "old_secret": key.secret, "secret": secret}
        return bool(self._server.fetch("replace_key", values))

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        self._server.fetch("remove_keys", {"app_id": app_id, "kids": list(kids)})

    def _write(self, name: str, values: Values, reports: Reports) -> list[Row]:
        values = rows.reported(values, reports)
        with within(self._server.limit_s):
            done = self._server.fetch(rows.query(name, values), values)
            self._written()
        return done

    # -- batches ----------------------------------------------------------------------------------------------------

    def _fetch(self, name: str, values: Values) -> list[Row]:
        return self._server.fetch(name, self._timed(values))

    def _insert(self, batch: Sequence[Insert]) -> list[Result]:
        results = self._writes.insert(batch)
        self._written()
        return results

    def _rotate(self, batch: Sequence[Rotate]) -> list[Result]:
        results = self._writes.rotate(batch)
        self._written()
        return results

    def _confirm(self, batch: Sequence[Use]) -> list[Found]:
        results = self._confirms.confirm(batch)
        self._written()
        return results

    # -- time -------------------------------------------------------------------------------------------------------

    def _timed(self, values: Values) -> Values:
        return values | self._time.values()

    def _written(self) -> None:
        """Once a second, note the time for all. A refused write counts too: it may have been refused for its age."""
        if self._time.is_to_be_noted():
            with suppress(StoreUnavailable):  # what was written stands, and the next second's note will do
                self._note_time()

    def _note_time(self) -> None:
        for now, wall, era in self._server.fetch("note_time", self._timed(self._time.mark())):
            self._time.see_era(now, wall, era)


def _repair_clock(link: ServerLink, values: Values) -> Repaired:
    """Begin an era, and leave nothing in the future."""
    [(before, now)] = link.fetch("begin_era", values)
    sessions = link.write("redate_sessions", {"now": now})
    link.write("redate_events", {"now": now})
    link.write("redate_cases", {"now": now})
    return Repaired(before, now, sessions, link.write("redate_keys", {"now": now}))


def _remove_tenant(link: ServerLink, scope: Scope) -> bool:
    """Remove all or nothing, in statements of which each is short."""
    values = rows.scoped(scope)
    with link.transaction():
        link.settle()
        existed = link.fetch("remove_tenant", values)
        if scope.tenant_id == "public":
            link.fetch("remove_app_keys", values)
        link.fetch("remove_cases", values | {"until": FAR})
        gone = REMOVED_AT_ONCE
        while gone == REMOVED_AT_ONCE:
            [(gone,)] = link.fetch("remove_sessions", values | {"limit": REMOVED_AT_ONCE})
        if existed:
            link.fetch("note_gone_tenant", values)  # last: other changes wait for it
    return bool(existed)
