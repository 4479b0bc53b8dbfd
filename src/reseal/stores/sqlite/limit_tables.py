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


class _Stale(Exception):
    """Undoes what was written."""


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
    listing = rows.of_user(scope, new.user_id, UserPlace(), _ALL if limit.most else 0)
    evicted = limit.evicted(tables.list_of_user(db, "list_user", listing, now))
    if evicted is None:
        return Admission(None, (), is_full=True)
    try:
        with event_tables.together(db, reports=True):
            begins = tables.insert(db, rows.of_new(scope, new), now, reports)
            if begins is None:
                return Admission(None, ())
            _end_visitor(tables, db, scope, limit, now)
            tables.end(db, Ending(scope, EndReason.LIMIT), evicted, ended_reports, now)
    except _Stale:
        return Admission(None, (), is_stale=True)
    return Admission(begun(new, begins), evicted)


def _end_visitor(tables: Tables, db: sqlite3.Connection, scope: Scope, limit: SessionLimit, now: int) -> None:
    if limit.ending and not tables.replace(db, scope, *limit.ending, now):
        raise _Stale
