"""Theft cases in Redis: those of a tenant in one hash, sorted when they are listed, since there are few of them."""

from __future__ import annotations

from reseal._async.stores.redis_sessions import AsyncRedisParts
from reseal.core.cases import CaseFilter, CasePlace, StoredCase
from reseal.core.model import Scope
from reseal.stores import rows
from reseal.stores.redis.changes import ABSENT, Change
from reseal.stores.redis.layout import decode, encode, parts_of


class AsyncRedisCases(AsyncRedisParts):
    """A part of the store in Redis."""

    async def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        return _case(await self._case(scope, handle)) if rows.storable(handle) else None

    async def write_case(self, scope: Scope, case: StoredCase) -> bool:
        value = await self._case(scope, case.handle)
        before = _case(value)
        if case.version != (0 if before is None else before.version):
            return False
        first = before or case
        written = case._replace(version=case.version + 1, user_id=first.user_id, opened_at=first.opened_at)
        return await self._swap(scope, value, written)

    async def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        meant = [
            case
            for _, case in await self._cases(scope)
            if which.user_id in {None, case.user_id} and not (which.open_only and case.is_closed)
        ]
        newest_first = sorted(meant, key=lambda case: (case.opened_at, case.handle), reverse=True)
        return tuple([case for case in newest_first if (case.opened_at, case.handle) < after][:limit])

    async def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        key = self._layout.cases(scope)
        cases = await self._cases(scope)
        gone = [each for each in cases if each[1].opened_at <= until and user_id in {None, each[1].user_id}]
        changes = [Change().require(value, "HGET", key, c.handle).do("HDEL", key, c.handle) for value, c in gone]
        return sum(await self._server.write(*changes))

    async def _redate_cases(self, now: int) -> None:
        for scope in await self._scopes():
            for value, case in await self._cases(scope):
                if case.opened_at > now:
                    await self._swap(scope, value, case._replace(opened_at=now))

    async def _scopes(self) -> list[Scope]:
        """Return all apps and tenants that had a case."""
        [names] = (await self._server.read(("SMEMBERS", self._layout.once("cases")))).replies
        return [parts_of(name + b"\0")[0] for name in names]

    async def _case(self, scope: Scope, handle: str) -> bytes | None:
        [value] = (await self._server.read(("HGET", self._layout.cases(scope), handle))).replies
        return value if isinstance(value, bytes) else None

    async def _cases(self, scope: Scope) -> list[tuple[bytes, StoredCase]]:
        [values] = (await self._server.read(("HVALS", self._layout.cases(scope)))).replies
        return [(value, StoredCase(*decode(value))) for value in values]

    async def _swap(self, scope: Scope, before: bytes | None, case: StoredCase) -> bool:
        key = self._layout.cases(scope)
        if before is None:
            await self._server.write(Change().do("SADD", self._layout.once("cases"), "\0".join(scope)))
        change = Change().require(before or ABSENT, "HGET", key, case.handle)
        [done] = await self._server.write(change.do("HSET", key, case.handle, encode(case)))
        return done


def _case(value: bytes | None) -> StoredCase | None:
    return None if value is None else StoredCase(*decode(value))
