"""Sessions begin in tenants that are there: also in a process that has not yet heard that one was removed.

Whoever removes a tenant first says so in the store, then deletes its sessions. A session that begins is written first,
then its tenant is looked up. So whatever the order, either the removal finds the session, or the lookup the removal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast

from reseal._async.ports import AsyncStore
from reseal.core.model import EndReason, NewSession, Scope, SessionRecord
from reseal.wire.problem import unknown_tenant

StillThere = Callable[[Scope], Awaitable[bool]]
"""Looks into the store whether a tenant is there now."""


class _Guarded:
    """A store in which no session begins unseen."""

    def __init__(self, store: AsyncStore, still_there: StillThere) -> None:
        self._store = store
        self._still_there = still_there

    async def insert(self, scope: Scope, new: NewSession) -> SessionRecord | None:
        """Begin a session. Raises ``Problem`` if its tenant is gone; then the session has ended."""
        record = await self._store.insert(scope, new)
        if record is None or scope == Scope() or await self._still_there(scope):  # the first of all cannot be removed
            return record
        await self._store.end(scope, [record.handle], EndReason.REVOKED)
        raise unknown_tenant(scope.app_id, scope.tenant_id)

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        setattr(self, name, call)  # looked up once
        return call


def guarded(store: AsyncStore, still_there: StillThere) -> AsyncStore:
    """Wrap a store, so that sessions begin only in tenants that are still there."""
    return cast("AsyncStore", _Guarded(store, still_there))  # it has every other method of the port by delegation
