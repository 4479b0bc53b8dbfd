# Generated from src/reseal/_async/stores/redis_events.py by tools/unasync.py; edit that file instead.
"""The event outbox in Redis.

A change writes its events into the stream of its shard, by the same script. Who reads brings them from there to the
one list that has numbers: first they are put there, then taken off the stream, so that whoever dies in between leaves
them twice, and their ids tell so.
"""

from __future__ import annotations

from typing import Any, Final

from reseal._sync.stores.redis_sessions import RedisParts
from reseal.core.errors import StoreUnavailable
from reseal.core.outbox import RETENTION, EventPage, Occurrence, PurgedEvents, Retention, Row, over, page_of
from reseal.stores.redis.changes import ABSENT, Change
from reseal.stores.redis.layout import decode, encode, number_of

ATTEMPTS: Final = 64
BROUGHT_AT_ONCE: Final = 100
"""Events of each shard that one reading numbers."""


class RedisEvents(RedisParts):
    """A part of the store in Redis."""

    def append_event(self, occurrence: Occurrence) -> bool:
        row = occurrence.row((self._time.read()).now)
        return bool(self._number([row]))

    def read_events(self, consumer: str, limit: int) -> EventPage:
        self._bring()
        removed, last = self._bounds()
        key = self._of_events("consumers")
        acknowledged = self._acknowledged(consumer)
        if acknowledged is None:
            self._server.write(Change().require(ABSENT, "HGET", key, consumer).do("HSET", key, consumer, removed))
            acknowledged = removed
        first = max(acknowledged, removed) + 1
        found = self._rows(first, min(limit, last - first + 1))
        return page_of([(*row, first + n) for n, row in enumerate(found)], acknowledged, last)

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        key = self._of_events("consumers")
        for _ in range(ATTEMPTS):
            before, (_, last) = self._acknowledged(consumer), self._bounds()
            if before is None or min(cursor, last) <= before:
                return
            change = Change().require(before, "HGET", key, consumer).do("HSET", key, consumer, min(cursor, last))
            if (self._server.write(change))[0]:
                return
        raise StoreUnavailable("Redis: others acknowledge all the time")

    def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        brought = self._bring(limit)
        now = (self._time.read()).now
        (removed, last), acknowledged = self._bounds(), self._least_acknowledged()
        found = self._rows(removed + 1, min(limit, last - removed))
        oldest = [(removed + n, row[1]) for n, row in enumerate(found, 1)]
        gone = over(oldest, acknowledged, last - retention.events, now - retention.ms)
        if not gone:
            return PurgedEvents(0, more=brought >= limit)
        change = Change().require(removed or ABSENT, "GET", self._of_events("removed"))
        change.do("SET", self._of_events("removed"), gone[-1]).do("HDEL", self._of_events("rows"), *gone)
        change.do("HDEL", self._of_events("ids"), *(row[0] for row in found[: len(gone)]))
        if not (self._server.write(change))[0]:
            return PurgedEvents(0, more=True)  # another process has purged them
        return PurgedEvents(len(gone), sum(seq > acknowledged for seq in gone), more=limit in {brought, len(gone)})

    def _redate_events(self, now: int) -> None:
        while self._bring():
            pass
        removed, last = self._bounds()
        for first in range(removed + 1, last + 1, BROUGHT_AT_ONCE):
            change = Change()
            for n, row in enumerate(self._rows(first, min(BROUGHT_AT_ONCE, last - first + 1))):
                if row[1] > now:
                    change.do("HSET", self._of_events("rows"), first + n, encode((row[0], now, *row[2:])))
            if change.is_needed:
                self._server.write(change)

    def _bring(self, limit: int = BROUGHT_AT_ONCE) -> int:
        """Give numbers to the events in the streams of the shards; returns how many that were."""
        calls = [("XRANGE", shard.outbox, "-", "+", "COUNT", limit) for shard in self._layout.shards]
        found = (self._server.read(*calls)).replies
        entries = [
            (shard.outbox, entry) for shard, each in zip(self._layout.shards, found, strict=True) for entry in each
        ]
        if entries:
            brought: list[Row] = [decode(_field(entry)) for _, entry in entries]
            self._number(sorted(brought, key=lambda row: row[1]))
            self._server.write(*(Change().do("XDEL", key, entry[0]) for key, entry in entries))
        return len(entries)

    def _number(self, found: list[Row]) -> int:
        """Append events whose ids are not there yet; returns how many."""
        ids, last_key = self._of_events("ids"), self._of_events("last")
        for _ in range(ATTEMPTS):
            last, known = (
                self._server.read(("GET", last_key), ("HMGET", ids, *(row[0] for row in found)))
            ).replies
            new = [row for row, seq in zip(found, known, strict=True) if seq is None]
            change = Change().require(ABSENT if last is None else last, "GET", last_key)
            change.do("SET", last_key, number_of(last) + len(new))
            for seq, row in enumerate(new, number_of(last) + 1):
                change.do("HSET", self._of_events("rows"), seq, encode(row)).do("HSET", ids, row[0], seq)
            if not new or (self._server.write(change))[0]:
                return len(new)
        raise StoreUnavailable("Redis: others write events all the time")

    def _bounds(self) -> tuple[int, int]:
        """Read the numbers of the last event that was removed, and of the last one."""
        calls = (("GET", self._of_events(name)) for name in ("removed", "last"))
        removed, last = (self._server.read(*calls)).replies
        return number_of(removed), number_of(last)

    def _acknowledged(self, consumer: str) -> int | None:
        [found] = (self._server.read(("HGET", self._of_events("consumers"), consumer))).replies
        return None if found is None else int(found)

    def _least_acknowledged(self) -> int:
        [found] = (self._server.read(("HVALS", self._of_events("consumers")))).replies
        return min(map(int, found), default=0)

    def _rows(self, first: int, count: int) -> list[Any]:
        if count < 1:
            return []
        [found] = (self._server.read(("HMGET", self._of_events("rows"), *range(first, first + count)))).replies
        return [decode(value) for value in found if value is not None]

    def _of_events(self, name: str) -> str:
        return self._layout.once("events", name)


def _field(entry: Any) -> bytes:
    """Return what an entry of a stream has."""
    fields = entry[1]
    value: bytes = fields[b"row"] if isinstance(fields, dict) else fields[1]
    return value
