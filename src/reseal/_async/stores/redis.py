"""Sessions in Redis or Valkey: one server, a server that Sentinel watches, or a cluster."""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Sequence
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from reseal._async.stores.batching import Batches
from reseal._async.stores.redis_audit import AsyncRedisAudit
from reseal._async.stores.redis_cases import AsyncRedisCases
from reseal._async.stores.redis_events import AsyncRedisEvents
from reseal._async.stores.redis_kills import AsyncRedisKills
from reseal._async.stores.redis_limits import AsyncRedisLimits
from reseal._async.stores.redis_lists import AsyncRedisLists
from reseal._async.stores.redis_providers import AsyncRedisProviders
from reseal._async.stores.redis_server import AsyncRedisServer
from reseal._async.stores.redis_sessions import READ_AT_ONCE, AsyncRedisSessions, Outcome, Step, Wanted, required
from reseal._async.stores.redis_tenants import AsyncRedisTenants
from reseal._async.stores.redis_time import AsyncRedisTime
from reseal._async.stores.redis_turns import AsyncRedisTurns
from reseal.clock import Clock
from reseal.core.confirmation import Seen, is_unconfirmed
from reseal.core.errors import StoreUnavailable
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord
from reseal.core.outbox import Reports
from reseal.core.purging import first_look
from reseal.core.rotation import advanced, begun, ended, why_ended
from reseal.core.secret import Secret
from reseal.core.store_time import Times
from reseal.stores import rows
from reseal.stores.batching import Insert, Result, first_of_each, keys_of_inserts
from reseal.stores.redis.layout import Layout, Stored, name_of, storable

POOL_SIZE: Final = 10


