"""An operator ends the sessions of a user who has very many of them, and others go on meanwhile (S47)."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import psycopg
import pytest

from reseal import Engine, MemoryStore, Settings, SQLiteStore
from reseal._sync.stores import sqlite_ends
from reseal._sync.stores.postgres import PostgresStore
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.testing import Recorder
from reseal.testing.material import new_session, step

PUBLIC = Scope()
MANY = 12_000


def copied(table, columns):
    """Return the statement that makes many sessions of one."""
    chosen = ", ".join("'h' || n.x" if each == "handle" else f"s.{each}" for each in columns)
    numbers = f"WITH RECURSIVE n (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < {MANY})"
    return f"{numbers} INSERT INTO {table} ({', '.join(columns)}) SELECT {chosen} FROM {table} AS s, n WHERE s.handle = 'h'"


def test_in_sqlite_other_writers_wait_for_a_portion_of_the_ends_at_most(tmp_path, monkeypatch):
    portions, write = [], SQLiteStore._write

    def noted(store, job):
        done = write(store, job)
        portions.append(len(done) if isinstance(done, tuple) else 0)
        if portions[-1]:  # between two portions there is room for others
            write(store, lambda db: db.execute("UPDATE session SET last_seen_at = last_seen_at WHERE handle = 'other'"))
        return done

    path = tmp_path / "sessions.db"
    store = SQLiteStore(path)
    settings = Settings(api_domain="https://api.example.com", event_outbox="security")
    events = Recorder()
    with Engine(settings, store, on_event=events) as engine:
        store.insert(PUBLIC, new_session("h"))
        store.insert(PUBLIC, new_session("kept"))
        with closing(sqlite3.connect(path)) as db:
            columns = [row[1] for row in db.execute("PRAGMA table_info(session)")]
            db.execute(copied("session", columns))
            db.commit()
        monkeypatch.setattr(SQLiteStore, "_write", noted)
        ended = engine.revoke_user("user", keep="kept")
        assert len(ended) == len(set(ended)) == MANY + 1
        assert portions == [sqlite_ends.AT_ONCE, sqlite_ends.AT_ONCE, MANY + 1 - 2 * sqlite_ends.AT_ONCE]
        assert [record.handle for record in engine.list_user("user")] == ["kept"]
        assert len(events.named(EventName.SESSION_REVOKED)) == MANY + 1
        told = engine.read_events("reader", 10 * MANY).events
        assert len([each for each in told if each.name is EventName.SESSION_REVOKED]) == MANY + 1


def test_exactly_a_portion_is_ended_and_no_more(tmp_path, monkeypatch):
    monkeypatch.setattr(sqlite_ends, "AT_ONCE", 3)
    with closing(SQLiteStore(tmp_path / "sessions.db")) as store:
        store.open()
        for number in (0, 2, 3, 4, 6):
            for n in range(number):
                store.insert(PUBLIC, new_session(f"{number}-{n}"))
            assert len(store.end_user(PUBLIC, "user", EndReason.USER_REVOKED)) == number
            assert store.end_user(PUBLIC, "user", EndReason.USER_REVOKED) == ()


def test_in_postgres_nobody_else_waits_for_the_ends_of_a_user(postgres_uri):
    with closing(PostgresStore(postgres_uri)) as store:
        store.open()
        store.insert(PUBLIC, new_session("h"))
        store.insert(PUBLIC, new_session("other", "another user"))
        with psycopg.connect(postgres_uri) as operator:
            found = operator.execute(
                "SELECT column_name FROM information_schema.columns WHERE table_name = 'reseal_session' "
                "AND table_schema = current_schema() AND is_generated = 'NEVER' ORDER BY ordinal_position"
            ).fetchall()
            operator.execute(copied("reseal_session", [name for (name,) in found]))
            operator.commit()
            ends = "UPDATE reseal_session SET ended_at = 1, end_reason = 'user_revoked' WHERE user_id = 'user'"
            assert operator.execute(ends).rowcount == MANY + 1  # and no commit: every lock of it is held
            assert store.rotate(PUBLIC, step("other")) is not None
            assert store.insert(PUBLIC, new_session("new", "another user")) is not None
            assert len(store.end_user(PUBLIC, "another user", EndReason.USER_REVOKED)) == 2
            operator.rollback()
        assert len(store.end_user(PUBLIC, "user", EndReason.USER_REVOKED)) == MANY + 1


@pytest.mark.parametrize("number", [0, 1, 1000])
def test_in_memory_all_of_them_end(number):
    store = MemoryStore()
    for n in range(number):
        store.insert(PUBLIC, new_session(f"h-{n}"))
    assert len(store.end_user(PUBLIC, "user", EndReason.USER_REVOKED)) == number
