"""Sessions of identity providers as rows. Knows no driver."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from reseal.core.model import Scope
from reseal.core.providers import ProviderLogout
from reseal.stores.rows import Values, scoped


def finding(scope: Scope, logout: ProviderLogout) -> tuple[str, Values]:
    """Return the query that finds the sessions of a logout, and its parameters."""
    if logout.session is None:
        return "of_provider_user", scoped(scope) | {"mark": logout.user}
    return "of_provider_session", scoped(scope) | {"mark": logout.session}


def are_of_another(logout: ProviderLogout, found: Iterable[Sequence[Any]]) -> bool:
    """Return whether a session that was found, a handle and the mark of its user, is not of the logout's user."""
    return logout.user is not None and any(user != logout.user for _, user in found)
