"""Logouts told by an identity provider, in SQLite: one transaction, of which the file has one at a time."""

from __future__ import annotations

import sqlite3

from reseal.core.model import EndReason, Scope
from reseal.core.outbox import Reports
from reseal.core.providers import Marks, ProviderEnd, ProviderLogout
from reseal.stores import provider_rows
from reseal.stores.sqlite import QUERIES, event_tables
from reseal.stores.sqlite.tables import Ending, Tables


def end(
    tables: Tables, db: sqlite3.Connection, scope: Scope, logout: ProviderLogout, reports: Reports, now: int
) -> ProviderEnd:
    """End the sessions that bear the mark of a logout, if it is claimed by this."""
    queries = provider_rows.finding(scope, logout).items()
    rows = [row for query, values in queries for row in db.execute(QUERIES[query], values).fetchall()]
    handles = provider_rows.concerned(logout, ((handle, Marks(*marks)) for handle, *marks in rows))
    if handles is None:
        return ProviderEnd(is_of_another=True)
    with event_tables.together(db, reports=True):
        if not tables.claim(db, scope, logout.claim, logout.until, now):
            return ProviderEnd(is_replayed=True)
        return ProviderEnd(tables.end(db, Ending(scope, EndReason.PROVIDER_LOGOUT), handles, reports, now))
