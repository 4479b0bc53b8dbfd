"""The apps and tenants of a service, and the driver of each app.

Rows live in the store, so that several processes agree; each process keeps them for a moment and looks again when it
meets a name that it does not know. A row that is leaving belongs to a tenant whose removal was begun: it is there no
more, and whoever meets it may bring the removal to its end.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from reseal._async.driver import AsyncDriver
from reseal._async.ports import AsyncStore
from reseal.clock import Clock
from reseal.core.errors import StoreUnavailable
from reseal.core.events import EventListener
from reseal.core.keys import Wrapping
from reseal.core.model import Scope, StoredTenant
from reseal.core.wire_model import DEFAULT_TENANT, AppSettings
from reseal.core.wire_verifier import WireVerifier
from reseal.log import LOGGER
from reseal.server.appconfig import app_settings, check_tenant
from reseal.server.config import ServiceSettings
from reseal.server.permits import CURRENT
from reseal.server.tenant_guard import guarded
from reseal.wire.problem import Problem, unknown_tenant

DEFAULT_APP: Final = "public"
LEAVING: Final = "leaving"
LOOK_AGAIN_AFTER: Final = 1_000
"""Milliseconds for which an unknown name stays unknown, and a known configuration unchanged."""


@dataclass(frozen=True, slots=True)
class App:
    """One app with its tenants, oldest first."""

    driver: AsyncDriver
    tenants: Mapping[str, Mapping[str, Any]]
    """The configuration of each tenant, by its id."""
    sign_in: Mapping[str, Mapping[str, Any]]
    """What each tenant's SDK noted about ways to sign in: kept and shown, never acted on."""
    store: AsyncStore
    """The store, in which no session of this app begins once it or the tenant is gone."""
    born: str
    """Tells an app from one of the same name that was removed before: it has other keys."""


