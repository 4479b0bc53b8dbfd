# Generated from src/reseal/_async/stores/redis_lists.py by tools/unasync.py; edit that file instead.
"""Lists of sessions in Redis, and what goes over many of them: purging, and the repair of the time."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from reseal._sync.stores.redis_sessions import RedisParts, Step
from reseal.core.model import Scope, SessionRecord
from reseal.core.purging import MOST_COUNTED, Backlog, Purged, next_look
from reseal.core.rotation import redated, why_ended
from reseal.core.selection import Adopted, Before, Place, UserPlace
from reseal.core.store_time import Repaired
from reseal.stores import rows
from reseal.stores.redis.changes import ABSENT, Change
from reseal.stores.redis.layout import Stored, name_of, number_of, parts_of, scored

SHARE: Final = 16
"""Sessions of each shard that a step of purging asks for, if that gives it enough."""
CHUNK: Final = 64
"""Sessions that a scan reads of each shard at a time."""


class RedisLists(RedisParts):
    """A part of the store in Redis."""

    if TYPE_CHECKING:

        def _redate_cases(self, now: int) -> None: ...
        def _redate_events(self, now: int) -> None: ...
        def _redate_keys(self, now: int) -> int: ...

    def list_user(self, scope: Scope, user_id: str, after: UserPlace, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.storable(user_id):
            return ()
        records, now = self._sessions.of_user(scope, user_id)
        placed = {UserPlace(r.created_at, r.handle): r for r in records if not why_ended(r, now)}
        return tuple(placed[place] for place in sorted(placed) if place > after)[:limit]

    def list_ended(self, scope: Scope, user_id: str, within: int, limit: int) -> tuple[SessionRecord, ...]:
        if not rows.storable(user_id):
            return ()
        records, now = self._sessions.of_user(scope, user_id)
        dated = [(r.expires_at if r.ended_at is None else r.ended_at, r) for r in records if why_ended(r, now)]
        latest_first = sorted(dated, key=lambda each: (-each[0], each[1].handle))
        return tuple([record for at, record in latest_first if at > now - within][:limit])

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        if which.user_id is not None and not rows.storable(which.user_id):
            return ()
        if which.user_id is not None and which.tenant_id is not None:
            scope = Scope(which.app_id, which.tenant_id)
            handles = sorted(self._sessions.handles_in(self._layout.index(scope, which.user_id)))
            found, now = self._sessions.require([name_of(scope, handle) for handle in handles])
            meant = [(scope, each) for each in found if each and _is_before(which, scope, each, now)]
            placed = [
                (scope, each.record) for scope, each in meant if Place(scope.tenant_id, each.record.handle) > after
            ]
            return tuple(placed[:limit])
        listed: list[tuple[Scope, SessionRecord]] = []
        for scope, stored, now in self._scan(which.app_id, after):
            if _is_before(which, scope, stored, now):
                listed.append((scope, stored.record))
            if len(listed) == limit:
                break
        return tuple(listed)

    def adopted(self) -> Adopted:
        counts = [("ZCARD", shard.adopted) for shard in self._layout.shards]
        latest = [("ZREVRANGE", shard.adopted, 0, 0, "WITHSCORES") for shard in self._layout.shards]
        replies = (self._server.read(*counts, *latest)).replies
        last = [score for found in replies[len(counts) :] for _, score in scored(found)]
        return Adopted(sum(replies[: len(counts)]), max(last, default=None))

    def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        now = (self._time.read()).now
        claims, members = self._purge_claims(limit, now), self._due(limit, now)
        stored, _ = self._sessions.require(members)
        looks = [each and next_look(each.record.expires_at, each.record.ended_at, now, kept_ms) for each in stored]
        changes = [self._looked_at(*each) for each in zip(members, stored, looks, strict=True)]
        done = self._server.write(*changes)
        gone = [(parts_of(name.encode())[0], one.record) for name, one, look, is_done
                in zip(members, stored, looks, done, strict=True) if one and look is None and is_done]  # fmt: skip
        indexes = [(self._layout.index(scope, record.user_id), record.handle) for scope, record in gone]
        self._server.write(*(Change().do("ZREM", *entry) for entry in indexes))
        return Purged(max(claims, len(members)), len(gone))

    def _due(self, limit: int, now: int) -> list[str]:
        """Name the first sessions that are due: of most shards some are enough to know them."""
        for share in (min(limit, SHARE), limit):
            calls = [("ZRANGE", each.due, "-inf", now, "BYSCORE", "LIMIT", 0, share, "WITHSCORES")
                     for each in self._layout.shards]  # fmt: skip
            found = [scored(reply) for reply in (self._server.read(*calls)).replies]
            if sum(map(len, found)) >= limit or max(map(len, found)) < share:
                break
        first = heapq.nsmallest(limit, ((at, member.decode()) for each in found for member, at in each))
        return [member for _, member in first]

    def backlog(self) -> Backlog:
        now = (self._time.read()).now
        counts = [("ZCOUNT", shard.due, "-inf", now) for shard in self._layout.shards]
        oldest = [("ZRANGE", shard.due, 0, 0, "WITHSCORES") for shard in self._layout.shards]
        replies = (self._server.read(*counts, *oldest)).replies
        due = [at for found in replies[len(counts) :] for _, at in scored(found) if at <= now]
        return Backlog(min(sum(replies[: len(counts)]), MOST_COUNTED), now - min(due, default=now))

    def live_sessions(self) -> int:
        live = 0
        for _, stored, now in self._scan(None, Place()):
            live += why_ended(stored.record, now) is None
        return live

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        found, now = self._claimed_until(scope, name)
        if until <= now or found > now:
            return False
        member = name_of(scope, name)
        key = self._layout.shard_of(member).claims
        change = Change().require(found or ABSENT, "ZSCORE", key, member).do("ZADD", key, until, member)
        return (self._server.write(change))[0]

    def is_claimed(self, scope: Scope, name: str) -> bool:
        """Return whether a name is claimed now."""
        found, now = self._claimed_until(scope, name)
        return found > now

    def _claimed_until(self, scope: Scope, name: str) -> tuple[int, int]:
        now = (self._time.read()).now
        member = name_of(scope, name)
        [found] = (self._server.read(("ZSCORE", self._layout.shard_of(member).claims, member))).replies
        return number_of(found), now

    def repair_clock(self) -> Repaired:
        before, now = self._time.begin_era()
        sessions = 0
        for scope, stored, _ in self._scan(None, Place()):
            sessions += self._redate(scope, stored, now)
        self._redate_events(now)
        self._redate_cases(now)
        return Repaired(before, now, sessions, self._redate_keys(now))

    def _redate(self, scope: Scope, stored: Stored, now: int) -> int:
        """Leave no time of a session in the future."""
        changed = redated(stored.record, now)
        if changed is stored.record:
            return 0
        record = replace(changed, version=stored.record.version + 1)
        step = Step(Stored(record, min(stored.adopted_at, now)), look_at=now)
        [done] = self._server.write(self._sessions.written(scope, step, now))
        return int(done)

    def _purge_claims(self, limit: int, now: int) -> int:
        over = [("ZRANGE", each.claims, "-inf", now, "BYSCORE", "LIMIT", 0, limit) for each in self._layout.shards]
        found = (self._server.read(*over)).replies
        members = [
            (shard.claims, member) for shard, reply in zip(self._layout.shards, found, strict=True) for member in reply
        ]
        scores = (self._server.read(*(("ZSCORE", key, member) for key, member in members[:limit]))).replies
        self._server.write(
            *(Change().require(int(score), "ZSCORE", key, member).do("ZREM", key, member)
              for (key, member), score in zip(members, scores, strict=False) if score is not None and int(score) <= now)
        )  # fmt: skip
        return len(members[:limit])

    def _looked_at(self, member: str, stored: Stored | None, look: int | None) -> Change:
        """Return what removes a session that is due, or puts it off."""
        if stored is None:
            return self._sessions.forgotten(member)  # the server has removed it
        if look is None:
            return self._sessions.removed(parts_of(member.encode())[0], stored.record)
        return Change().do("ZADD", self._layout.shard_of(member).due, look, member)

    def _scan(self, app_id: str | None, after: Place) -> Iterator[tuple[Scope, Stored, int]]:
        """Read sessions in the order of tenant and handle: of an app those behind a place, or all there are."""
        last = b"-" if app_id is None else b"(" + name_of(Scope(app_id, after.tenant_id), after.handle).encode()
        end = b"+" if app_id is None else b"(" + app_id.encode() + b"\x01"
        while True:
            members, is_all = self._next_members(last, end)
            stored, now = self._sessions.require([member.decode() for member in members])
            for member, each in zip(members, stored, strict=True):
                if each is not None:
                    yield parts_of(member)[0], each, now
            if is_all:
                return
            last = b"(" + members[-1]

    def _next_members(self, last: bytes, end: bytes) -> tuple[Sequence[bytes], bool]:
        """Return the next names of all shards, in order, and whether these are the last ones."""
        calls = [("ZRANGE", each.members, last, end, "BYLEX", "LIMIT", 0, CHUNK) for each in self._layout.shards]
        found = (self._server.read(*calls)).replies
        horizon = min((reply[-1] for reply in found if len(reply) == CHUNK), default=None)
        members = sorted(each for reply in found for each in reply if horizon is None or each <= horizon)
        return members, horizon is None


def _is_before(which: Before, scope: Scope, stored: Stored, now: int) -> bool:
    record = stored.record
    if which.tenant_id not in {None, scope.tenant_id} or which.user_id not in {None, record.user_id}:
        return False
    return not why_ended(record, now) and (record.rotated_at < which.moment or stored.adopted_at >= which.moment)
