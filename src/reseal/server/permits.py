"""Permits: a right, in some apps and tenants. One implementation for every route and both interfaces.

The current request's permit is a context variable, so that the directory and the stores check it themselves on every
route. Outside a request, as on the command line, everything is permitted.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final, TypeVar

from reseal.cdi.paths import Operation, Reach, Right
from reseal.cdi.problem import Problem

T = TypeVar("T")


class Forbidden(Problem):
    """The caller is authenticated but lacks the permission."""

    def __init__(self, permit: Permit, why: str) -> None:
        super().__init__(403, f"API key '{permit.name}' {why}")


@dataclass(frozen=True, slots=True)
class Permit:
    """A right, in these apps and tenants; ``None``: in all of them."""

    name: str = ""
    """The key's name, for the log and for error messages."""
    right: Right | None = Right.ADMIN
    """The highest right; ``None``: no right."""
    apps: frozenset[str] | None = None
    tenants: frozenset[str] | None = None
    """The same tenants in each of the apps."""

    def check_right(self, wanted: Right) -> None:
        """Raise ``Forbidden`` unless the permit includes this right."""
        if self.right is None or self.right < wanted:
            raise Forbidden(self, f"may not do this: it takes the right '{wanted.name.lower()}'")

    def check_app(self, app_id: str) -> None:
        """Raise ``Forbidden`` for an app that the permit does not name."""
        if self.right is None or not (self.apps is None or app_id in self.apps):
            raise Forbidden(self, f"is not for app '{app_id}'")

    def check_tenant(self, app_id: str, tenant_id: str) -> None:
        """Raise ``Forbidden`` if the permit does not name the tenant or its app."""
        self.check_app(app_id)
        if not (self.tenants is None or tenant_id in self.tenants):
            raise Forbidden(self, f"is not for tenant '{tenant_id}'")

    def check_whole_app(self, app_id: str) -> None:
        """Raise ``Forbidden`` if the permit does not cover all tenants of an app."""
        self.check_app(app_id)
        if self.tenants is not None:
            raise Forbidden(self, "is for some tenants only, and this concerns the whole app")

    def check_service(self) -> None:
        """Raise ``Forbidden`` if the permit does not cover all apps."""
        if self.right is None or not (self.apps is None and self.tenants is None):
            raise Forbidden(self, "is for some apps only, and this concerns the whole service")

    def apps_of(self, apps: Mapping[str, T]) -> dict[str, T]:
        """Leave out the apps that the permit does not name."""
        return {app_id: app for app_id, app in apps.items() if self.apps is None or app_id in self.apps}

    def tenants_of(self, tenants: Iterable[str]) -> tuple[str, ...]:
        """Leave out the tenants that the permit does not name."""
        return tuple(tenant for tenant in tenants if self.tenants is None or tenant in self.tenants)


EVERYTHING: Final = Permit()
NOTHING: Final = Permit(right=None)
"""For callers without a key where one is required: public operations only."""
CURRENT: Final[ContextVar[Permit]] = ContextVar("permit", default=EVERYTHING)
SERVICE_WIDE: Final = frozenset({"metrics", "put_license", "delete_license"})
"""Operations that belong to no app."""


def check_permit(permit: Permit, operation: Operation, app_id: str) -> None:
    """Raise ``Forbidden`` unless an operation on this app is permitted. Tenants are checked later."""
    permit.check_right(operation.right)
    if operation.name in SERVICE_WIDE:
        permit.check_service()
    permit.check_app(app_id)
    if operation.reach is Reach.PUBLIC_TENANT and operation.right is not Right.READ:
        permit.check_whole_app(app_id)
