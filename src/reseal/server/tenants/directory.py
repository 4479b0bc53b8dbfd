"""The apps and tenants of a service, and the driver of each app.

Rows live in the store, so that several processes agree; each process keeps them for a moment and then asks for what has
changed, beside the requests that go on meanwhile. It looks again at once when it meets a name that it does not know. A
row that is leaving belongs to a tenant whose removal was begun: it is there no more, and whoever meets it may bring the
removal to its end.

What an unchanged app costs does not depend on how many there are, nor on its tenants: rows are kept as they were stored
and read when they are asked for, and an app's driver is made when it is first wanted.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import msgspec

from reseal._async import paging
from reseal._async.ports import AsyncStore
from reseal.cdi.model import AppSettings
from reseal.cdi.problem import Problem, unknown_tenant
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

DEFAULT_APP: Final = "public"
LOOK_AGAIN_AFTER: Final = 500
"""Milliseconds for which an unknown name stays unknown, and after which a request asks for changes."""
WAIT_AFTER: Final = 1_000
"""Milliseconds after which it waits for them; before that it goes on with what is known."""
_LEAVING: Final = b'{"leaving": true}'
_MANY: Final = 200
"""Apps that are made before other requests have their turn."""


class TenantRows:
    """The tenants of one app as they are stored, oldest first."""

    def __init__(self) -> None:
        self.texts: dict[str, bytes] = {}

    def part(self, tenant_id: str, member: str) -> Mapping[str, Any]:
        found: Mapping[str, Any] = msgspec.json.decode(self.texts[tenant_id]).get(member, {})
        return found

    def born(self) -> str:
        """Return the id that distinguishes an app from a removed one of the same name."""
        return str(msgspec.json.decode(self.texts[DEFAULT_TENANT]).get("born", ""))


class TenantParts(Mapping[str, Mapping[str, Any]]):
    """One part of each tenant's row, by the tenant's id; read when it is asked for."""

    def __init__(self, rows: TenantRows, member: str) -> None:
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


@dataclass(frozen=True, slots=True)
class App:
    """One app with its tenants, oldest first, as they are now."""

    driver: CdiSessions
    tenants: Mapping[str, Mapping[str, Any]]
    """The configuration of each tenant, by its id."""
    sign_in: Mapping[str, Mapping[str, Any]]
    """What each tenant's SDK noted about ways to sign in: kept and shown, never acted on."""
    store: AsyncStore
    """The store, in which no session of this app begins once it or the tenant is gone."""
    born: str
    """Tells an app from one of the same name that was removed before: it has other keys."""
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
        self._rows: dict[str, TenantRows] = {}
        self._made: dict[str, App] = {}
        """The apps that were asked for."""
        self._with_keys: dict[str, tuple[ApiKey, ...]] = {}
        """The apps that have API keys of their own."""
        self._all_keys: Mapping[bytes, ApiKey] | None = None
        self._leaving: set[Scope] = set()
        self._revision = 0
        self._read_at: int | None = None
        self._looking: asyncio.Task[None] | None = None
        self._begun = 0
        """Readings that were begun; one goes on at a time."""
        self._latest = 0
        """Which of them came to its end last."""
        self._lock = asyncio.Lock()

    async def close(self) -> None:
        """End what is under way."""
        if self._looking is not None:
            self._looking.cancel()
            await asyncio.gather(self._looking, return_exceptions=True)

    async def find(self, app_id: str, tenant_id: str, *, insist: bool = False) -> App | None:
        """Return an app if it and its tenant exist. A known one stays known while the store is unavailable.

        ``insist``: look into the store at once for an unknown name, which may be another process's newest. Not for
        callers without a key: they could make the store busy.
        """
        app = self._known(app_id, tenant_id)
        if app is not None and (self._lock.locked() or not self._is_older_than(WAIT_AFTER)):
            self._look_beside()
            return app
        try:
            await self._look(now=insist and app is None)
        except StoreUnavailable:
            if app is None:
                raise
            self._read_at = self._clock.monotonic()
        return self._known(app_id, tenant_id)

    async def api_keys_of(self, app_id: str) -> tuple[ApiKey, ...]:
        """Return the API keys that an app has of its own; none if it is not known. For callers without a key, too."""
        app = None if app_id == DEFAULT_APP else await self.find(app_id, DEFAULT_TENANT)
        return () if app is None else app.api_keys

    async def api_keys(self) -> Mapping[bytes, ApiKey]:
        """Return the API keys that apps have of their own, by hash; one of several apps is valid for each of them."""
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
        """List the apps that the caller may see, as the store knows them now."""
        async with self._lock:
            await self._read()
            apps = {}
            for number, app_id in enumerate(CURRENT.get().apps_of(self._rows)):
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
            await self._finish_leaving(scope)
            app = self._known(app_id, DEFAULT_TENANT)
            config = _merged({} if app is None else app.tenants.get(tenant_id, {}), change)
            noted = _merged({} if app is None else app.sign_in.get(tenant_id, {}), sign_in or {})
            self._check(app, scope, config)
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
                await self._store.put_tenant(scope, _LEAVING)
                await self._read()
            existed = await self._remove(scope)
            await self._read()
            return existed

    async def _remove(self, scope: Scope) -> bool:
        """Delete what a tenant has, and first what those have that were created in its app meanwhile."""
        if scope.tenant_id == DEFAULT_TENANT:
            homeless = self._rows[scope.app_id].texts if self._is_homeless(scope.app_id) else ()
            for tenant_id in sorted(homeless):
                await self._store.remove_tenant(Scope(scope.app_id, tenant_id))
        return await self._store.remove_tenant(scope)

    async def _finish_leaving(self, scope: Scope) -> None:
        """Complete an interrupted removal, so that nothing of the tenant comes back."""
        if scope in self._leaving:
            await self._remove(scope)

    async def _take_back_homeless(self, scope: Scope) -> None:
        """Raise ``Problem`` if the app of a new tenant has been removed in the meantime."""
        if self._is_homeless(scope.app_id):
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
        rows = self._rows.get(app_id)
        if rows is None or tenant_id not in rows.texts or self._is_homeless(app_id):
            return None
        return self._made.get(app_id) or self._make(app_id)

    def _is_homeless(self, app_id: str) -> bool:
        """Return whether tenants are left whose app is gone."""
        rows = self._rows.get(app_id)
        return rows is not None and DEFAULT_TENANT not in rows.texts

    def _look_beside(self) -> None:
        """Ask for changes while requests go on, if it is time."""
        if self._is_older_than(LOOK_AGAIN_AFTER) and (self._looking is None or self._looking.done()):
            self._looking = asyncio.get_running_loop().create_task(self._look_and_forgive())

    async def _look_and_forgive(self) -> None:
        """Look; what is known stays known while the store is silent."""
        try:
            await self._look(now=False)
        except StoreUnavailable:
            self._read_at = self._clock.monotonic()

    async def _look(self, *, now: bool) -> None:
        async with self._lock:
            if now or self._is_older_than(LOOK_AGAIN_AFTER):
                await self._read()

    async def _read(self) -> None:
        """Read what has changed; one reading at a time, under the lock."""
        self._begun += 1
        changes = await paging.changed_tenants(self._store, self._revision)
        if changes.since == 0:
            self._forget({row.scope for row in changes.there})
        for row in changes.there:
            self._note(row.scope, row.config)
        for scope in changes.gone:
            self._drop(scope)
        self._revision = changes.revision
        self._read_at, self._latest = self._clock.monotonic(), self._begun

    def _forget(self, there: set[Scope]) -> None:
        """Know no tenant but these, and the default one, which needs no row."""
        known = [Scope(app_id, tenant_id) for app_id, rows in self._rows.items() for tenant_id in rows.texts]
        for scope in [*known, *self._leaving, Scope(DEFAULT_APP, DEFAULT_TENANT)]:
            if scope not in there:
                self._drop(scope)

    def _note(self, scope: Scope, config: bytes) -> None:
        if config == _LEAVING:
            self._drop(scope)
            self._leaving.add(scope)
            return
        self._leaving.discard(scope)
        self._rows.setdefault(scope.app_id, TenantRows()).texts[scope.tenant_id] = config
        if scope.tenant_id == DEFAULT_TENANT:
            self._note_keys(scope.app_id, config)
            if scope.app_id in self._made:
                self._make(scope.app_id)

    def _note_keys(self, app_id: str, config: bytes) -> None:
        """Few apps have keys of their own, so that the others are not read for it."""
        self._forget_keys(app_id)
        if b'"api_keys"' in config:
            self._with_keys[app_id] = own_keys(app_id, self._rows[app_id].part(DEFAULT_TENANT, "coreConfig"))

    def _forget_keys(self, app_id: str) -> None:
        self._with_keys.pop(app_id, None)
        self._all_keys = None

    def _drop(self, scope: Scope) -> None:
        self._leaving.discard(scope)
        if scope == Scope(DEFAULT_APP, DEFAULT_TENANT):
            self._note(scope, b"{}")
            return
        rows = self._rows.get(scope.app_id, TenantRows())
        rows.texts.pop(scope.tenant_id, None)
        if scope.tenant_id == DEFAULT_TENANT:
            self._made.pop(scope.app_id, None)
            self._forget_keys(scope.app_id)
        if not rows.texts:
            self._rows.pop(scope.app_id, None)

    def _make(self, app_id: str) -> App:
        """Make an app of its rows; what did not change stays as it was made before."""
        rows, known = self._rows[app_id], self._made.get(app_id)
        born = rows.born() if app_id != DEFAULT_APP else ""
        wanted = self._settings_of(app_id, rows.part(DEFAULT_TENANT, "coreConfig"), known)
        api_keys = self._with_keys.get(app_id, ())
        if known is not None and known.driver.app == wanted and known.born == born:
            self._made[app_id] = replace(known, api_keys=api_keys)
            return self._made[app_id]
        store = GuardedStore(self._store, lambda scope: self._still_has(scope, born))
        driver = CdiSessions(
            wanted,
            store,
            self._clock,
            self._wrapping,
            random=self._random,
            on_event=self._on_event,
            verifier=self._verifier,
        )
        app = App(driver, TenantParts(rows, "coreConfig"), TenantParts(rows, "signIn"), store, born, api_keys)
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
        """Work out what holds for an app; what the service's own configuration no longer allows counts as absent."""
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
