"""The kill list in Redis.

The end of a session puts an entry on the list of its shard, by the same script. Who reads brings them from there to the
one list that has numbers: first they are put there, then taken off the shard, so that nothing is lost with whoever
dies in between. What is put there twice gets another number, and changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from reseal._async.ports import AsyncNews
from reseal._async.stores.redis_news import AsyncRedisNews
from reseal._async.stores.redis_sessions import AsyncRedisParts
from reseal.core.errors import StoreUnavailable
from reseal.core.kill_list import EPOCH_BYTES, PAGE, KillCursor, KillEntry, KillPage, Subject, first_number, position
from reseal.core.model import Scope
from reseal.stores.redis.changes import ABSENT, Change
from reseal.stores.redis.layout import decode, number_of, scored

ATTEMPTS: Final = 64
BROUGHT_AT_ONCE: Final = 500
"""Entries of each shard that one reading numbers."""


class AsyncRedisKills(AsyncRedisParts):
    """A part of the store in Redis."""

    async def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:
        shards = [("ZRANGE", shard.kills, 0, BROUGHT_AT_ONCE - 1) for shard in self._layout.shards]
        epoch, *pending = (await self._server.read(("GET", self._of_kills("epoch")), *shards)).replies
        if any(pending):
            await self._bring_kills(pending)
        known = epoch.decode() if epoch else await self._begin_epoch()
        place = position(after, known)
        call = ("ZRANGE", self._of_kills("list"), f"({place}", "+inf", "BYSCORE", "LIMIT", 0, limit, "WITHSCORES")
        (found,), wall = await self._server.read(call)
        numbered = scored(found)
        entries = tuple(_entry(seq, *_read(member)[1:]) for member, seq in numbered if _read(member)[:2] == scope)
        last = numbered[-1][1] if numbered else place
        more = len(numbered) >= limit or any(len(each) >= BROUGHT_AT_ONCE for each in pending)
        return KillPage(known, place, last, entries, more, self._time.now(wall))

    def news(self) -> AsyncNews:
        return AsyncRedisNews(self._server, self._layout.kill_news)

    async def purge_kills(self, limit: int) -> int:
        now = (await self._time.read()).now
        call = ("ZRANGE", self._of_kills("ends"), "-inf", now, "BYSCORE", "LIMIT", 0, limit)
        [over] = (await self._server.read(call)).replies
        if over:
            change = Change().do("ZREM", self._of_kills("ends"), *over).do("ZREM", self._of_kills("list"), *over)
            await self._server.write(change)
        return len(over)

    async def _begin_epoch(self) -> str:
        """Decide which store this is; of several callers one does."""
        key, epoch = self._of_kills("epoch"), os.urandom(EPOCH_BYTES).hex()
        if (await self._server.write(Change().require(ABSENT, "GET", key).do("SET", key, epoch)))[0]:
            return epoch
        [found] = (await self._server.read(("GET", key))).replies
        if found is None:
            raise StoreUnavailable("Redis: the epoch of the kill list is not kept")
        decided: str = found.decode()
        return decided

    async def _bring_kills(self, pending: Sequence[Sequence[bytes]]) -> None:
        """Give numbers to what is on the lists of the shards."""
        members = [member for each in pending for member in each]
        now, last_key = (await self._time.read()).now, self._of_kills("last")
        for _ in range(ATTEMPTS):
            [last] = (await self._server.read(("GET", last_key))).replies
            first = first_number(number_of(last), now)
            change = Change().require(ABSENT if last is None else last, "GET", last_key)
            change.do("SET", last_key, first + len(members) - 1)
            for seq, member in enumerate(members, first):
                change.do("ZADD", self._of_kills("list"), seq, member)
                change.do("ZADD", self._of_kills("ends"), _read(member)[3], member)
            if (await self._server.write(change))[0]:
                break
        else:
            raise StoreUnavailable("Redis: others number entries of the kill list all the time")
        done = zip(self._layout.shards, pending, strict=True)
        await self._server.write(*(Change().do("ZREM", shard.kills, *each) for shard, each in done if each))

    def _of_kills(self, name: str) -> str:
        return self._layout.once("kills", name)


def _read(member: bytes) -> tuple[str, str, str, int]:
    """Read app, tenant, handle and end."""
    app_id, tenant_id, handle, until = decode(member)
    return app_id, tenant_id, handle, until


def _entry(seq: int, tenant_id: str, handle: str, until: int) -> KillEntry:
    return KillEntry(seq, Subject.SESSION, handle, tenant_id, None, until)
