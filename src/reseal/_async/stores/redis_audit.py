"""The audit trail in Redis."""

from __future__ import annotations

from collections.abc import Sequence

from reseal._async.stores.redis_server import AsyncRedisServer
from reseal.core.audit import AuditRow
from reseal.stores.redis.changes import ABSENT, Change
from reseal.stores.redis.layout import Layout, decode, encode, number_of


class AsyncRedisAudit:
    """The rows of one store: a hash by their numbers, and the numbers of the first and the last."""

    def __init__(self, server: AsyncRedisServer, layout: Layout) -> None:
        self._server = server
        self._rows, self._last, self._removed = (layout.once("audit", name) for name in ("rows", "last", "removed"))

    async def append(self, rows: Sequence[AuditRow]) -> bool:
        if not rows:
            return False
        before = rows[0].seq - 1
        change = Change().require(before or ABSENT, "GET", self._last).do("SET", self._last, rows[-1].seq)
        for row in rows:
            change.do("HSET", self._rows, row.seq, encode((row.entry, row.hash)))
        [done] = await self._server.write(change)
        return done

    async def last(self) -> AuditRow | None:
        [last] = (await self._server.read(("GET", self._last))).replies
        found = await self._read(number_of(last), 1)
        return found[0] if found else None

    async def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        removed, last = (await self._server.read(("GET", self._removed), ("GET", self._last))).replies
        first = max(after, number_of(removed)) + 1
        return await self._read(first, min(limit, number_of(last) - first + 1))

    async def remove_before(self, seq: int, limit: int) -> int:
        removed, last = (await self._server.read(("GET", self._removed), ("GET", self._last))).replies
        first = number_of(removed) + 1
        gone = range(first, min(seq, first + limit, number_of(last) + 1))
        if not gone:
            return 0
        change = Change().require(ABSENT if removed is None else removed, "GET", self._removed)
        [done] = await self._server.write(change.do("SET", self._removed, gone[-1]).do("HDEL", self._rows, *gone))
        return len(gone) if done else 0

    async def _read(self, first: int, count: int) -> tuple[AuditRow, ...]:
        if count < 1:
            return ()
        [found] = (await self._server.read(("HMGET", self._rows, *range(first, first + count)))).replies
        return tuple(AuditRow(first + n, *decode(value)) for n, value in enumerate(found) if value is not None)
