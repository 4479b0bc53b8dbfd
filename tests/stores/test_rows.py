"""Columns, rows and queries are made of the record, so that one more field is one line and one schema step."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import pytest

from reseal import SQLiteStore
from reseal.core.model import Device, EndReason, Scope, SessionRecord
from reseal.stores import postgres, rows, sqlite
from reseal.testing.material import new_session

RECORD = SessionRecord(
    handle="handle",
    user_id="user",
    created_at=1,
    expires_at=2,
    absolute_expires_at=None,
    generation=3,
    current_hash=b"current",
    previous_hash=b"previous",
    successor_sealed=None,
    rotated_at=4,
    confirmed_at=5,
    attempt_hash=None,
    replayed=6,
    collided=7,
    estranged=8,
    jwt_payload=b'{"a":1}',
    session_data=b'{"b":2}',
    use_static_key=True,
    device=Device("192.0.2.1", "Browser"),
    last_seen_at=9,
    ended_at=10,
    end_reason=EndReason.REVOKED,
    version=11,
)


@pytest.mark.parametrize("changes", [{}, {"device": Device(), "end_reason": None, "use_static_key": False}], ids=str)
def test_a_record_that_becomes_a_row_is_the_same_record_afterwards(changes):
    record = SessionRecord(**{each: getattr(RECORD, each) for each in RECORD.__struct_fields__} | changes)
    values = rows.of_record(Scope(), record)
    assert rows.to_record([values[column] for column in rows.COLUMNS]) == record


def test_every_field_of_a_record_has_its_column_in_the_file(tmp_path):
    store = SQLiteStore(tmp_path / "sessions.db")
    store.open()
    store.insert(Scope(), new_session())
    store.close()
    with sqlite3.connect(tmp_path / "sessions.db") as connection:
        columns = {row[1] for row in connection.execute("PRAGMA table_info(session)")}
    connection.close()
    assert set(rows.COLUMNS) <= columns


@pytest.mark.parametrize("queries", [sqlite.QUERIES, postgres.QUERIES], ids=["sqlite", "postgres"])
def test_a_replacement_writes_every_column_that_changes(queries):
    written = set(re.findall(r"(\w+) = ", queries["replace"].partition("WHERE")[0]))
    assert written == set(rows.COLUMNS) - {"handle", "user_id", "created_at"} | {"adopted_at"}


def test_only_the_statements_of_tests_take_another_clock_than_the_server_s():
    assert not [name for name, query in postgres.QUERIES.items() if "%(clock)s" in query]
    timed = {name for name, query in postgres.QUERIES.items() if "reseal_clock" in query}
    assert {name for name, query in postgres.CLOCKED_QUERIES.items() if "%(clock)s" in query} == timed
    assert {"rotate", "rotate_many", "get", "insert", "times"} <= timed


def test_no_query_of_sqlite_has_numbered_placeholders():
    """Python takes them for named ones: it warns of them from 3.12 on where values are a sequence, and then refuses."""
    text = "\n".join(path.read_text() for path in sorted(Path(sqlite.__file__).parent.glob("*.sql")))
    assert re.findall(r"[?]\d+", text) == []
