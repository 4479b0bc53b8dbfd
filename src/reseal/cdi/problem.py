"""A request that fails with a status and a plain text. Session outcomes are never problems."""

from __future__ import annotations


class Problem(Exception):
    """Sent as plain text (core interface, section 2.1)."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers


NOT_FOUND = "Not found"
WRONG_METHOD = "Method not supported"
INVALID_KEY = "Invalid API key"
INVALID_JSON = "Invalid Json Input"
ONLY_PUBLIC = "Only public tenantId can call this app specific API"


def unknown_tenant(app_id: str, tenant_id: str) -> Problem:
    """Return the problem of a path that names an unknown app or tenant."""
    return Problem(
        400,
        "AppId or tenantId not found => Tenant with the following connectionURIDomain, appId and tenantId "
        f"combination not found: (, {app_id}, {tenant_id})",
    )
