"""Sessions of identity providers as rows. Knows no driver."""

from __future__ import annotations

from collections.abc import Iterable

from reseal.core.model import Scope
from reseal.core.providers import Marks, ProviderLogout
from reseal.stores.rows import Values, scoped


def finding(scope: Scope, logout: ProviderLogout) -> dict[str, Values]:
    """Return the queries that find the sessions which a logout may concern, and their parameters."""
    marks = {"of_provider_session": logout.session, "of_provider_user": logout.user}
    return {query: scoped(scope) | {"mark": mark} for query, mark in marks.items() if mark is not None}


def concerned(logout: ProviderLogout, found: Iterable[tuple[str, Marks]]) -> list[str] | None:
    """Return the handles of those that are to end; ``None`` if one of the session is not of the user."""
    handles: dict[str, None] = {}
    for handle, of in found:
        if logout.session is not None and of.session == logout.session and logout.user not in {None, of.user}:
            return None
        if logout.session is None or of.session in {None, logout.session}:
            handles[handle] = None
    return list(handles)