class AsyncRedisStore(
    AsyncRedisCases,
    AsyncRedisEvents,
    AsyncRedisKills,
    AsyncRedisLimits,
    AsyncRedisLists,
    AsyncRedisProviders,
    AsyncRedisTenants,
):
    """A store at the address that a URI names. Share one object in a process, not one a request.

    ``redis://``, ``rediss://``, ``redis+sentinel://host,host/service`` and ``redis+cluster://host,host``. Its
    parameters ``acknowledge`` and ``wait_ms`` say when a write counts, ``prefix`` what all keys begin with. The URI is
    kept as a secret. ``timeout_s`` bounds the wait for a connection and for an answer.

    The time is that of the node which is asked. ``clock`` takes its place in tests. ``looks_only``: nothing is written,
    not even the time.
    """

    def __init__(
        self,
        uri: str | Secret,
        *,
        pool_size: int = POOL_SIZE,
        timeout_s: float = 2,
        clock: Clock | None = None,
        looks_only: bool = False,
    ) -> None:
        self._looks_only = looks_only
        self._server = AsyncRedisServer(uri, pool_size=pool_size, timeout_s=timeout_s)
        self._layout = Layout(self._server.address.prefix)
        self._time = AsyncRedisTime(self._server, self._layout, clock)
        self._sessions = AsyncRedisSessions(self._server, self._layout, self._time)
        self._turns = AsyncRedisTurns(self._server)
        self.audit = AsyncRedisAudit(self._server, self._layout)
        self._gets: Batches[str, Found] = Batches(self._get, self._server.limit_s)
        self._inserts: Batches[Insert, SessionRecord | None] = Batches(self._insert, self._server.limit_s)
        self._changes: Batches[Wanted, Outcome] = Batches(self._change, self._server.limit_s)

    async def open(self) -> None:
        await self._server.open()
        try:
            await self._time.begin()
            if not self._looks_only:
                await self._time.note()
        except BaseException:
            await self._server.close()
            raise

    async def close(self) -> None:
        for batches in (self._gets, self._inserts, self._changes):
            await batches.finish()
        if not self._looks_only:
            with suppress(StoreUnavailable):  # closed or unreachable: fall back to the last recorded time
                await self._time.note()
        await self._server.close()

    async def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        if not (rows.storable(new.handle) and rows.storable(new.user_id)):
            raise StoreUnavailable("Redis: a handle or user id that cannot be stored")
        return await self._inserts.submit((scope, new, reports))

    async def get(self, scope: Scope, handle: str) -> Found:
        return await self._gets.submit(name_of(scope, handle if rows.storable(handle) else ""))

    async def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        meant = dict.fromkeys(handles)
        known = [handle for handle in meant if rows.storable(handle)]
        found: dict[str, Found] = {}
        for start in range(0, len(known), READ_AT_ONCE):
            part = known[start : start + READ_AT_ONCE]
            found |= zip(part, map(required, await self._get([name_of(scope, each) for each in part])), strict=True)
        return {handle: found.get(handle) or Found(None, self._time.now(0)) for handle in meant}

    async def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        if not rows.storable(rotation.handle):
            return None
        meant = replace(rotation, device=storable(rotation.device))

        def decide(stored: Stored | None, now: int) -> Step | None:
            if stored is None or why_ended(stored.record, now) or stored.record.policy is not None:
                return None
            if not hmac.compare_digest(stored.record.current_hash, meant.presented_hash):
                return None
            return Step(Stored(advanced(stored.record, meant, now), stored.adopted_at), reports, indexes=True)

        outcome = await self._changes.submit(Wanted(scope, rotation.handle, decide))
        record = outcome.found.record
        if outcome.is_done:
            return record
        if record is None or not hmac.compare_digest(record.current_hash, meant.presented_hash):
            await self._sessions.settle([self._key(scope, rotation.handle)])  # the answer may be its successor
        return None

    async def confirm(self, scope: Scope, seen: Seen) -> Found:
        def decide(stored: Stored | None, now: int) -> Step | None:
            if stored is None or not is_unconfirmed(stored.record, seen, now):
                return None
            record = replace(stored.record, confirmed_at=now, version=stored.record.version + 1)
            return Step(Stored(record, stored.adopted_at))

        if not rows.storable(seen.handle):
            return await self.get(scope, seen.handle)
        return (await self._changes.submit(Wanted(scope, seen.handle, decide))).found

    async def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        changed = replace(record, version=record.version + 1, device=storable(record.device))

        def decide(stored: Stored | None, now: int) -> Step | None:  # noqa: ARG001 - what every change gets
            if stored is None or stored.record.version != record.version:
                return None
            is_adopted = record.generation > stored.record.generation + 1
            adopted_at = record.rotated_at if is_adopted else stored.adopted_at
            return Step(Stored(changed, adopted_at), reports, indexes=record.expires_at != stored.record.expires_at)

        if not rows.storable(record.handle):
            return False
        return (await self._changes.submit(Wanted(scope, record.handle, decide))).is_done

    async def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        meant = [handle for handle in dict.fromkeys(handles) if rows.storable(handle)]
        return await self._end(scope, meant, reason, reports, note)

    async def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        if not rows.storable(user_id):
            return ()
        index = self._layout.index(scope, user_id)
        await self._sessions.settle([index])
        found = await self._sessions.handles_in(index)
        return await self._end(scope, [each for each in found if each != keep], reason, reports, user_id=user_id)

    async def times(self) -> Times:
        return await self._time.read()

    async def _end(
        self,
        scope: Scope,
        handles: Sequence[str],
        reason: EndReason,
        reports: Reports,
        note: str | None = None,
        user_id: str | None = None,
    ) -> tuple[str, ...]:
        def decide(stored: Stored | None, now: int) -> Step | None:
            if stored is None or stored.record.ended_at is not None or user_id not in {None, stored.record.user_id}:
                return None
            record = replace(ended(stored.record, reason, now, note), version=stored.record.version + 1)
            return Step(Stored(record, stored.adopted_at), reports)

        done: list[str] = []
        for start in range(0, len(handles), READ_AT_ONCE):
            part = handles[start : start + READ_AT_ONCE]
            outcomes = await self._change([Wanted(scope, handle, decide) for handle in part])
            others = [n for n, each in enumerate(map(required, outcomes)) if not each.is_done]
            if await self._sessions.settle(self._key(scope, part[n]) for n in others):
                again = await self._change([Wanted(scope, part[n], decide) for n in others])
                outcomes = list((dict(enumerate(outcomes)) | dict(zip(others, again, strict=True))).values())
            done += [handle for handle, each in zip(part, map(required, outcomes), strict=True) if each.is_done]
        return tuple(done)

    def _key(self, scope: Scope, handle: str) -> str:
        return self._layout.session(name_of(scope, handle))

    # -- batches ----------------------------------------------------------------------------------------------------

    async def _get(self, batch: Sequence[str]) -> list[Found | StoreUnavailable]:
        results = await self._read(batch)
        over = [n for n, each in enumerate(results) if isinstance(each, Found) and _is_over(*each)]
        try:
            is_to_be_read = await self._sessions.settle(self._layout.session(batch[n]) for n in over)
            again = await self._read([batch[n] for n in over]) if is_to_be_read else []
        except StoreUnavailable as error:
            again = [error] * len(over)
        for n, each in zip(over, again, strict=False):
            results[n] = each
        return results

    async def _read(self, batch: Sequence[str]) -> list[Found | StoreUnavailable]:
        found, now = await self._sessions.get(batch)
        return [each if isinstance(each, Exception) else Found(each and each.record, now) for each in found]

    async def _change(self, batch: Sequence[Wanted]) -> list[Outcome | StoreUnavailable]:
        outcomes = await self._sessions.change(batch)
        await self._written()
        return outcomes

    async def _insert(self, batch: Sequence[Insert]) -> list[Result]:
        """Write the indexes of the users, then the sessions: so an index misses nothing that was acknowledged."""
        first = first_of_each(keys_of_inserts(batch))
        now = (await self._time.read()).now
        steps = {n: (batch[n][0], _first_step(*batch[n][1:], now)) for n in first.values()}
        results: list[Result] = [None] * len(batch)
        for (n, (_, step)), done in zip(steps.items(), await self._begin(list(steps.values()), now), strict=True):
            results[n] = done if isinstance(done, Exception) else step.stored.record if done else None
        await self._written()
        return results

    async def _begin(self, steps: Sequence[tuple[Scope, Step]], now: int) -> list[bool | Exception]:
        """Write the indexes of each session before the session; where one cannot be written, the session is not."""
        indexes = [(n, each) for n, (scope, step) in enumerate(steps)
                   for each in self._sessions.indexed(scope, step.stored.record, now)]  # fmt: skip
        sessions = [self._sessions.written(scope, step, now) for scope, step in steps]
        if self._server.has_order:
            return (await self._server.try_write([each for _, each in indexes] + sessions))[len(indexes) :]
        done = await self._server.try_write([each for _, each in indexes])
        results = {n: each for (n, _), each in zip(indexes, done, strict=True) if isinstance(each, Exception)}
        meant = [n for n in range(len(steps)) if n not in results]
        results |= zip(meant, await self._server.try_write([sessions[n] for n in meant]), strict=True)
        return [results[n] for n in range(len(steps))]

    async def _written(self) -> None:
        with suppress(StoreUnavailable):  # what was written stands, and the next second's note will do
            await self._time.written()


def _is_over(record: SessionRecord | None, now: int) -> bool:
    return record is None or why_ended(record, now) is not None


def _first_step(new: NewSession, reports: Reports, now: int) -> Step:
    record = begun(replace(new, device=storable(new.device)), now)
    return Step(Stored(record, 0), reports, look_at=now + first_look(new))
