"""Changes of a store that are no events of sessions, in its audit trail: of keys, apps, tenants and the clock.

An action becomes a row before it is done: one that failed may be in the trail, one that is missing was not done.
"""

from __future__ import annotations

from collections.abc import Iterable

from reseal._async.audit import AsyncAuditTrail
from reseal._async.ports import AsyncStore
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope, StoredKey
from reseal.core.store_time import Repaired
from reseal.log import LOGGER
from reseal.settings.fields import SharedFields

_OWN = "reseal:"
"""How the names of apps begin under which the audit trail keeps its own keys."""


def audited(store: AsyncStore, settings: SharedFields) -> AsyncStore:
    """Have the changes of a store recorded, if it has an audit trail; returns the same store.

    The methods of this one object are replaced, so that nothing else costs more.
    """
    if settings.audit:
        recorder = _Recorder(store, AsyncAuditTrail.of(store, settings))
        for name in ("add_key", "replace_key", "remove_keys", "put_tenant", "remove_tenant", "repair_clock"):
            setattr(store, name, getattr(recorder, name))
    return store


class _Recorder:
    """The methods that take the place of the store's."""

    def __init__(self, store: AsyncStore, trail: AsyncAuditTrail) -> None:
        self._keys = store.keys
        self._add_key, self._replace_key, self._remove_keys = store.add_key, store.replace_key, store.remove_keys
        self._put_tenant, self._remove_tenant = store.put_tenant, store.remove_tenant
        self._repair_clock = store.repair_clock
        self._trail = trail

    async def _record(self, name: str, *place: str, key: str | None = None) -> None:
        try:
            await self._trail.record(name, *place, key=key)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - sessions go on, and so do their keys
            LOGGER.exception("%s is not in the audit trail, which cannot go on: run reseal audit verify", name)

    async def add_key(self, app_id: str, key: StoredKey) -> bool:
        if not app_id.startswith(_OWN) and key.kid not in {each.kid for each in await self._keys(app_id)}:
            await self._record("key_published", app_id, key=key.kid)
        return await self._add_key(app_id, key)

    async def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        if not app_id.startswith(_OWN):
            await self._record("key_encrypted_anew", app_id, key=key.kid)
        return await self._replace_key(app_id, key, secret)

    async def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        named = tuple(kids)
        for kid in () if app_id.startswith(_OWN) else named:
            await self._record("key_retired", app_id, key=kid)
        await self._remove_keys(app_id, named)

    async def put_tenant(self, scope: Scope, config: bytes) -> bool:
        await self._record("tenant_written", *scope)
        return await self._put_tenant(scope, config)

    async def remove_tenant(self, scope: Scope) -> bool:
        await self._record("tenant_removed", *scope)
        return await self._remove_tenant(scope)

    async def repair_clock(self) -> Repaired:
        await self._record("clock_repaired")
        return await self._repair_clock()
