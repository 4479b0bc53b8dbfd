"""The versions of ``supertokens-node`` that are tried, and what each can do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.sdk.sdks import APPS, PACKAGES, Sdk, as_argument
from tests.support.packages import npm_packages


@dataclass(frozen=True, kw_only=True)
class NodeSdk(Sdk):
    era: int
    """How it is spelled: see ``apps/eras.cjs``."""

    def __str__(self) -> str:
        return f"node-{self.version}"

    def command(self, order: Mapping[str, Any]) -> Sequence[str]:
        packages = npm_packages("supertokens-node", PACKAGES)  # all versions at once: they share dependencies
        ours = {"packages": str(packages), "version": self.version, "era": self.era, "refreshPath": self.refresh_path}
        return [
            "node",
            "--require",
            str(APPS / "shift_clock.cjs"),
            str(APPS / "app.cjs"),
            as_argument({**order, **ours}),
        ]


_NO_INFO: dict[str, Any] = {"sign_out_path": None, "session_info": False}
_FIRST: dict[str, Any] = {"refresh_path": "/session/refresh", **_NO_INFO}
_NO_PATH: dict[str, Any] = {"in_app": False}
_JWT: dict[str, Any] = {"jwts": "option"}
_NEW: dict[str, Any] = {"header_mode": True, "check_database": "option", "jwts": "always"}
_TENANTS: dict[str, Any] = {"tenants": True, **_NEW}
_COUNTS: dict[str, Any] = {"api_key": False, "changes_payload": False, "revokes_many": False}

NODE_SDKS = (
    NodeSdk(version="1.0.0", era=1, cdi=None, anti_csrf_on_refresh=False, **_COUNTS, **_NO_PATH, **_FIRST),
    NodeSdk(version="2.2.0", era=2, cdi="2.1", anti_csrf_on_refresh=False, **_FIRST),
    NodeSdk(version="2.5.0", era=2, cdi="2.3", **_FIRST),
    NodeSdk(version="3.4.0", era=3, cdi="2.6", **_NO_PATH, **_NO_INFO),
    NodeSdk(version="4.4.1", era=3, cdi="2.7", **_NO_PATH, **_NO_INFO),
    NodeSdk(version="5.0.1", era=3, cdi="2.7", **_NO_PATH, **_NO_INFO),
    NodeSdk(version="6.1.1", era=3, cdi="2.8", sign_out_path=None, keeps_older_keys=False, **_NO_PATH),
    NodeSdk(version="8.6.0", era=4, cdi="2.12", **_JWT),
    NodeSdk(version="9.3.1", era=4, cdi="2.14", **_JWT),
    NodeSdk(version="12.1.7", era=4, cdi="2.15", **_JWT),
    NodeSdk(version="13.6.1", era=4, cdi="2.20", header_mode=True, **_JWT),
    NodeSdk(version="14.1.4", era=4, cdi="2.21", **_NEW),
    NodeSdk(version="15.2.3", era=5, cdi="3.0", **_TENANTS),
    NodeSdk(version="16.7.6", era=5, cdi="4.0", tries_next_host=False, revokes_by_tenant=False, **_TENANTS),
    NodeSdk(version="18.0.1", era=5, cdi="5.0", revokes_by_tenant=False, **_TENANTS),
    NodeSdk(version="20.1.7", era=5, cdi="5.1", **_TENANTS),
    NodeSdk(version="21.1.2", era=5, cdi="5.2", **_TENANTS),
    NodeSdk(version="22.1.1", era=5, cdi="5.3", **_TENANTS),
    NodeSdk(version="23.1.0", era=5, cdi="5.3", **_TENANTS),
    NodeSdk(version="24.0.3", era=5, cdi="5.4", **_TENANTS),
)
