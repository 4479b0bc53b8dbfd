"""Theft cases as parameters of statements."""

from __future__ import annotations

from reseal.core.cases import CaseFilter, CasePlace, StoredCase
from reseal.stores.rows import Values


def of_case(case: StoredCase) -> Values:
    """Return the parameters that write a theft case."""
    return case._asdict() | {"closed": case.is_closed}


def of_cases(which: CaseFilter, after: CasePlace, limit: int) -> Values:
    """Return the parameters of a page of theft cases."""
    return {
        "user_id": which.user_id,
        "up_to_closed": not which.open_only,
        "at": after.opened_at,
        "after": after.handle,
        "limit": limit,
    }


def listing_of(which: CaseFilter) -> str:
    """Name the query that lists these theft cases."""
    return "list_cases" if which.user_id is None else "list_cases_of_user"
