"""Sign-ins of users that may have so many sessions, in SQLite: one transaction, of which the file has one at a time."""

from __future__ import annotations

import sqlite3

from reseal.core.model import EndReason, NewSession, Scope
from reseal.core.outbox import Reports
from reseal.core.rotation import begun
from reseal.core.selection import UserPlace
from reseal.core.session_policy import Admission, SessionLimit
from reseal.stores import rows
from reseal.stores.sqlite import event_tables
from reseal.stores.sqlite.tables import Ending, Tables

_ALL = -1
"""No limit for SQLite."""


def insert(
    tables: Tables,
    db: sqlite3.Connection,
    scope: Scope,
    new: NewSession,
    limit: SessionLimit,
    reports: Reports,
    ended_reports: Reports,
    now: int,
) -> Admission:
    """Begin a session if there is room for it, or make room."""
    live = tables.list_of_user(db, "list_user", rows.of_user(scope, new.user_id, UserPlace(), _ALL), now)
    ending = limit.ending(live)
    if ending is None:
        return Admission(None, (), is_full=True)
    with event_tables.together(db, reports=True):
        begins = tables.insert(db, rows.of_new(scope, new), now, reports)
        if begins is None:
            return Admission(None, ())
        tables.end(db, Ending(scope, EndReason.LIMIT), ending, ended_reports, now)
    return Admission(begun(new, begins), ending)
