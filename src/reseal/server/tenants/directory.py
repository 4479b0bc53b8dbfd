"""The apps and tenants of a service, and the sessions of each app.

The store has the rows, so that several processes agree. Each process caches them and polls for changes in the
background; an unknown name makes it read them at once. The sessions of an app are created on first use. The removal of
a tenant is described in ``removal``.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from reseal._async import killing, paging
from reseal._async.ports import AsyncStore
from reseal.cdi.model import AppSettings
from reseal.cdi.problem import Problem
from reseal.cdi.verifier import CdiVerifier
from reseal.clock import Clock
from reseal.core.errors import StoreUnavailable
from reseal.core.events import EventListener
from reseal.core.handles import DEFAULT_TENANT
from reseal.core.keys import Wrapping
from reseal.core.model import Scope
from reseal.core.secret import revealed
from reseal.log import LOGGER
from reseal.server.api_keys import ApiKey
from reseal.server.appconfig import app_settings, as_stored, check_tenant, own_keys
from reseal.server.cdi.sessions import CdiSessions
from reseal.server.config import ServiceSettings
from reseal.server.permits import CURRENT
from reseal.server.tenant_guard import GuardedStore
from reseal.server.tenants.removal import Removal
from reseal.server.tenants.rows import DEFAULT_APP, TenantParts, TenantRows

LOOK_AGAIN_AFTER: Final = 500
"""Milliseconds for which an unknown name is cached, and after which a request starts a reload."""
WAIT_AFTER: Final = 1_000
"""Milliseconds after which a request waits for the reload; before that it uses the cached rows."""
WAIT_AT_MOST: Final = 0.5
"""Seconds that it waits: a store that does not answer is not waited for, and the cached rows are used."""
_MANY: Final = 200
"""Apps that are built before the event loop runs other requests."""


@dataclass(frozen=True, slots=True)
class App:
    """One app with its tenants, oldest first, as they are now."""

    driver: CdiSessions
    tenants: Mapping[str, Mapping[str, Any]]
    """The configuration of each tenant, by its id."""
    sign_in: Mapping[str, Mapping[str, Any]]
    """The sign-in methods that each tenant's SDK stored: kept and shown, without effect."""
    store: AsyncStore
    """The store; it refuses new sessions of this app after the app or the tenant was removed."""
    incarnation: str
    """Distinguishes an app from a removed one of the same name, which had other keys."""
    api_keys: tuple[ApiKey, ...]
    """The app's own keys. If there are any, every call needs a key."""


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
        self._wrapping = Wrapping(revealed(settings.secret_key), revealed(settings.accepted_secret_keys))
        self._verifier = CdiVerifier()
        self._rows = TenantRows()
        self._removal = Removal(store, self._rows)
        self._made: dict[str, App] = {}
        """The apps in use."""
        self._with_keys: dict[str, tuple[ApiKey, ...]] = {}
        """The apps that have API keys of their own."""
        self._all_keys: Mapping[bytes, ApiKey] | None = None
        self._revision = 0
        self._read_at: int | None = None
        self._reloading: asyncio.Task[None] | None = None
        self._reloads_started = 0
        self._last_reload_finished = 0
        """Number of the last reload that finished; reloads do not overlap."""
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """Cancel a reload in the background."""
        if self._reloading is not None:
            self._reloading.cancel()
            await asyncio.gather(self._reloading, return_exceptions=True)

    def fresh(self, app_id: str, tenant_id: str) -> App | None:
        """Return an app that exists, with its tenant, by rows that were read a moment ago: nothing has to be done."""
        app = self._made.get(app_id)
        if app is None or self._is_older_than(LOOK_AGAIN_AFTER) or tenant_id not in app.tenants:
            return None
        return app

    async def find(self, app_id: str, tenant_id: str, *, insist: bool = False) -> App | None:
        """Return an app if it and its tenant exist. A known one stays known while the store is unavailable.

        ``insist``: read the store at once for an unknown name, which another process may just have created. Not for
        callers without a key: they could overload the store.
        """
        if self._known(app_id, tenant_id) is None:
            await self._reload_if_due(now=insist)
        else:
            self._reload_in_background()
            if self._reloading is not None and self._is_older_than(WAIT_AFTER) and not self._lock.locked():
                await asyncio.wait({self._reloading}, timeout=WAIT_AT_MOST)
        return self._known(app_id, tenant_id)

    def signing_since(self) -> list[int | None]:
        """Return since when (ms) the key of each app in use has been signing."""
        return [app.driver.signing_since() for app in self._made.values()]

    async def api_keys_of(self, app_id: str) -> tuple[ApiKey, ...]:
        """Return the app's own API keys; none if the app is unknown. Callable for callers without a key."""
        app = None if app_id == DEFAULT_APP else await self.find(app_id, DEFAULT_TENANT)
        return () if app is None else app.api_keys

    async def api_keys(self) -> Mapping[bytes, ApiKey]:
        """Return the API keys of individual apps, by hash; a key of several apps is valid for each of them."""
        await self.find(DEFAULT_APP, DEFAULT_TENANT)
        if self._all_keys is None:
            apps: dict[bytes, set[str]] = {}
            for app_id, keys in self._with_keys.items():
                for key in keys:
                    apps.setdefault(key.digest, set()).add(app_id)
            self._all_keys = {digest: ApiKey.for_apps(digest, ids) for digest, ids in apps.items()}
        return self._all_keys

    async def app(self, app_id: str) -> App | None:
        """Return an app as currently stored."""
        async with self._lock:
            await self._read()
            return self._known(app_id, DEFAULT_TENANT)

    async def apps(self) -> Mapping[str, App]:
        """List the apps that the caller may see, as the store has them now."""
        async with self._lock:
            await self._read()
            apps = {}
            for number, app_id in enumerate(CURRENT.get().apps_of(self._rows.apps)):
                app = self._known(app_id, DEFAULT_TENANT)
                if app is not None:
                    apps[app_id] = app
                if number % _MANY == _MANY - 1:
                    await asyncio.sleep(0)
            return apps

    async def put(
        self, app_id: str, tenant_id: str, change: Mapping[str, Any], sign_in: Mapping[str, Any] | None = None
    ) -> bool:
        """Create a tenant, or merge changes into what it has; ``None`` removes a key. Says whether it is new.

        Raises ``Problem`` if the configuration does not fit, the app is gone, or the caller may not.
        """
        CURRENT.get().check_tenant(app_id, tenant_id)
        scope, change = Scope(app_id, tenant_id), as_stored(change)
        async with self._lock:
            await self._read()
            await self._removal.finish_begun(scope)
            app = self._known(app_id, DEFAULT_TENANT)
            config = _merged({} if app is None else app.tenants.get(tenant_id, {}), change)
            noted = _merged({} if app is None else app.sign_in.get(tenant_id, {}), sign_in or {})
            self._check(app, scope, config)
            incarnation = self._random(8).hex() if app is None else app.incarnation
            row = {"coreConfig": config, "signIn": noted, "born": incarnation}
            created = await self._store.put_tenant(scope, json.dumps(row).encode())
            await self._read()
            await self._removal.refuse_orphan(scope)
            return created

    async def remove(self, app_id: str, tenant_id: str) -> bool:
        """Remove a tenant with its sessions; the default tenant goes with its app. Says whether it was there."""
        CURRENT.get().check_whole_app(app_id)
        scope = Scope(app_id, tenant_id)
        async with self._lock:
            await self._read()
            if self._known(app_id, tenant_id) is not None:
                await self._removal.begin(scope)
                await self._read()
            existed = await self._removal.finish(scope)
            await self._read()
            return existed

    async def _still_has(self, scope: Scope, incarnation: str) -> bool:
        """Return whether a tenant exists, after a reload that began after this call; concurrent callers share one."""
        asked = self._reloads_started
        async with self._lock:
            if self._last_reload_finished <= asked:
                await self._read()
        app = self._known(scope.app_id, scope.tenant_id)
        return app is not None and app.incarnation == incarnation

    def _known(self, app_id: str, tenant_id: str) -> App | None:
        if not self._rows.has(app_id, tenant_id):
            return None
        return self._made.get(app_id) or self._make(app_id)

    def _reload_in_background(self) -> None:
        """Start a reload in the background if one is due."""
        if self._is_older_than(LOOK_AGAIN_AFTER) and (self._reloading is None or self._reloading.done()):
            self._reloading = asyncio.get_running_loop().create_task(self._reload_or_keep())

    async def _reload_or_keep(self) -> None:
        """Read the changes; without the store the cached apps remain."""
        try:
            await self._reload_if_due(now=False)
        except StoreUnavailable:
            self._read_at = self._clock.monotonic()

    async def _reload_if_due(self, *, now: bool) -> None:
        async with self._lock:
            if now or self._is_older_than(LOOK_AGAIN_AFTER):
                await self._read()

    async def _read(self) -> None:
        """Read the changes; one reload at a time, under the lock."""
        self._reloads_started += 1
        changes = await paging.changed_tenants(self._store, self._revision)
        changed = self._rows.keep_only({row.scope for row in changes.there}) if changes.since == 0 else set()
        for row in changes.there:
            changed |= self._rows.put(row.scope, row.config)
        changed |= self._rows.drop(changes.gone)
        for app_id in changed:
            self._renew(app_id)
        self._revision = changes.revision
        self._read_at, self._last_reload_finished = self._clock.monotonic(), self._reloads_started

    def _renew(self, app_id: str) -> None:
        """Follow a change of an app's own row."""
        self._with_keys.pop(app_id, None)
        self._all_keys = None
        if not self._rows.has(app_id, DEFAULT_TENANT):
            self._made.pop(app_id, None)
            return
        rows = self._rows.apps[app_id]
        if b'"api_keys"' in rows.texts[DEFAULT_TENANT]:  # few apps have keys of their own: the others are not decoded
            self._with_keys[app_id] = own_keys(app_id, rows.part(DEFAULT_TENANT, "coreConfig"))
        if app_id in self._made:
            self._make(app_id)

    def _make(self, app_id: str) -> App:
        """Build an app from its rows, keeping unchanged parts of the previous one."""
        rows, known = self._rows.apps[app_id], self._made.get(app_id)
        incarnation = rows.incarnation() if app_id != DEFAULT_APP else ""
        wanted = self._settings_of(app_id, rows.part(DEFAULT_TENANT, "coreConfig"), known)
        api_keys = self._with_keys.get(app_id, ())
        if known is not None and known.driver.app == wanted and known.incarnation == incarnation:
            self._made[app_id] = replace(known, api_keys=api_keys)
            return self._made[app_id]
        store = GuardedStore(killing.on(self._store, wanted, self._settings), lambda s: self._still_has(s, incarnation))
        driver = CdiSessions(
            wanted,
            store,
            self._clock,
            self._wrapping,
            random=self._random,
            on_event=self._on_event,
            event_outbox=self._settings.event_outbox,
            verifier=self._verifier,
        )
        app = App(driver, TenantParts(rows, "coreConfig"), TenantParts(rows, "signIn"), store, incarnation, api_keys)
        self._made[app_id] = app
        return app

    def _check(self, app: App | None, scope: Scope, config: Mapping[str, Any]) -> None:
        app_settings(scope.app_id, self._settings, config)
        tenants = {} if app is None else app.tenants
        if scope.tenant_id != DEFAULT_TENANT:
            check_tenant(self._settings, tenants.get(DEFAULT_TENANT, {}), scope.tenant_id, config)
            return
        for tenant_id, its_config in tenants.items():
            if tenant_id != DEFAULT_TENANT and its_config:
                check_tenant(self._settings, config, tenant_id, its_config)

    def _settings_of(self, app_id: str, config: Mapping[str, Any], known: App | None) -> AppSettings:
        """Derive the settings of an app; values that the service's configuration no longer allows count as absent."""
        try:
            return app_settings(app_id, self._settings, config)
        except Problem as problem:
            base = app_settings(app_id, self._settings, {})
            if known is None or known.driver.app != base:
                LOGGER.warning("the configuration of app %s is put aside: %s", app_id, problem.text)
            return base

    def _is_older_than(self, milliseconds: int) -> bool:
        return self._read_at is None or self._clock.monotonic() - self._read_at >= milliseconds


def _merged(before: Mapping[str, Any], change: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in (dict(before) | dict(change)).items() if value is not None}
