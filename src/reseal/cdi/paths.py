"""Mapping a request's path to an operation, an app and a tenant (core interface, sections 2.1 and 2.3)."""

from __future__ import annotations

import re
from enum import Enum, IntEnum
from typing import Final, NamedTuple

from reseal.cdi.problem import NOT_FOUND, ONLY_PUBLIC, WRONG_METHOD, Problem
from reseal.cdi.versions import SUPPORTED, UNDER_RECIPE, Version

DEFAULT: Final = "public"
_SCOPED: Final = re.compile(
    r"(?:/appid-(?P<app>[a-z0-9-]*))?(?:/(?!recipe/|config/|users/|hello/)(?P<tenant>[a-z0-9-]+))?(?P<rest>/.*)",
    re.ASCII | re.DOTALL,
)
_TENANTS_SINCE: Final = Version(3, 0)
_PUBLIC_ONLY_SINCE: Final = Version(5, 0)


class Access(Enum):
    """Who may call a path."""

    PUBLIC = "public"
    """Any client that reaches the port: liveness and public keys."""
    KEYED = "keyed"


class Reach(Enum):
    """How an operation treats the tenant in the path."""

    TENANT = "tenant"
    """The operation applies to that tenant."""
    APP = "app"
    """The operation applies to the app; the tenant must exist and is otherwise ignored."""
    PUBLIC_TENANT = "public tenant"
    """The operation applies to the app and is refused through any tenant except ``public`` (since CDI 5.0)."""
    ANY_TENANT = "any tenant"
    """The operation itself handles a tenant that does not exist."""


class Right(IntEnum):
    """The right that an operation requires; a higher one includes the lower ones."""

    READ = 1
    """Changes nothing."""
    WRITE = 2
    """Creates, refreshes and ends sessions, and signs tokens."""
    ADMIN = 3
    """Changes apps, tenants and signing keys."""


class Operation(NamedTuple):
    """The operation of a path and method."""

    name: str
    since: Version = SUPPORTED[0]
    until: Version = SUPPORTED[-1]
    access: Access = Access.KEYED
    reach: Reach = Reach.APP
    versioned: bool = True
    """Whether the operation depends on the version header."""

    @property
    def right(self) -> Right:
        """The right that a caller's key needs; unlisted operations need the highest."""
        return Right.READ if self.name in _READING else Right.WRITE if self.name in _WRITING else Right.ADMIN


def locate(path: str) -> tuple[dict[str, Operation], str, str]:
    """Find the operations of a path, and the app and tenant that it names. Raises ``Problem`` 404.

    Upper case and one trailing slash are tolerated. The exact path wins over one with a tenant in front.
    """
    if not path.isascii():  # lower() maps some non-ASCII letters to ASCII ones
        raise Problem(404, NOT_FOUND)
    lowered = path.lower()
    if len(lowered) > 1 and lowered.endswith("/"):
        lowered = lowered[:-1]
    if lowered in ROUTES:
        return ROUTES[lowered], DEFAULT, DEFAULT
    match = _SCOPED.fullmatch(lowered)
    if match is not None:
        for rest, app, tenant in _readings(match):
            if rest in ROUTES:
                return ROUTES[rest], app or DEFAULT, tenant or DEFAULT
    raise Problem(404, NOT_FOUND)


def choose(operations: dict[str, Operation], method: str) -> Operation:
    """Return the operation of a method; ``HEAD`` is accepted wherever ``GET`` is. Raises ``Problem`` 405."""
    named = "GET" if method == "HEAD" else method
    if named not in operations:
        raise Problem(405, WRONG_METHOD, (b"allow", ", ".join(_allowed(operations)).encode()))
    return operations[named]


def needs_key(operations: dict[str, Operation]) -> bool:
    """Return whether a path is closed to callers without a key, for every method."""
    return Access.KEYED in [operation.access for operation in operations.values()]


def without_header(operation: Operation) -> Version:
    """Return the default version of callers that send none: CDI 1.0 on the earliest paths, elsewhere the newest."""
    return SUPPORTED[0] if operation.until < UNDER_RECIPE else SUPPORTED[-1]


def check_version(operation: Operation, version: Version, tenant_id: str) -> None:
    """Raise ``Problem`` if this operation does not exist in this version, or not through this tenant."""
    if version < _TENANTS_SINCE and tenant_id != DEFAULT:
        raise Problem(404, NOT_FOUND)
    if not operation.since <= version <= operation.until:
        raise Problem(404, NOT_FOUND)
    if operation.reach is Reach.PUBLIC_TENANT and tenant_id != DEFAULT and version >= _PUBLIC_ONLY_SINCE:
        raise Problem(403, ONLY_PUBLIC)


def _allowed(operations: dict[str, Operation]) -> list[str]:
    return [*operations, "HEAD"] if "GET" in operations else [*operations]


def _readings(match: re.Match[str]) -> list[tuple[str, str | None, str | None]]:
    """The first segment may be a tenant or part of the path itself."""
    app, tenant, rest = match["app"], match["tenant"], match["rest"]
    whole = f"/{tenant}{rest}" if tenant else rest
    return [(whole, app, None), (rest, app, tenant)]


def _old(name: str, since: Version = SUPPORTED[0]) -> Operation:
    return Operation(name, since, Version(2, 3))


def _new(
    name: str, since: Version = UNDER_RECIPE, reach: Reach = Reach.APP, until: Version = SUPPORTED[-1]
) -> Operation:
    return Operation(name, since, until, reach=reach)


def _tenancy(name: str, reach: Reach = Reach.PUBLIC_TENANT) -> Operation:
    return Operation(name, _TENANTS_SINCE, reach=reach)


