"""The theft cases of one SQLite file. Shared by async and sync."""

from __future__ import annotations

import sqlite3
from typing import Any

from reseal.core.cases import CaseFilter, CasePlace, StoredCase
from reseal.core.model import Scope
from reseal.stores import case_rows, rows
from reseal.stores.sqlite import QUERIES


def read(db: sqlite3.Connection, scope: Scope, handle: str) -> StoredCase | None:
    found = db.execute(QUERIES["case"], rows.scoped(scope) | {"handle": handle}).fetchone()
    return None if found is None else _case(found)


def write(db: sqlite3.Connection, scope: Scope, case: StoredCase) -> bool:
    values = rows.scoped(scope) | case_rows.of_case(case)
    return db.execute(QUERIES["update_case" if case.version else "insert_case"], values).rowcount == 1


def page(
    db: sqlite3.Connection, scope: Scope, which: CaseFilter, after: CasePlace, limit: int
) -> tuple[StoredCase, ...]:
    values = rows.scoped(scope) | case_rows.of_cases(which, after, limit)
    return tuple(map(_case, db.execute(QUERIES[case_rows.listing_of(which)], values).fetchall()))


def remove(db: sqlite3.Connection, scope: Scope, until: int, user_id: str | None) -> int:
    name = "remove_cases" if user_id is None else "remove_cases_of_user"
    return db.execute(QUERIES[name], rows.scoped(scope) | {"until": until, "user_id": user_id}).rowcount


def _case(row: tuple[Any, ...]) -> StoredCase:
    case = StoredCase(*row)
    return case._replace(is_closed=bool(case.is_closed))
