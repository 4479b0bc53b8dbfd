# Generated from src/reseal/_async/stores/redis_sessions.py by tools/unasync.py; edit that file instead.
"""Sessions in Redis: read, decided by the functions of ``core``, and written if nobody else has written since."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, NamedTuple, TypeVar

from reseal._sync.stores.redis_server import RedisServer
from reseal._sync.stores.redis_time import RedisTime
from reseal._sync.stores.redis_turns import RedisTurns
from reseal.core.errors import StoreUnavailable
from reseal.core.kill_list import Kill
from reseal.core.model import Found, Scope, SessionRecord
from reseal.core.outbox import ID_BYTES, Occurrence, Reports
from reseal.devices import about
from reseal.stores import rows
from reseal.stores.redis.changes import NONE, Change
from reseal.stores.redis.layout import Layout, Stored, encode, handle_of, life_of, name_of, stored_of, version_of

ATTEMPTS: Final = 64
"""How often a change is read and decided again. Each time somebody else's was written."""
READ_AT_ONCE: Final = 500
T = TypeVar("T")


class Step(NamedTuple):
    """A session as it is to be."""

    stored: Stored
    reports: Reports = ()
    look_at: int | None = None
    """When to look at it next, if that changes."""
    indexes: bool = False
    """Whether its entries in the indexes are renewed: its end has moved. It also heals what a fail-over lost."""


class Wanted(NamedTuple):
    """A change of a session. ``decide`` gets it as it is, or ``None``, and the time; it gives a step, or ``None``."""

    scope: Scope
    handle: str
    decide: Callable[[Stored | None, int], Step | None]


class Outcome(NamedTuple):
    """A session, before or after, and whether this call has changed it."""

    found: Found
    is_done: bool


class RedisParts:
    """What the parts of the store share."""

    _server: RedisServer
    _layout: Layout
    _time: RedisTime
    _sessions: RedisSessions
    _turns: RedisTurns