_READING: Final = frozenset(
    {"hello", "apiversion", "healthz", "readyz", "metrics", "config", "mode", "openapi", "telemetry", "request_stats"}
    | {"features", "get_license", "jwks", "recipe_jwks", "handshake", "verify", "session_info", "list_user"}
    | {"get_session_data", "get_jwt_data", "get_user", "get_tenant", "get_tenant_v2", "list_tenants"}
    | {"list_tenants_v2", "list_apps", "list_apps_v2"}
)
_WRITING: Final = frozenset(
    {"create", "refresh", "regenerate", "remove", "delete", "put_session_data", "put_jwt_data", "sign_jwt"}
)
PROBES: Final = frozenset({"healthz", "readyz", "metrics"})
"""Operations that ask neither for an app nor for a version."""
_OPEN: Final = Operation("hello", access=Access.PUBLIC, versioned=False)


ROUTES: Final[dict[str, dict[str, Operation]]] = {
    "/": dict.fromkeys(("GET", "POST", "PUT", "DELETE"), _OPEN),
    "/hello": dict.fromkeys(("GET", "POST", "PUT", "DELETE"), _OPEN),
    "/.well-known/jwks.json": {"GET": Operation("jwks", access=Access.PUBLIC, versioned=False)},
    "/apiversion": {"GET": Operation("apiversion", versioned=False, reach=Reach.PUBLIC_TENANT)},
    "/healthz": {"GET": Operation("healthz", access=Access.PUBLIC, versioned=False)},
    "/readyz": {"GET": Operation("readyz", access=Access.PUBLIC, versioned=False)},
    "/metrics": {"GET": Operation("metrics", versioned=False)},
    "/config": {"GET": Operation("config", access=Access.PUBLIC, versioned=False)},
    "/devproductionmode": {"GET": Operation("mode", access=Access.PUBLIC, versioned=False)},
    "/openapi.json": {"GET": Operation("openapi", versioned=False)},
    "/telemetry": {"GET": Operation("telemetry")},
    "/requests/stats": {"GET": Operation("request_stats", reach=Reach.PUBLIC_TENANT)},
    "/ee/featureflag": {"GET": Operation("features", reach=Reach.PUBLIC_TENANT)},
    "/ee/license": {
        "PUT": Operation("put_license", reach=Reach.PUBLIC_TENANT),
        "GET": Operation("get_license", reach=Reach.PUBLIC_TENANT),
        "DELETE": Operation("delete_license", reach=Reach.PUBLIC_TENANT),
    },
    # CDI 1.0 to 2.3
    "/handshake": {"POST": _old("handshake")},
    "/session": {"POST": _old("create"), "DELETE": _old("delete")},
    "/session/verify": {"POST": _old("verify")},
    "/session/refresh": {"POST": _old("refresh")},
    "/session/regenerate": {"POST": _old("regenerate")},
    "/session/remove": {"POST": _old("remove")},
    "/session/user": {"GET": _old("list_user")},
    "/session/data": {"GET": _old("get_session_data"), "PUT": _old("put_session_data")},
    "/jwt/data": {"GET": _old("get_jwt_data"), "PUT": _old("put_jwt_data")},
    # CDI 2.4 and newer
    "/recipe/handshake": {"POST": _new("handshake", until=Version(2, 20))},
    "/recipe/session": {"POST": _new("create", reach=Reach.TENANT), "GET": _new("session_info", Version(2, 8))},
    "/recipe/session/verify": {"POST": _new("verify")},
    "/recipe/session/refresh": {"POST": _new("refresh")},
    "/recipe/session/regenerate": {"POST": _new("regenerate")},
    "/recipe/session/remove": {"POST": _new("remove", reach=Reach.TENANT)},
    "/recipe/session/user": {"GET": _new("list_user", reach=Reach.TENANT)},
    "/recipe/session/data": {"GET": _new("get_session_data"), "PUT": _new("put_session_data")},
    "/recipe/jwt/data": {"GET": _new("get_jwt_data"), "PUT": _new("put_jwt_data")},
    "/recipe/jwt": {"POST": _new("sign_jwt", Version(2, 9), Reach.PUBLIC_TENANT)},
    "/recipe/jwt/jwks": {"GET": _new("recipe_jwks", Version(2, 9), Reach.PUBLIC_TENANT)},
    "/user/id": {"GET": _new("get_user", Version(4, 0))},
    # apps and tenants; the second form came with 3.1 and 5.1, and is available in every version that has tenants
    "/recipe/multitenancy/app": {"PUT": _tenancy("put_app")},
    "/recipe/multitenancy/app/v2": {"PUT": _tenancy("put_app_v2")},
    "/recipe/multitenancy/app/remove": {"POST": _tenancy("remove_app")},
    "/recipe/multitenancy/app/list": {"GET": _tenancy("list_apps")},
    "/recipe/multitenancy/app/list/v2": {"GET": _tenancy("list_apps_v2")},
    "/recipe/multitenancy/tenant": {
        "PUT": _tenancy("put_tenant", Reach.TENANT),
        "GET": _tenancy("get_tenant", Reach.ANY_TENANT),
    },
    "/recipe/multitenancy/tenant/v2": {
        "PUT": _tenancy("put_tenant_v2", Reach.TENANT),
        "GET": _tenancy("get_tenant_v2", Reach.ANY_TENANT),
    },
    "/recipe/multitenancy/tenant/remove": {"POST": _tenancy("remove_tenant")},
    "/recipe/multitenancy/tenant/list": {"GET": _tenancy("list_tenants")},
    "/recipe/multitenancy/tenant/list/v2": {"GET": _tenancy("list_tenants_v2")},
}
