"""Callers reach the sessions of the tenants that they are permitted, and sessions begin in tenants that are there.

That holds also in a process that has not yet heard that a tenant was removed.

Whoever removes a tenant first says so in the store, then deletes its sessions. A session that begins is written first,
then its tenant is looked up. So whatever the order, either the removal finds the session, or the lookup the removal.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from reseal._async.forwarding import AsyncForwardingStore, P, T
from reseal._async.ports import AsyncStore
from reseal.cdi.problem import unknown_tenant
from reseal.core.events import EventName
from reseal.core.model import EndReason, Found, NewSession, Rotation, Scope, SessionRecord
from reseal.core.outbox import Report, Reports
from reseal.server.permits import CURRENT, EVERYTHING

StillThere = Callable[[Scope], Awaitable[bool]]
"""Looks into the store whether a tenant is there now."""


class GuardedStore(AsyncForwardingStore):
    """A store that rejects new sessions of removed tenants, and callers without a permit for the tenant.

    Raises ``Problem`` for either.
    """

    def __init__(self, inner: AsyncStore, still_there: StillThere) -> None:
        super().__init__(inner)
        self._still_there = still_there

    async def insert(self, scope: Scope, new: NewSession, reports: Reports = ()) -> SessionRecord | None:
        """Begin a session. Raises ``Problem`` if its tenant is gone; then the session has ended."""
        _check(scope)
        record = await self.inner.insert(scope, new, reports)
        if record is None or scope == Scope() or await self._still_there(scope):  # the default tenant cannot be removed
            return record
        told = (Report(name=EventName.SESSION_REVOKED, reason=EndReason.REVOKED.value),) if reports else ()
        await self.end(scope, [record.handle], EndReason.REVOKED, told)
        raise unknown_tenant(scope.app_id, scope.tenant_id)

    async def get(self, scope: Scope, handle: str) -> Found:
        _check(scope)
        return await self.inner.get(scope, handle)

    async def rotate(self, scope: Scope, rotation: Rotation, reports: Reports = ()) -> SessionRecord | None:
        _check(scope)
        return await self.inner.rotate(scope, rotation, reports)

    async def _call(
        self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        if scope is not None:
            _check(scope)
        return await call(*args, **kwargs)


def _check(scope: Scope) -> None:
    permit = CURRENT.get()
    if permit is not EVERYTHING:
        permit.check_tenant(scope.app_id, scope.tenant_id)
