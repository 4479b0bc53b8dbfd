"""What an application's OpenAPI description says about sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEME: Final = "sessionCookie"
BEARER_SCHEME: Final = "sessionToken"
"""The names under which the API page shows the lock, and what opens it: either will do."""


def with_bearer(describe: Callable[[], dict[str, Any]]) -> Callable[[], dict[str, Any]]:
    """Name the other way to send an access token. A second dependency would say it too, and cost time each call."""

    def described() -> dict[str, Any]:
        page = describe()
        schemes = page.get("components", {}).get("securitySchemes", {})
        if SCHEME in schemes and BEARER_SCHEME not in schemes:
            schemes[BEARER_SCHEME] = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
            for path in page["paths"].values():
                for operation in path.values():
                    _add_alternative(operation)
        return page

    return described


def _add_alternative(operation: dict[str, Any]) -> None:
    demands = operation.get("security", [])
    demands += [
        {(BEARER_SCHEME if name == SCHEME else name): scopes for name, scopes in demand.items()}
        for demand in demands
        if SCHEME in demand
    ]