class Directory:
    """Every app of this service."""

    def __init__(
        self,
        settings: ServiceSettings,
        store: AsyncStore,
        clock: Clock,
        *,
        random: Callable[[int], bytes] = os.urandom,
        on_event: EventListener,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._random = random
        self._on_event = on_event
        secret = settings.secret_key
        self._wrapping = Wrapping(secret.reveal() if secret else None)
        self._verifier = WireVerifier()
        self._apps: dict[str, App] = {}
        self._leaving: set[Scope] = set()
        self._homeless: set[Scope] = set()
        """Tenants whose app is gone."""
        self._read_at: int | None = None
        self._begun = 0
        """Readings that were begun; one goes on at a time."""
        self._latest = 0
        """Which of them came to its end last."""
        self._lock = asyncio.Lock()

    async def find(self, app_id: str, tenant_id: str, *, insist: bool = False) -> App | None:
        """Give an app if it and its tenant exist. One that was known stays known while the store is silent.

        ``insist``: look into the store at once for an unknown name, which may be another process's newest. Not for
        callers without a key: they could make the store busy.
        """
        app = self._known(app_id, tenant_id)
        if app is not None and (self._lock.locked() or not self._is_old()):
            return app
        try:
            await self._look(now=insist and app is None)
        except StoreUnavailable:
            if app is None:
                raise
            self._read_at = self._clock.monotonic()
        return self._known(app_id, tenant_id)

    async def apps(self) -> Mapping[str, App]:
        """List the apps that the caller may see, as the store knows them now."""
        async with self._lock:
            await self._read()
            return CURRENT.get().apps_of(self._apps)

    async def put(
        self, app_id: str, tenant_id: str, change: Mapping[str, Any], sign_in: Mapping[str, Any] | None = None
    ) -> bool:
        """Create a tenant, or merge changes into what it has; ``None`` removes a key. Says whether it is new.

        Raises ``Problem`` if the configuration does not fit, the app is gone, or the caller may not.
        """
        CURRENT.get().check_tenant(app_id, tenant_id)
        scope = Scope(app_id, tenant_id)
        async with self._lock:
            await self._read()
            await self._finish_leaving(scope)
            app = self._apps.get(app_id)
            config = _merged({} if app is None else app.tenants.get(tenant_id, {}), change)
            noted = _merged({} if app is None else app.sign_in.get(tenant_id, {}), sign_in or {})
            self._check(app_id, tenant_id, config)
            row = {"coreConfig": config, "signIn": noted, "born": self._random(8).hex() if app is None else app.born}
            created = await self._store.put_tenant(scope, json.dumps(row).encode())
            await self._read()
            await self._take_back_homeless(scope)
            return created

    async def remove(self, app_id: str, tenant_id: str) -> bool:
        """Remove a tenant with its sessions; the default tenant goes with its app. Says whether it was there."""
        CURRENT.get().check_whole_app(app_id)
        scope = Scope(app_id, tenant_id)
        async with self._lock:
            await self._read()
            if self._known(app_id, tenant_id) is not None:
                await self._store.put_tenant(scope, json.dumps({LEAVING: True}).encode())
                await self._read()
            existed = await self._remove(scope)
            await self._read()
            return existed

    async def _remove(self, scope: Scope) -> bool:
        """Delete what a tenant has, and first what those have that were created in its app meanwhile."""
        if scope.tenant_id == DEFAULT_TENANT:
            for each in sorted(each for each in self._homeless if each.app_id == scope.app_id):
                await self._store.remove_tenant(each)
        return await self._store.remove_tenant(scope)

    async def _finish_leaving(self, scope: Scope) -> None:
        """Bring a removal to its end that somebody began and did not finish, so that nothing of it comes back."""
        if scope in self._leaving:
            await self._remove(scope)

    async def _take_back_homeless(self, scope: Scope) -> None:
        """Create no tenant in an app that was removed meanwhile. Raises ``Problem``."""
        if scope in self._homeless:
            await self._store.remove_tenant(scope)
            raise unknown_tenant(scope.app_id, DEFAULT_TENANT)

    async def _still_has(self, scope: Scope, born: str) -> bool:
        """Look whether a tenant is there: in a reading that began after the question, one for all who ask meanwhile."""
        asked = self._begun
        async with self._lock:
            if self._latest <= asked:
                await self._read()
        app = self._known(scope.app_id, scope.tenant_id)
        return app is not None and app.born == born

    def _known(self, app_id: str, tenant_id: str) -> App | None:
        app = self._apps.get(app_id)
        return app if app is not None and tenant_id in app.tenants else None

    async def _look(self, *, now: bool) -> None:
        async with self._lock:
            if now or self._is_old():
                await self._read()

    async def _read(self) -> None:
        """Read all rows; one reading at a time, under the lock."""
        self._begun += 1
        by_app: dict[str, dict[str, Mapping[str, Any]]] = {DEFAULT_APP: {DEFAULT_TENANT: {}}}
        rows = [(row.scope, _parts(row)) for row in await self._store.tenants()]
        for scope, parts in rows:
            if LEAVING not in parts:
                by_app.setdefault(scope.app_id, {})[scope.tenant_id] = parts
        self._apps = {app_id: self._app(app_id, its) for app_id, its in by_app.items() if DEFAULT_TENANT in its}
        self._leaving = {scope for scope, parts in rows if LEAVING in parts}
        self._homeless = {scope for scope, _ in rows if scope.app_id not in self._apps} - self._leaving
        self._read_at, self._latest = self._clock.monotonic(), self._begun

    def _app(self, app_id: str, rows: Mapping[str, Mapping[str, Any]]) -> App:
        tenants = {tenant_id: row.get("coreConfig", {}) for tenant_id, row in rows.items()}
        sign_in = {tenant_id: row.get("signIn", {}) for tenant_id, row in rows.items()}
        born = rows[DEFAULT_TENANT].get("born", "") if app_id != DEFAULT_APP else ""
        known = self._apps.get(app_id)
        wanted = self._settings_of(app_id, tenants.get(DEFAULT_TENANT, {}), known)
        if known is not None and known.driver.app == wanted and known.born == born:
            return App(known.driver, tenants, sign_in, known.store, born)
        store = guarded(self._store, lambda scope: self._still_has(scope, born))
        driver = AsyncDriver(
            wanted,
            store,
            self._clock,
            self._wrapping,
            random=self._random,
            on_event=self._on_event,
            verifier=self._verifier,
        )
        return App(driver, tenants, sign_in, store, born)

    def _check(self, app_id: str, tenant_id: str, config: Mapping[str, Any]) -> None:
        app_settings(app_id, self._settings, config)
        known = self._apps.get(app_id)
        tenants = {} if known is None else dict(known.tenants)
        tenants[tenant_id] = config
        for each, its_config in tenants.items():
            check_tenant(self._settings, tenants.get(DEFAULT_TENANT, {}), each, its_config)

    def _settings_of(self, app_id: str, config: Mapping[str, Any], known: App | None) -> AppSettings:
        """Work out what holds for an app; what the service's own configuration no longer allows counts as absent."""
        try:
            return app_settings(app_id, self._settings, config)
        except Problem as problem:
            base = app_settings(app_id, self._settings, {})
            if known is None or known.driver.app != base:
                LOGGER.warning("the configuration of app %s is put aside: %s", app_id, problem.text)
            return base

    def _is_old(self) -> bool:
        return self._read_at is None or self._clock.monotonic() - self._read_at >= LOOK_AGAIN_AFTER


def _parts(row: StoredTenant) -> Mapping[str, Any]:
    parts: dict[str, Any] = json.loads(row.config)
    return parts


def _merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (dict(before) | dict(change)).items() if value is not None}
