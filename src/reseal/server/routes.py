"""The function behind each operation of ``cdi.paths``. A name without a function, or the reverse, fails at import."""

from __future__ import annotations

from typing import Final

from reseal.cdi.paths import PROBES, ROUTES
from reseal.server.operations import about, sessions, tenancy
from reseal.server.operations.call import Handler


def joined(handlers: dict[str, Handler]) -> dict[str, Handler]:
    """Return the table. Raises ``LookupError`` unless it has a function for each operation, and for no other."""
    named = {operation.name for operations in ROUTES.values() for operation in operations.values()} - PROBES
    if unmatched := named ^ handlers.keys():
        raise LookupError(f"operations without a function, or functions without an operation: {sorted(unmatched)}")
    return handlers


HANDLERS: Final = joined(
    {
        # sessions
        "create": sessions.create,
        "verify": sessions.verify,
        "refresh": sessions.refresh,
        "regenerate": sessions.regenerate,
        "delete": sessions.delete,
        "remove": sessions.remove,
        "list_user": sessions.list_user,
        "session_info": sessions.session_info,
        "get_session_data": sessions.get_session_data,
        "put_session_data": sessions.put_session_data,
        "get_jwt_data": sessions.get_jwt_data,
        "put_jwt_data": sessions.put_jwt_data,
        "handshake": sessions.handshake,
        "sign_jwt": sessions.sign_jwt,
        "recipe_jwks": sessions.recipe_jwks,
        "get_user": sessions.get_user,
        # apps and tenants
        "put_app": tenancy.put_app,
        "put_app_v2": tenancy.put_app_v2,
        "remove_app": tenancy.remove_app,
        "list_apps": tenancy.list_apps,
        "list_apps_v2": tenancy.list_apps_v2,
        "put_tenant": tenancy.put_tenant,
        "put_tenant_v2": tenancy.put_tenant_v2,
        "get_tenant": tenancy.get_tenant,
        "get_tenant_v2": tenancy.get_tenant_v2,
        "remove_tenant": tenancy.remove_tenant,
        "list_tenants": tenancy.list_tenants,
        "list_tenants_v2": tenancy.list_tenants_v2,
        # the service itself
        "hello": about.hello,
        "apiversion": about.apiversion,
        "jwks": about.jwks,
        "config": about.config,
        "mode": about.mode,
        "telemetry": about.telemetry,
        "features": about.features,
        "put_license": about.put_license,
        "get_license": about.get_license,
        "delete_license": about.delete_license,
        "request_stats": about.request_stats,
        "openapi": about.openapi,
    }
)
