"""Which sessions are read, and paging over them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, NamedTuple

PAGE: Final = 500
"""Sessions in a page."""


TENANTS_PAGE: Final = 5000
"""Tenants in a page."""


class UserPlace(NamedTuple):
    """A paging cursor in a list of a user's sessions, oldest first: the page starts after this session."""

    created_at: int = 0
    handle: str = ""


class Place(NamedTuple):
    """A paging cursor: the page starts after this session."""

    tenant_id: str = ""
    handle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Live sessions whose last known refresh was before ``moment`` (ms).

    They include each session that was adopted from a token newer than the store at ``moment`` or later: the store's
    own last record of it is older than the backup, and its history since is unknown.
    """

    app_id: str
    moment: int
    tenant_id: str | None = None
    """``None``: all tenants of the app."""
    user_id: str | None = None
    """``None``: all users."""


class Adopted(NamedTuple):
    """Sessions that continued from a token newer than the store."""

    sessions: int
    last_at: int | None
    """The time of the last adoption (ms)."""
