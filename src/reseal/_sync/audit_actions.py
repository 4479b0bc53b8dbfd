# Generated from src/reseal/_async/audit_actions.py by tools/unasync.py; edit that file instead.
"""Changes of a store that are no events of sessions, in its audit trail: of keys, apps, tenants and the clock.

An action becomes a row before it is done: one that failed may be in the trail, one that is missing was not done.
"""

from __future__ import annotations

from collections.abc import Iterable

from reseal._sync.audit import AuditTrail
from reseal._sync.ports import Store
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope, StoredKey
from reseal.core.store_time import Repaired
from reseal.log import LOGGER
from reseal.settings.fields import SharedFields

_OWN = "reseal:"
"""How the names of apps begin under which the audit trail keeps its own keys."""


def audited(store: Store, settings: SharedFields) -> Store:
    """Have the changes of a store recorded, if it has an audit trail; returns the same store.

    The methods of this one object are replaced, so that nothing else costs more.
    """
    if settings.audit:
        recorder = _Recorder(store, AuditTrail.of(store, settings))
        for name in ("add_key", "replace_key", "remove_keys", "put_tenant", "remove_tenant", "repair_clock"):
            setattr(store, name, getattr(recorder, name))
    return store


class _Recorder:
    """The methods that take the place of the store's."""

    def __init__(self, store: Store, trail: AuditTrail) -> None:
        self._keys = store.keys
        self._add_key, self._replace_key, self._remove_keys = store.add_key, store.replace_key, store.remove_keys
        self._put_tenant, self._remove_tenant = store.put_tenant, store.remove_tenant
        self._repair_clock = store.repair_clock
        self._trail = trail

    def _record(self, name: str, *place: str, key: str | None = None) -> None:
        try:
            self._trail.record(name, *place, key=key)
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 - sessions go on, and so do their keys
            LOGGER.exception("%s is not in the audit trail, which cannot go on: run reseal audit verify", name)

    def add_key(self, app_id: str, key: StoredKey) -> bool:
        if not app_id.startswith(_OWN) and key.kid not in {each.kid for each in self._keys(app_id)}:
            self._record("key_published", app_id, key=key.kid)
        return self._add_key(app_id, key)

    def replace_key(self, app_id: str, key: StoredKey, secret: bytes) -> bool:
        if not app_id.startswith(_OWN):
            self._record("key_encrypted_anew", app_id, key=key.kid)
        return self._replace_key(app_id, key, secret)

    def remove_keys(self, app_id: str, kids: Iterable[str]) -> None:
        named = tuple(kids)
        for kid in () if app_id.startswith(_OWN) else named:
            self._record("key_retired", app_id, key=kid)
        self._remove_keys(app_id, named)

    def put_tenant(self, scope: Scope, config: bytes) -> bool:
        self._record("tenant_written", *scope)
        return self._put_tenant(scope, config)

    def remove_tenant(self, scope: Scope) -> bool:
        self._record("tenant_removed", *scope)
        return self._remove_tenant(scope)

    def repair_clock(self) -> Repaired:
        self._record("clock_repaired")
        return self._repair_clock()
