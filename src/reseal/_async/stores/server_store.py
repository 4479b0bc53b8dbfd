"""Sessions on a database server, in what all servers share. Calls that come together go as one statement.

A server of another make has queries of the same names, with the same parameters, whose rows have the same columns.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final

from reseal._async.stores.batched_confirmations import AsyncBatchedConfirmations, Use
from reseal._async.stores.batched_reads import AsyncBatchedReads
from reseal._async.stores.batched_writes import AsyncBatchedWrites
from reseal._async.stores.batching import Batches
from reseal._async.stores.server_audit import AsyncServerAudit
from reseal._async.stores.server_cases import AsyncServerCases
from reseal._async.stores.server_counts import AsyncServerCounts
from reseal._async.stores.server_events import AsyncServerEvents
from reseal._async.stores.server_limits import AsyncServerLimits
from reseal._async.stores.server_providers import AsyncServerProviders
from reseal._async.stores.servers import AsyncServer, AsyncServerLink, Row
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


class AsyncServerStore(AsyncServerCases, AsyncServerCounts, AsyncServerLimits, AsyncServerProviders):
    """A store in a database of a server. Share one object in a process, not one a request.

    The time is the server's, taken in each statement. It does not go back: see :class:`ServerTime`. ``clock`` takes
    its place in tests. ``looks_only``: the schema has to be there, and the time is not noted. ``is_of_one_row`` tells
    whether an error of the server is that of one of several rows.
    """

    def __init__(
        self,
        server: AsyncServer,
        is_of_one_row: Callable[[StoreUnavailable], bool],
        *,
        clock: Clock | None,
        looks_only: bool,
    ) -> None:
        self._looks_only = looks_only
        self._server = server
        self._time = ServerTime(clock)
        self._events = AsyncServerEvents(self._server, self._timed)
        self.audit = AsyncServerAudit(self._server)
        self._writes = AsyncBatchedWrites(self._fetch, is_of_one_row, self._time.see)
        reads = AsyncBatchedReads(self._fetch, self._time.see)
        self._confirms = AsyncBatchedConfirmations(self._fetch, self._time.see, reads)
        self._gets: Batches[Key, Found] = Batches(reads.get, server.limit_s)
        self._confirmations: Batches[Use, Found] = Batches(self._confirm, server.limit_s)
        self._inserts: Batches[Insert, SessionRecord | None] = Batches(self._insert, server.limit_s)
        self._rotations: Batches[Rotate, SessionRecord | None] = Batches(self._rotate, server.limit_s)

    async def open(self) -> None:
        await self._server.open(upgrade=not self._looks_only)
        [(*mark, era)] = await self._server.fetch("noted", {})
        self._time.begin(Mark(*mark), era)
        if not self._looks_only:
            await self._note_time()

    async def close(self) -> None:
        await self._gets.finish()
        await self._confirmations.finish()
        await self._inserts.finish()
        await self._rotations.finish()
        if not self._looks_only:
            with suppress(StoreUnavailable):  # closed or unreachable: fall back to the last recorded time
                await self._note_time()
        await self._server.close()

    async def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        return await self._inserts.submit((scope, new, reports))

    async def get(self, scope: Scope, handle: str) -> Found:
        return await self._gets.submit((*scope, handle if rows.storable(handle) else ""))

    async def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        meant = dict.fromkeys(handles)
        values = rows.scoped(scope) | {"handles": [handle for handle in meant if rows.storable(handle)]}
        found = await self._server.fetch("get_many", self._timed(values))
        now, wall = found[0][:2]
        self._time.see(now, wall)
        records = {row[2]: rows.to_record(row[2:]) for row in found if row[2] is not None}
        for handle in records:
            rows.require_asked(handle, meant)
        return {handle: Found(records.get(handle), now) for handle in meant}

    async def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        if not rows.storable(rotation.handle):
            return None
        return await self._rotations.submit((scope, rotation, reports))

    async def confirm(self, scope: Scope, seen: Seen) -> Found:
        if not rows.storable(seen.handle):
            return await self.get(scope, seen.handle)
        return await self._confirmations.submit(seen.values(scope))

    async def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        if not rows.storable(record.handle):
            return False
        values = rows.of_record(scope, record)
        return bool(await self._write("replace", self._timed(values) if reports else values, reports))

    async def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        meant = [handle for handle in dict.fromkeys(handles) if rows.storable(handle)]
        if not meant:
            return ()
        values = rows.scoped(scope) | {"handles": meant, "reason": reason.value, "note": note}
        ended = {row[0] for row in await self._write("end", self._timed(values), reports)}
        for handle in ended:
            rows.require_asked(handle, meant)
        return tuple(handle for handle in meant if handle in ended)

    async def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        if not rows.storable(user_id):
            return ()
        kept = keep if keep is not None and rows.storable(keep) else None
        values = rows.scoped(scope) | {"user_id": user_id, "reason": reason.value, "keep": kept}
        ended = await self._write("end_user", self._timed(values), reports)
        for _, its_user in ended:
            rows.require_asked(its_user, (user_id,))
        return tuple(row[0] for row in ended)

    async def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.storable(user_id):
            return ()
        values = self._timed(rows.of_user(scope, user_id, after, limit))
        records = tuple(map(rows.to_record, await self._server.fetch("list_user", values)))
        for record in records:
            rows.require_asked(record.user_id, (user_id,))
        return records

    async def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.storable(user_id):
            return ()
        values = self._timed(rows.of_ended(scope, user_id, within, limit))
        records = tuple(map(rows.to_record, await self._server.fetch("list_ended", values)))
        for record in records:
            rows.require_asked(record.user_id, (user_id,))
        return records

    async def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        if which.user_id is not None and not rows.storable(which.user_id):
            return ()
        name = "before" if which.user_id is None or which.tenant_id is None else "before_of_user"
        values = self._timed(rows.of_before(which, after, limit))
        return rows.with_scopes(which, await self._server.fetch(name, values))

    async def adopted(self) -> Adopted:
        [found] = await self._server.fetch("adopted", {})
        return Adopted(*found)

    async def claim(self, scope: Scope, name: str, until: int) -> bool:
        values = rows.scoped(scope) | {"name": name, "until": until}
        with within(self._server.limit_s):
            done = await self._server.fetch("claim", self._timed(values))
            await self._written()
        return bool(done)

    async def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        kept, is_early = (purging.KEPT, False) if kept_ms is None else (kept_ms, True)
        values = {"limit": limit, "kept_ms": kept, "again_ms": purging.LOOK_AGAIN, "early": is_early}
        with within(self._server.limit_s):
            claims = await self._server.fetch("purge_claims", self._timed({"limit": limit}))
            [(due, gone)] = await self._server.fetch("purge", self._timed(values))
        return Purged(max(len(claims), due), gone)

    async def times(self) -> Times:
        [(now, wall)] = await self._server.fetch("times", self._timed({}))
        self._time.see(now, wall)
        return Times(now, wall)

    async def repair_clock(self) -> Repaired:
        repaired = await self._server.run_patiently(lambda link: _repair_clock(link, self._timed({})))
        await self._note_time()
        return repaired

    async def append_event(self, occurrence: Occurrence) -> bool:
        with within(self._server.limit_s):
            done = await self._events.append(occurrence)
            await self._written()
        return done

    async def read_events(self, consumer: str, limit: int) -> EventPage:
        with within(self._server.limit_s):
            return await self._events.read(consumer, limit)

    async def acknowledge_events(self, consumer: str, cursor: int) -> None:
        await self._events.acknowledge(consumer, cursor)

    async def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        with within(self._server.limit_s):
            return await self._events.purge(limit, retention)

    async def read_note(self, name: str) -> Note | None:
        found = await self._server.fetch("note", {"name": name})
        return Note(*found[0]) if found else None

    async def write_note(self, name: str, version: int, text: str) -> bool:
        values = {"name": name, "version": version, "text": text}
        return bool(await self._server.fetch("update_note" if version else "insert_note", values))

    async def changed_tenants(self, since: int = 0, limit: int = TENANTS_PAGE) -> TenantChanges:
        with within(self._server.limit_s):
            [(revision,)] = await self._server.fetch("tenant_revision", {})
            if revision == since:
                return TenantChanges(revision, since, ())
            after = rows.changed_after(revision, since)
            [(end,)] = await self._server.fetch("end_of_tenants_page", {"after": after, "skipped": limit - 1})
            page = rows.tenants_page(revision, after, end)
            there = await self._server.fetch("changed_tenants", page.values)
            return rows.tenant_changes(page, there, await self._server.fetch("gone_tenants", page.values))

    async def put_tenant(self, scope: Scope, config: bytes) -> bool:
        values = rows.scoped(scope) | {"config": config.decode()}
        [(created,)] = await self._server.fetch("put_tenant", self._timed(values))
        return bool(created)

    async def remove_tenant(self, scope: Scope) -> bool:
        return await self._server.run(lambda link: _remove_tenant(link, scope))

    async def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return tuple(StoredKey(*row) for row in await self._server.fetch("keys", {"app_id": app_id}))

    async def add_key(self, app_id: str, key: StoredKey) -> bool:
        return bool(await self._server.fetch("add_key", {"app_id": app_id} | key._asdict()))

    async def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        values = {"app_id": app_id, "kid": key.kid, "old_secret": key.secret, "secret": secret}
        return bool(await self._server.fetch("replace_key", values))

    async def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        await self._server.fetch("remove_keys", {"app_id": app_id, "kids": list(kids)})

    async def _write(self, name: str, values: Values, reports: Reports) -> list[Row]:
        values = rows.reported(values, reports)
        with within(self._server.limit_s):
            done = await self._server.fetch(rows.query(name, values), values)
            await self._written()
        return done

    # -- batches ----------------------------------------------------------------------------------------------------

    async def _fetch(self, name: str, values: Values) -> list[Row]:
        return await self._server.fetch(name, self._timed(values))

    async def _insert(self, batch: Sequence[Insert]) -> list[Result]:
        results = await self._writes.insert(batch)
        await self._written()
        return results

    async def _rotate(self, batch: Sequence[Rotate]) -> list[Result]:
        results = await self._writes.rotate(batch)
        await self._written()
        return results

    async def _confirm(self, batch: Sequence[Use]) -> list[Found]:
        results = await self._confirms.confirm(batch)
        await self._written()
        return results

    # -- time -------------------------------------------------------------------------------------------------------

    def _timed(self, values: Values) -> Values:
        return values | self._time.values()

    async def _written(self) -> None:
        """Once a second, note the time for all. A refused write counts too: it may have been refused for its age."""
        if self._time.is_to_be_noted():
            with suppress(StoreUnavailable):  # what was written stands, and the next second's note will do
                await self._note_time()

    async def _note_time(self) -> None:
        for now, wall, era in await self._server.fetch("note_time", self._timed(self._time.mark())):
            self._time.see_era(now, wall, era)


async def _repair_clock(link: AsyncServerLink, values: Values) -> Repaired:
    """Begin an era, and leave nothing in the future."""
    [(before, now)] = await link.fetch("begin_era", values)
    sessions = await link.write("redate_sessions", {"now": now})
    await link.write("redate_events", {"now": now})
    await link.write("redate_cases", {"now": now})
    return Repaired(before, now, sessions, await link.write("redate_keys", {"now": now}))


async def _remove_tenant(link: AsyncServerLink, scope: Scope) -> bool:
    """Remove all or nothing, in statements of which each is short."""
    values = rows.scoped(scope)
    async with link.transaction():
        await link.settle()
        existed = await link.fetch("remove_tenant", values)
        if scope.tenant_id == "public":
            await link.fetch("remove_app_keys", values)
        await link.fetch("remove_cases", values | {"until": FAR})
        gone = REMOVED_AT_ONCE
        while gone == REMOVED_AT_ONCE:
            [(gone,)] = await link.fetch("remove_sessions", values | {"limit": REMOVED_AT_ONCE})
        if existed:
            await link.fetch("note_gone_tenant", values)  # last: other changes wait for it
    return bool(existed)
