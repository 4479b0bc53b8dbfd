"""A store that fails when it is told to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from reseal._async.ports import AsyncStore
from reseal.core.errors import StoreUnavailable
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, TenantChanges
from reseal.core.purging import Backlog, Purged
from reseal.core.selection import Adopted, Before, Place
from reseal.core.store_time import Repaired, Times

T = TypeVar("T")
Hook = Callable[[], Awaitable[object]]


class AsyncFaultyStore:
    """Wraps a store. Faults are told by method name, happen once each, and in the order in which they were told."""

    def __init__(self, inner: AsyncStore) -> None:
        self.inner = inner
        self.down = False
        """While true, every call fails and changes nothing."""
        self.calls: Counter[str] = Counter()
        """How often each method was called."""
        self._plans: dict[str, deque[Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]]] = {}

    def refuse(self, method: str, times: int = 1) -> None:
        """Fail before anything is done."""
        self._plan(method, _refused, times)

    def lose_acknowledgement(self, method: str, times: int = 1) -> None:
        """Do it, durably, and fail all the same: the answer got lost."""
        self._plan(method, _done_but_not_told, times)

    def before(self, method: str, hook: Hook) -> None:
        """Have something else happen first: another caller's whole request, or waiting for a signal."""
        self._plan(method, partial(_after_hook, hook), 1)

    async def open(self) -> None:
        await self._through("open", self.inner.open)

    async def close(self) -> None:
        await self.inner.close()

    async def insert(self, scope: Scope, new: NewSession) -> SessionRecord | None:
        return await self._through("insert", lambda: self.inner.insert(scope, new))

    async def get(self, scope: Scope, handle: str) -> Found:
        return await self._through("get", lambda: self.inner.get(scope, handle))

    async def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        return await self._through("get_many", lambda: self.inner.get_many(scope, handles))

    async def rotate(self, scope: Scope, rotation: Rotation) -> SessionRecord | None:
        return await self._through("rotate", lambda: self.inner.rotate(scope, rotation))

    async def replace(self, scope: Scope, record: SessionRecord) -> bool:
        return await self._through("replace", lambda: self.inner.replace(scope, record))

    async def end(self, scope: Scope, handles: Iterable[str], reason: EndReason) -> tuple[str, ...]:
        return await self._through("end", lambda: self.inner.end(scope, handles, reason))

    async def end_user(self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None) -> tuple[str, ...]:
        return await self._through("end_user", lambda: self.inner.end_user(scope, user_id, reason, keep))

    async def list_user(self, scope: Scope, user_id: str) -> tuple[SessionRecord, ...]:
        return await self._through("list_user", lambda: self.inner.list_user(scope, user_id))

    async def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        return await self._through("list_before", lambda: self.inner.list_before(which, after, limit))

    async def adopted(self) -> Adopted:
        return await self._through("adopted", self.inner.adopted)

    async def claim(self, scope: Scope, name: str, until: int) -> bool:
        return await self._through("claim", lambda: self.inner.claim(scope, name, until))

    async def purge(self, limit: int) -> Purged:
        return await self._through("purge", lambda: self.inner.purge(limit))

    async def backlog(self) -> Backlog:
        return await self._through("backlog", self.inner.backlog)

    async def times(self) -> Times:
        return await self._through("times", self.inner.times)

    async def repair_clock(self) -> Repaired:
        return await self._through("repair_clock", self.inner.repair_clock)

    async def changed_tenants(self, since: int = 0) -> TenantChanges:
        return await self._through("changed_tenants", lambda: self.inner.changed_tenants(since))

    async def put_tenant(self, scope: Scope, config: bytes) -> bool:
        return await self._through("put_tenant", lambda: self.inner.put_tenant(scope, config))

    async def remove_tenant(self, scope: Scope) -> bool:
        return await self._through("remove_tenant", lambda: self.inner.remove_tenant(scope))

    async def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return await self._through("keys", lambda: self.inner.keys(app_id))

    async def add_key(self, app_id: str, key: StoredKey) -> bool:
        return await self._through("add_key", lambda: self.inner.add_key(app_id, key))

    async def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        return await self._through("replace_key", lambda: self.inner.replace_key(app_id, key, secret))

    async def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        await self._through("remove_keys", lambda: self.inner.remove_keys(app_id, kids))

    def _plan(self, method: str, fault: Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]], times: int) -> None:
        self._plans.setdefault(method, deque()).extend([fault] * times)

    async def _through(self, method: str, call: Callable[[], Awaitable[T]]) -> T:
        self.calls[method] += 1
        if self.down:
            raise StoreUnavailable("the test took the store down")
        plans = self._plans.get(method)
        if not plans:
            return await call()
        result: T = await plans.popleft()(call)
        return result


async def _refused(_: Callable[[], Awaitable[Any]]) -> Any:
    raise StoreUnavailable("the test had this call refused")


async def _done_but_not_told(call: Callable[[], Awaitable[Any]]) -> Any:
    await call()
    raise StoreUnavailable("the test lost this acknowledgement")


async def _after_hook(hook: Hook, call: Callable[[], Awaitable[Any]]) -> Any:
    await hook()
    return await call()
