"""The rows of all apps and tenants as this process knows them. Pure: the directory reads them and applies what changed.

Rows are kept as they were stored and decoded when they are asked for, so that an unchanged app costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from reseal.core.handles import DEFAULT_TENANT
from reseal.core.model import Scope

DEFAULT_APP: Final = "public"
DEFAULT: Final = Scope(DEFAULT_APP, DEFAULT_TENANT)
"""It is always there, with a row or without one."""
REMOVING: Final = b'{"leaving": true}'
"""The row of a tenant whose removal has begun."""


class AppRows:
    """The tenants of one app as they are stored, oldest first."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}

    def part(self, tenant_id: str, member: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = msgspec.json.decode(self.texts[tenant_id]).get(member, {})
        return found

    def incarnation(self) -> str:
        """Return the random text that distinguishes an app from a removed one of the same name."""
        return str(msgspec.json.decode(self.texts[DEFAULT_TENANT]).get("born", ""))


class TenantParts(Mapping[str, Mapping[str, Any]]):
    """One part of each tenant's row, by the tenant's id; decoded when it is asked for."""

    def __init__(self, rows: AppRows, member: str) -> None:
        self._rows = rows
        self._member = member

    def __getitem__(self, tenant_id: str) -> Mapping[str, Any]:
        return self._rows.part(tenant_id, self._member)

    def __contains__(self, tenant_id: object) -> bool:
        return tenant_id in self._rows.texts

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows.texts)

    def __len__(self) -> int:
        return len(self._rows.texts)


class TenantRows:
    """The rows of every app, and the tenants whose removal has begun."""

    def __init__(self) -> None:
        self.apps: dict[str, AppRows] = {}
        self.removing: set[Scope] = set()

    def has(self, app_id: str, tenant_id: str) -> bool:
        """Say whether a tenant exists: it and its app's default tenant have rows."""
        rows = self.apps.get(app_id)
        return rows is not None and tenant_id in rows.texts and DEFAULT_TENANT in rows.texts

    def orphans(self, app_id: str) -> Iterable[str]:
        """Return the tenants of an app that is gone."""
        rows = self.apps.get(app_id)
        return () if rows is None or DEFAULT_TENANT in rows.texts else sorted(rows.texts)

    def keep_only(self, there: set[Scope]) -> set[str]:
        """Forget all tenants but these. Returns the apps whose own row changed."""
        known = [Scope(app_id, tenant_id) for app_id, rows in self.apps.items() for tenant_id in rows.texts]
        return self.drop(scope for scope in [*known, *self.removing, DEFAULT] if scope not in there)

    def put(self, scope: Scope, config: bytes) -> set[str]:
        """Note a row. Returns its app if that is the app's own row."""
        if config == REMOVING:
            changed = self.drop([scope])
            self.removing.add(scope)
            return changed
        self.removing.discard(scope)
        self.apps.setdefault(scope.app_id, AppRows()).texts[scope.tenant_id] = config
        return {scope.app_id} if scope.tenant_id == DEFAULT_TENANT else set()

    def drop(self, scopes: Iterable[Scope]) -> set[str]:
        """Forget tenants. Returns the apps whose own row changed."""
        changed = set()
        for scope in scopes:
            self._drop(scope)
            if scope.tenant_id == DEFAULT_TENANT:
                changed.add(scope.app_id)
        return changed

    def _drop(self, scope: Scope) -> None:
        self.removing.discard(scope)
        if scope == DEFAULT:
            self.put(scope, b"{}")
            return
        rows = self.apps.get(scope.app_id, AppRows())
        rows.texts.pop(scope.tenant_id, None)
        if not rows.texts:
            self.apps.pop(scope.app_id, None)
