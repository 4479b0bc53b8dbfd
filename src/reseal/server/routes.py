"""From method, path and version of a request to the function that answers it.

An operation of ``cdi.paths`` without a function, or the reverse, fails at import.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reseal.cdi.paths import (
    DEFAULT,
    PROBES,
    ROUTES,
    Access,
    Operation,
    Reach,
    check_version,
    choose,
    locate,
    needs_key,
    without_header,
)
from reseal.cdi.problem import Problem
from reseal.cdi.versions import Bounds, Version, negotiate
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


class Route(NamedTuple):
    """What follows from the method, the path and the version of a request, without a look at anything else."""

    keyed: bool
    """Whether the path is closed to callers without a key."""
    operation: Operation | None
    """``None``: the path knows no such method."""
    version: Version
    app_id: str
    tenant_id: str
    known_tenant: str
    """The tenant that has to exist, in that app."""
    insists: bool
    """Whether the store is read at once if the tenant is unknown."""
    problem: Problem | None
    """What is wrong with the method or the version; a caller has to show its key before it learns that."""


def route(method: str, path: str, sent: str | None, bounds: Bounds) -> Route:
    """Find the route of a request; ``sent``: its version. Raises ``Problem`` 404 for a path that there is not."""
    operations, app_id, tenant_id = locate(path)
    operation, version, problem = None, bounds.highest, None
    try:
        operation = choose(operations, method)
        if operation.versioned:
            version = negotiate(sent, bounds, without_header=without_header(operation))
        if operation.name not in PROBES:
            check_version(operation, version, tenant_id)
    except Problem as error:
        problem = error
    return Route(
        keyed=needs_key(operations),
        operation=operation,
        version=version,
        app_id=app_id,
        tenant_id=tenant_id,
        known_tenant=DEFAULT if operation is not None and operation.reach is Reach.ANY_TENANT else tenant_id,
        insists=operation is not None and operation.access is Access.KEYED,
        problem=problem,
    )
