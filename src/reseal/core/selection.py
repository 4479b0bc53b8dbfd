"""Sessions of an app that were begun or refreshed before a moment: which, and how far a walk over them has come."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple


class Place(NamedTuple):
    """Where a walk over sessions goes on: behind this one."""

    tenant_id: str = ""
    handle: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Before:
    """Live sessions whose last known step was before ``moment`` (ms).

    A session that went on from a token newer than the store, at ``moment`` or later, is one of them: its last step that
    the store knew itself was before the backup, and what became of it since, nobody knows.
    """

    app_id: str
    moment: int
    tenant_id: str | None = None
    """``None``: all tenants of the app."""
    user_id: str | None = None
    """``None``: all users."""


class Adopted(NamedTuple):
    """Sessions that went on from a token newer than the store."""

    sessions: int
    last_at: int | None
    """When one did last (ms)."""
