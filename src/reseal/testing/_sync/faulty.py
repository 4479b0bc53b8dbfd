# Generated from src/reseal/testing/_async/faulty.py by tools/unasync.py; edit that file instead.
"""A store that fails when it is told to."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from reseal._sync.ports import Store
from reseal.core.errors import StoreUnavailable
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord, StoredKey, TenantChanges
from reseal.core.purging import Backlog, Purged
from reseal.core.selection import Adopted, Before, Place
from reseal.core.store_time import Repaired, Times

T = TypeVar("T")
Hook = Callable[[], object]


class FaultyStore:
    """Wraps a store. Faults are told by method name, happen once each, and in the order in which they were told."""

    def __init__(self, inner: Store) -> None:
        self.inner = inner
        self.down = False
        """While true, every call fails and changes nothing."""
        self.calls: Counter[str] = Counter()
        """How often each method was called."""
        self._plans: dict[str, deque[Callable[[Callable[[], Any]], Any]]] = {}

    def refuse(self, method: str, times: int = 1) -> None:
        """Fail before anything is done."""
        self._plan(method, _refused, times)

    def lose_acknowledgement(self, method: str, times: int = 1) -> None:
        """Do it, durably, and fail all the same: the answer got lost."""
        self._plan(method, _done_but_not_told, times)

    def before(self, method: str, hook: Hook) -> None:
        """Have something else happen first: another caller's whole request, or waiting for a signal."""
        self._plan(method, partial(_after_hook, hook), 1)

    def open(self) -> None:
        self._through("open", self.inner.open)

    def close(self) -> None:
        self.inner.close()

    def insert(self, scope: Scope, new: NewSession) -> SessionRecord | None:
        return self._through("insert", lambda: self.inner.insert(scope, new))

    def get(self, scope: Scope, handle: str) -> Found:
        return self._through("get", lambda: self.inner.get(scope, handle))

    def get_many(self, scope: Scope, handles: Iterable[str]) -> dict[str, Found]:
        return self._through("get_many", lambda: self.inner.get_many(scope, handles))

    def rotate(self, scope: Scope, rotation: Rotation) -> SessionRecord | None:
        return self._through("rotate", lambda: self.inner.rotate(scope, rotation))

    def replace(self, scope: Scope, record: SessionRecord) -> bool:
        return self._through("replace", lambda: self.inner.replace(scope, record))

    def end(self, scope: Scope, handles: Iterable[str], reason: EndReason) -> tuple[str, ...]:
        return self._through("end", lambda: self.inner.end(scope, handles, reason))

    def end_user(self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None) -> tuple[str, ...]:
        return self._through("end_user", lambda: self.inner.end_user(scope, user_id, reason, keep))

    def list_user(self, scope: Scope, user_id: str) -> tuple[SessionRecord, ...]:
        return self._through("list_user", lambda: self.inner.list_user(scope, user_id))

    def list_before(self, which: Before, after: Place, limit: int) -> tuple[tuple[Scope, SessionRecord], ...]:
        return self._through("list_before", lambda: self.inner.list_before(which, after, limit))

    def adopted(self) -> Adopted:
        return self._through("adopted", self.inner.adopted)

    def claim(self, scope: Scope, name: str, until: int) -> bool:
        return self._through("claim", lambda: self.inner.claim(scope, name, until))

    def purge(self, limit: int) -> Purged:
        return self._through("purge", lambda: self.inner.purge(limit))

    def backlog(self) -> Backlog:
        return self._through("backlog", self.inner.backlog)

    def times(self) -> Times:
        return self._through("times", self.inner.times)

    def repair_clock(self) -> Repaired:
        return self._through("repair_clock", self.inner.repair_clock)

    def changed_tenants(self, since: int = 0) -> TenantChanges:
        return self._through("changed_tenants", lambda: self.inner.changed_tenants(since))

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        return self._through("put_tenant", lambda: self.inner.put_tenant(scope, config))

    def remove_tenant(self, scope: Scope) -> bool:
        return self._through("remove_tenant", lambda: self.inner.remove_tenant(scope))

    def keys(self, app_id: str) -> tuple[StoredKey, ...]:
        return self._through("keys", lambda: self.inner.keys(app_id))

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        return self._through("add_key", lambda: self.inner.add_key(app_id, key))

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        return self._through("replace_key", lambda: self.inner.replace_key(app_id, key, secret))

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        self._through("remove_keys", lambda: self.inner.remove_keys(app_id, kids))

    def _plan(self, method: str, fault: Callable[[Callable[[], Any]], Any], times: int) -> None:
        self._plans.setdefault(method, deque()).extend([fault] * times)

    def _through(self, method: str, call: Callable[[], T]) -> T:
        self.calls[method] += 1
        if self.down:
            raise StoreUnavailable("the test took the store down")
        plans = self._plans.get(method)
        if not plans:
            return call()
        result: T = plans.popleft()(call)
        return result


def _refused(_: Callable[[], Any]) -> Any:
    raise StoreUnavailable("the test had this call refused")


def _done_but_not_told(call: Callable[[], Any]) -> Any:
    call()
    raise StoreUnavailable("the test lost this acknowledgement")


def _after_hook(hook: Hook, call: Callable[[], Any]) -> Any:
    hook()
    return call()
