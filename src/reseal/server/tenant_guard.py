"""Callers reach the sessions of the tenants that they are permitted, and sessions begin in tenants that are there.

That holds also in a process that has not yet heard that a tenant was removed.

Whoever removes a tenant first says so in the store, then deletes its sessions. A session that begins is written first,
then its tenant is looked up. So whatever the order, either the removal finds the session, or the lookup the removal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from inspect import signature
from typing import Any, Final, cast

from reseal._async.ports import AsyncStore
from reseal.cdi.problem import unknown_tenant
from reseal.core.model import EndReason, NewSession, Scope, SessionRecord
from reseal.server.permits import CURRENT

StillThere = Callable[[Scope], Awaitable[bool]]
"""Looks into the store whether a tenant is there now."""


class _Guarded:
    """A store in which no session begins unseen, and none is met by whom it does not concern."""

    def __init__(self, store: AsyncStore, still_there: StillThere) -> None:
        self._store = store
        self._still_there = still_there

    async def insert(self, scope: Scope, new: NewSession) -> SessionRecord | None:
        """Begin a session. Raises ``Problem`` if its tenant is gone; then the session has ended."""
        _check(scope)
        record = await self._store.insert(scope, new)
        if record is None or scope == Scope() or await self._still_there(scope):  # the first of all cannot be removed
            return record
        await self._store.end(scope, [record.handle], EndReason.REVOKED)
        raise unknown_tenant(scope.app_id, scope.tenant_id)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name in _SCOPED:
            call = _checked(call)
        setattr(self, name, call)  # looked up once
        return call


def _checked(call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    async def checked(scope: Scope, *arguments: Any, **named: Any) -> Any:
        _check(scope)
        return await call(scope, *arguments, **named)

    return checked


def _check(scope: Scope) -> None:
    CURRENT.get().check_tenant(scope.app_id, scope.tenant_id)


_SCOPED: Final = frozenset(
    name for name, call in vars(AsyncStore).items() if callable(call) and "scope" in signature(call).parameters
)


def guarded(store: AsyncStore, still_there: StillThere) -> AsyncStore:
    """Wrap a store, so that sessions begin only in tenants that are still there."""
    return cast("AsyncStore", _Guarded(store, still_there))  # it has every other method of the port by delegation
