"""Apps and tenants: create, change, remove, list (core interface, section 2.9).

An app is managed through itself or through the public app, a tenant through itself or through its app's public tenant.
Ways to sign in (``firstFactors`` and the like) are other recipes' business: they are kept and shown, never acted on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from reseal.cdi.body import Body
from reseal.cdi.names import check_app_id, check_tenant_id
from reseal.cdi.paths import DEFAULT
from reseal.cdi.problem import Problem, unknown_tenant
from reseal.cdi.versions import Version
from reseal.server.operations.call import Call, Reply
from reseal.server.permits import CURRENT
from reseal.server.tenants.directory import App, Directory
from reseal.server.tenants.rows import DEFAULT_APP

V5_0: Final = Version(5, 0)
_METHODS: Final = ("emailPassword", "thirdParty", "passwordless")
_FACTORS: Final = ("firstFactors", "requiredSecondaryFactors")


async def put_app(call: Call) -> Reply:
    return await _put_app(call, _flags)


async def put_app_v2(call: Call) -> Reply:
    return await _put_app(call, _factors)


async def remove_app(call: Call) -> Reply:
    """Remove an app with its sessions and keys; its tenants have to go first."""
    app_id = check_app_id(Body(call.body).text("appId"))
    _through_public_app(call)
    if app_id == DEFAULT_APP:
        raise Problem(403, "The public app cannot be removed")
    app = await call.service.directory.app(app_id)
    if app is not None and len(app.tenants) > 1:
        raise Problem(403, f"App {app_id} still has tenants besides public; remove them first")
    return {"status": "OK", "didExist": app is not None and await call.service.directory.remove(app_id, DEFAULT)}


async def list_apps(call: Call) -> Reply:
    return await _list_apps(call, _shown)


async def list_apps_v2(call: Call) -> Reply:
    return await _list_apps(call, _shown_v2)


async def put_tenant(call: Call) -> Reply:
    return await _put_tenant(call, _flags)


async def put_tenant_v2(call: Call) -> Reply:
    return await _put_tenant(call, _factors)


async def get_tenant(call: Call) -> Reply:
    return await _get_tenant(call, _shown)


async def get_tenant_v2(call: Call) -> Reply:
    return await _get_tenant(call, _shown_v2)


async def remove_tenant(call: Call) -> Reply:
    """Remove a tenant with its sessions."""
    tenant_id = check_tenant_id(Body(call.body).text("tenantId"))
    if tenant_id == DEFAULT:
        raise Problem(403, "The public tenant cannot be removed; remove its app")
    return {"status": "OK", "didExist": await call.service.directory.remove(call.app_id, tenant_id)}


async def list_tenants(call: Call) -> Reply:
    return await _list_tenants(call, _shown)


async def list_tenants_v2(call: Call) -> Reply:
    return await _list_tenants(call, _shown_v2)


SignIn = Callable[[Body, Version], dict[str, Any]]
Shown = Callable[[str, App, Version], Reply]


async def _put_app(call: Call, sign_in: SignIn) -> Reply:
    body = Body(call.body)
    app_id = check_app_id(body.text_or_none("appId") or DEFAULT_APP)
    noted, config = sign_in(body, call.version), body.object_or_none("coreConfig") or {}
    if app_id != call.app_id:
        _through_public_app(call)
    return {"status": "OK", "createdNew": await _put(call.service.directory, app_id, DEFAULT, config, noted)}


async def _put_tenant(call: Call, sign_in: SignIn) -> Reply:
    body = Body(call.body)
    tenant_id = check_tenant_id(body.text_or_none("tenantId") or DEFAULT)
    noted, config = sign_in(body, call.version), body.object_or_none("coreConfig") or {}
    if call.tenant_id not in {DEFAULT, tenant_id}:
        raise Problem(403, "A tenant can only be changed through itself or through the public tenant")
    return {"status": "OK", "createdNew": await _put(call.service.directory, call.app_id, tenant_id, config, noted)}


async def _put(
    directory: Directory, app_id: str, tenant_id: str, config: Mapping[str, Any], noted: Mapping[str, Any]
) -> bool:
    if (app_id, tenant_id) != (DEFAULT_APP, DEFAULT):
        return await directory.put(app_id, tenant_id, config, noted)
    if config:
        raise Problem(400, "Cannot modify base config")
    if noted:
        await directory.put(app_id, tenant_id, {}, noted)
    return False


async def _list_apps(call: Call, shown: Shown) -> Reply:
    _through_public_app(call)
    apps = await call.service.directory.apps()
    return {
        "status": "OK",
        "apps": [{"appId": app_id, "tenants": _tenants(app, call.version, shown)} for app_id, app in apps.items()],
    }


async def _list_tenants(call: Call, shown: Shown) -> Reply:
    app = await call.service.directory.app(call.app_id)
    if app is None:
        raise unknown_tenant(call.app_id, call.tenant_id)
    return {"status": "OK", "tenants": _tenants(app, call.version, shown)}


async def _get_tenant(call: Call, shown: Shown) -> Reply:
    CURRENT.get().check_tenant(call.app_id, call.tenant_id)
    app = await call.service.directory.find(call.app_id, call.tenant_id, insist=True)
    if app is None:
        return {"status": "TENANT_NOT_FOUND_ERROR"}
    return {"status": "OK"} | shown(call.tenant_id, app, call.version)


def _tenants(app: App, version: Version, shown: Shown) -> list[Reply]:
    return [shown(tenant_id, app, version) for tenant_id in CURRENT.get().tenants_of(app.tenants)]


def _shown(tenant_id: str, app: App, version: Version) -> Reply:
    """Show a tenant as interfaces 3.0 to 5.0 do. The public tenant allows everything by default."""
    noted, default = app.sign_in[tenant_id], tenant_id == DEFAULT
    reply: Reply = {"tenantId": tenant_id}
    reply |= {method: {"enabled": noted.get(f"{method}Enabled", default)} for method in _METHODS}
    reply["thirdParty"]["providers"] = []
    factors = {name: noted[name] for name in _FACTORS if name in noted and version >= V5_0}
    return reply | factors | {"coreConfig": dict(app.tenants[tenant_id])}


def _shown_v2(tenant_id: str, app: App, _version: Version) -> Reply:
    noted = app.sign_in[tenant_id]
    reply: Reply = {"tenantId": tenant_id, "thirdParty": {"providers": []}}
    factors = {name: noted[name] for name in _FACTORS if name in noted}
    return reply | factors | {"coreConfig": dict(app.tenants[tenant_id])}


def _flags(body: Body, version: Version) -> dict[str, Any]:
    """Read which ways to sign in are on; from 5.0 on also the factors."""
    given = {name: body.flag_or_none(name) for name in (f"{method}Enabled" for method in _METHODS)}
    flags = {name: value for name, value in given.items() if value is not None}
    return flags | (_factors(body, version) if version >= V5_0 else {})


def _factors(body: Body, _version: Version) -> dict[str, Any]:
    """Read the factors; ``null`` takes them back."""
    given = {name: body.texts_or_none(name) for name in _FACTORS if not body.is_null(name)}
    factors: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    return factors | {name: None for name in _FACTORS if body.is_null(name)}


def _through_public_app(call: Call) -> None:
    if call.app_id != DEFAULT_APP:
        raise Problem(403, "Only the public app can manage other apps")