class RedisSessions:
    """The sessions of one store."""

    def __init__(self, server: RedisServer, layout: Layout, time: RedisTime) -> None:
        self._server = server
        self._layout = layout
        self._time = time

    def get(self, members: Sequence[str]) -> tuple[list[Stored | StoreUnavailable | None], int]:
        """Read sessions, and the time."""
        answer = self._server.try_read([("GET", self._layout.session(member)) for member in members])
        found = [reply if isinstance(reply, StoreUnavailable) else stored_of(reply) for reply in answer.replies]
        for member, each in zip(members, found, strict=True):
            if isinstance(each, Stored):
                rows.require_asked(each.record.handle, (handle_of(member),))
        return found, self._time.now(answer.wall)

    def require(self, members: Sequence[str]) -> tuple[list[Stored | None], int]:
        """Read sessions, any number of them. Raises ``StoreUnavailable`` if one cannot be read."""
        found: list[Stored | None] = []
        now = 0
        for start in range(0, max(1, len(members)), READ_AT_ONCE):
            part, now = self.get(members[start : start + READ_AT_ONCE])
            for each in part:
                if isinstance(each, StoreUnavailable):
                    raise each
                found.append(each)
        return found, now

    def change(self, wanted: Sequence[Wanted]) -> list[Outcome | StoreUnavailable]:
        """Change sessions, each once for each of those that want it."""
        results: dict[int, Outcome | StoreUnavailable] = {}
        left = list(range(len(wanted)))
        for _ in range(ATTEMPTS):
            left = self._attempt(wanted, left, results)
            if not left:
                return [results[n] for n in range(len(wanted))]
        busy = StoreUnavailable("Redis: others write the same session all the time")
        return [results.get(n, busy) for n in range(len(wanted))]

    def _attempt(self, wanted: Sequence[Wanted], left: Sequence[int], results: dict[int, Any]) -> list[int]:
        """Return those that have to be tried once more."""
        found, now = self.get([name_of(wanted[n].scope, wanted[n].handle) for n in left])
        steps: dict[tuple[Scope, str], tuple[int, Step]] = {}
        again = []
        for n, stored in zip(left, found, strict=True):
            key = wanted[n][:2]
            if isinstance(stored, StoreUnavailable):
                results[n] = stored
            elif key in steps:
                again.append(n)
            elif step := wanted[n].decide(stored, now):
                steps[key] = n, step
            else:
                results[n] = Outcome(Found(stored and stored.record, now), is_done=False)
        changes = [self.written(scope, step, now) for (scope, _), (_, step) in steps.items()]
        for (scope, _), (_, step) in steps.items():
            changes += self.indexed(scope, step.stored.record, now) if step.indexes else []
        for (n, step), done in zip(steps.values(), self._server.try_write(changes), strict=False):
            if done == 0:
                again.append(n)
            else:
                results[n] = (
                    done if isinstance(done, Exception) else Outcome(Found(step.stored.record, now), is_done=True)
                )
        return sorted(again)

    def settle(self, keys: Iterable[str]) -> bool:
        """Make sure that replicas have what is found in the slots of these keys; returns whether to read it again.

        Another call may have written it whose own wait for the replicas failed; and a master that was cut off knows
        nothing of what its successor does, which perhaps is the one that answers here. Raises ``StoreUnavailable``.
        """
        by_slot = {key.partition("}")[0]: key for key in keys} if self._server.address.acknowledge.replicas else {}
        if by_slot:
            self._server.write(*(Change().do("EXISTS", key) for key in by_slot.values()))
        return bool(by_slot)

    def written(self, scope: Scope, step: Step, now: int) -> Change:
        """Return what writes a session over the version before."""
        record = step.stored.record
        member = name_of(scope, record.handle)
        key, shard = self._layout.session(member), self._layout.shard_of(member)
        if record.version == 1:
            change = Change().require(NONE, "EXISTS", key).do("ZADD", shard.members, 0, member)
        else:
            change = Change().require(version_of(record.version - 1), "GETRANGE", key, 0, 7)
        change.do("SET", key, step.stored.value, "PX", life_of(record, now))
        if step.look_at is not None:
            change.do("ZADD", shard.due, step.look_at, member)
        if step.stored.adopted_at:
            change.do("ZADD", shard.adopted, step.stored.adopted_at, member)
        for report in step.reports:
            if isinstance(report, Kill):
                change.do("ZADD", shard.kills, 0, encode((*scope, record.handle, now + report.kept_ms)))
                change.announce(self._layout.kill_news)
            else:
                row = Occurrence(scope, record.handle, record.user_id, report, os.urandom(ID_BYTES)).row(now)
                change.do("XADD", shard.outbox, "*", "row", encode(row))
        return change

    def removed(self, scope: Scope, record: SessionRecord) -> Change:
        """Return what removes a session, if it is as it was read."""
        member = name_of(scope, record.handle)
        key = self._layout.session(member)
        return self.forgotten(member).require(version_of(record.version), "GETRANGE", key, 0, 7).do("DEL", key)

    def forgotten(self, member: str) -> Change:
        """Return what takes a session off the lists of its shard."""
        shard = self._layout.shard_of(member)
        return (
            Change().do("ZREM", shard.due, member).do("ZREM", shard.members, member).do("ZREM", shard.adopted, member)
        )

    # -- indexes ----------------------------------------------------------------------------------------------------

    def indexed(self, scope: Scope, record: SessionRecord, now: int) -> list[Change]:
        """Return what puts a session into the indexes: before it is there, and again whenever its end moves.

        Entries are in the order of the times at which the server forgets their sessions, and those that it has
        forgotten are taken off.
        """
        marks = about.read(record.about).marks if record.about else ()
        keys = [self._layout.index(scope, record.user_id)]
        keys += [self._layout.marked(scope, mark) for mark in marks if mark is not None]
        life = life_of(record, now)
        return [_entry(key, record.handle, now, life) for key in keys]

    def handles_in(self, index: str) -> list[str]:
        """Read an index: all handles, and perhaps some of sessions that are gone or not yet there."""
        [found] = (self._server.read(("ZRANGE", index, 0, -1))).replies
        return [handle.decode() for handle in found]

    def of_user(self, scope: Scope, user_id: str) -> tuple[list[SessionRecord], int]:
        """Read a user's sessions, ended ones too."""
        handles = self.handles_in(self._layout.index(scope, user_id))
        found, now = self.require([name_of(scope, handle) for handle in handles])
        return [each.record for each in found if each is not None and each.record.user_id == user_id], now


def _entry(index: str, handle: str, now: int, life: int) -> Change:
    change = Change().do("ZREMRANGEBYSCORE", index, "-inf", now).do("ZADD", index, "GT", now + life, handle)
    return change.do("PEXPIRE", index, life, "NX").do("PEXPIRE", index, life, "GT")


def required(answer: T | StoreUnavailable) -> T:
    """Return an answer, or raise the error in its place."""
    if isinstance(answer, StoreUnavailable):
        raise answer
    return answer
