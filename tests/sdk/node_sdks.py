"""The published SDKs that are tried, and what each can do."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class NodeSdk:
    """A version of ``supertokens-node``."""

    version: str
    era: int
    """How it is spelled: see ``node_apps/eras.cjs``."""
    cdi: str | None
    """The newest core interface that it knows; 1.0 does not say."""
    refresh_path: str = "/auth/session/refresh"
    in_app: bool = True
    """Whether its address of the service may have a path, and so name an app."""
    api_key: bool = True
    changes_payload: bool = True
    session_info: bool = True
    check_database: str = "config"
    """What makes it ask for every token: the service's ``config`` or an ``option`` of the route."""
    anti_csrf_on_refresh: bool = True
    header_mode: bool = False
    keeps_older_keys: bool = True
    """Whether it goes on to accept tokens of a key that it has seen replaced, or sends them to be refreshed."""
    tries_next_host: bool = True
    """Whether it notices with Node's own ``fetch`` that a host is down."""
    jwts: str | None = None
    """Whether it has the service sign JWTs: if a session ``option`` says so, or ``always``."""
    tenants: bool = False
    revokes_by_tenant: bool = True
    """Whether it says that a user's sessions shall be revoked in one tenant only; if it does not say so, it means all."""

    def __str__(self) -> str:
        return self.version


_OLD = {"refresh_path": "/session/refresh", "session_info": False}
_NO_PATH = {"in_app": False}
_JWT = {"jwts": "option"}
_NEW = {"header_mode": True, "check_database": "option", "jwts": "always"}
_TENANTS = {"tenants": True, **_NEW}

NODE_SDKS = (
    NodeSdk("1.0.0", 1, None, api_key=False, changes_payload=False, anti_csrf_on_refresh=False, **_NO_PATH, **_OLD),
    NodeSdk("2.2.0", 2, "2.1", anti_csrf_on_refresh=False, **_OLD),
    NodeSdk("2.5.0", 2, "2.3", **_OLD),
    NodeSdk("3.4.0", 3, "2.6", session_info=False, **_NO_PATH),
    NodeSdk("4.4.1", 3, "2.7", session_info=False, **_NO_PATH),
    NodeSdk("5.0.1", 3, "2.7", session_info=False, **_NO_PATH),
    NodeSdk("6.1.1", 3, "2.8", keeps_older_keys=False, **_NO_PATH),
    NodeSdk("8.6.0", 4, "2.12", **_JWT),
    NodeSdk("9.3.1", 4, "2.14", **_JWT),
    NodeSdk("12.1.7", 4, "2.15", **_JWT),
    NodeSdk("13.6.1", 4, "2.20", header_mode=True, **_JWT),
    NodeSdk("14.1.4", 4, "2.21", **_NEW),
    NodeSdk("15.2.3", 5, "3.0", **_TENANTS),
    NodeSdk("16.7.6", 5, "4.0", tries_next_host=False, revokes_by_tenant=False, **_TENANTS),
    NodeSdk("18.0.1", 5, "5.0", revokes_by_tenant=False, **_TENANTS),
    NodeSdk("20.1.7", 5, "5.1", **_TENANTS),
    NodeSdk("21.1.2", 5, "5.2", **_TENANTS),
    NodeSdk("22.1.1", 5, "5.3", **_TENANTS),
    NodeSdk("23.1.0", 5, "5.3", **_TENANTS),
    NodeSdk("24.0.3", 5, "5.4", **_TENANTS),
)
