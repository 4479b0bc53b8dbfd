"""How the SQL stores write events: in which statements, and what becomes of them when something goes wrong between."""

from __future__ import annotations

import asyncio
import re
import signal
import sqlite3
import sys

import psycopg
import pytest
from msgspec.structs import replace
from psycopg.errors import DeadlockDetected

from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.postgres_server import AsyncLink
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.errors import StoreUnavailable
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope
from reseal.core.outbox import Occurrence, Report
from reseal.stores.postgres import QUERIES
from reseal.stores.sqlite import QUERIES as SQLITE_QUERIES
from reseal.stores.sqlite import file as sqlite_file
from reseal.testing.material import new_session, step

PUBLIC = Scope()
CREATED = (Report(name=EventName.SESSION_CREATED),)
REFRESHED = (Report(name=EventName.SESSION_REFRESHED),)
ENDED = (Report(name=EventName.SESSION_REVOKED),)
NAMES = [f"h-{n}" for n in range(20)]


async def everything(store, consumer="all"):
    return [(each.name.value, each.session_handle) for each in (await store.read_events(consumer, 1000)).events]


async def use(store, created=(), refreshed=(), ended=()):
    """Do everything to sessions that writes."""
    await asyncio.gather(*(store.insert(PUBLIC, new_session(name), created) for name in NAMES))
    rotated = await asyncio.gather(*(store.rotate(PUBLIC, step(name), refreshed) for name in NAMES))
    await store.insert(PUBLIC, new_session("alone"), created)
    await store.rotate(PUBLIC, step("alone"), refreshed)
    await store.replace(PUBLIC, rotated[0], refreshed)
    await store.end(PUBLIC, NAMES[:2], EndReason.REVOKED, ended)
    await store.end_user(PUBLIC, "user", EndReason.REVOKED, None, ended)


# -- PostgreSQL -----------------------------------------------------------------------------------------------------

DIES = """
import os, signal, sys
from reseal import Engine, Settings, TokenTheftDetected
from reseal._sync.stores import make_store

settings = Settings(api_domain="https://api.example.com", database_uri=sys.argv[1], event_outbox="security")

def die(event):
    if event.name == "token_theft":
        os.kill(os.getpid(), signal.SIGKILL)

with Engine(settings, make_store(settings), on_event=die) as engine:
    stolen = token = engine.create("alice").refresh_token
    for _ in range(3):
        token = engine.refresh(token).refresh_token
    engine.refresh(stolen)
"""


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
async def test_a_theft_survives_a_process_that_is_killed_before_its_listener_ran(kind, tmp_path, request):
    uri = f"sqlite:///{tmp_path}/r.db" if kind == "sqlite" else request.getfixturevalue("postgres_uri")
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", DIES, uri)
    assert await process.wait() == -signal.SIGKILL
    store = AsyncSQLiteStore(tmp_path / "r.db") if kind == "sqlite" else AsyncPostgresStore(uri)
    await store.open()
    [theft] = (await store.read_events("after the kill", 10)).events
    assert (theft.name, theft.user_id, theft.reason) == ("token_theft", "alice", "older")
    assert (await store.get(PUBLIC, theft.session_handle)).record.end_reason is EndReason.THEFT
    await store.close()


@pytest.fixture
async def on_postgres(postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    yield store
    await store.close()


@pytest.fixture
def fetched(monkeypatch):
    """The names of the statements that were sent to PostgreSQL, but for the notes of the time."""
    names, fetch = [], AsyncLink.fetch

    async def recorded(link, name, values=None):
        if name != "note_time":
            names.append(name)
        return await fetch(link, name, values)

    monkeypatch.setattr(AsyncLink, "fetch", recorded)
    return names


async def test_without_reports_postgres_gets_the_statements_of_before(on_postgres, fetched):
    await use(on_postgres)
    assert fetched == ["insert_many", "rotate_many", "insert", "rotate", "replace", "end", "end_user"]
    assert not [name for name in fetched if "reseal_event" in QUERIES[name]]


async def test_with_reports_postgres_gets_as_many_statements(on_postgres, fetched):
    await use(on_postgres, CREATED, REFRESHED, ENDED)
    assert fetched == [
        f"{name}_reported" for name in ("insert_many", "rotate_many", "insert", "rotate", "replace", "end", "end_user")
    ]


def test_each_reported_statement_of_postgres_is_the_plain_one_and_the_events():
    reported = [name for name in QUERIES if name.endswith("_reported")]
    assert len(reported) == 7
    for name in reported:
        plain = QUERIES[name.removesuffix("_reported")]
        changes = plain[plain.index("reseal_session") : plain.index("RETURNING")]
        if name == "rotate_many_reported":  # its rows carry their reports
            changes = changes[: changes.index("FROM t, unnest(")]
        assert " ".join(changes.split()) in " ".join(QUERIES[name].split())
        assert QUERIES[name].count("INSERT INTO reseal_event") == 1


async def test_a_batch_that_is_tried_again_after_a_deadlock_writes_once(on_postgres, monkeypatch):
    failures = []

    async def in_transaction(link, name, values):
        async with link.transaction():
            cursor = await link.execute(link.queries[name], values, binary=True)
            if name == "insert_many_reported" and not failures:
                failures.append(1)
                raise DeadlockDetected("after the statement: the transaction is taken back")
            return await cursor.fetchall()

    monkeypatch.setattr(AsyncLink, "_fetch", in_transaction)
    assert all(await asyncio.gather(*(on_postgres.insert(PUBLIC, new_session(name), CREATED) for name in NAMES)))
    assert failures == [1]
    assert sorted(await everything(on_postgres)) == sorted(("session_created", name) for name in NAMES)


async def test_a_batch_with_a_bad_row_is_tried_row_by_row_and_writes_once(on_postgres, fetched):
    await asyncio.gather(*(on_postgres.insert(PUBLIC, new_session(name)) for name in NAMES))
    fetched.clear()
    steps = [step(name) for name in NAMES]
    steps[7] = replace(steps[7], successor_hash=None)  # which the column refuses
    results = await asyncio.gather(
        *(on_postgres.rotate(PUBLIC, each, REFRESHED) for each in steps), return_exceptions=True
    )
    assert [n for n, each in enumerate(results) if isinstance(each, StoreUnavailable)] == [7]
    assert fetched == ["rotate_many_reported"] + 20 * ["rotate_reported"]
    wanted = sorted(("session_refreshed", name) for n, name in enumerate(NAMES) if n != 7)
    assert sorted(await everything(on_postgres)) == wanted


async def test_what_commits_later_is_read_later_and_not_lost(on_postgres, postgres_uri):
    """The case of a sequence: 1 is taken, 2 is taken and committed, a reader comes, 1 is committed."""
    insert = re.sub(r"%\((\w+)\)s::\w+", "%s", QUERIES["append_event"].partition("SELECT")[0])
    async with await psycopg.AsyncConnection.connect(postgres_uri) as slow:
        values = "SELECT %s, 1, 'public', 'public', 'session_revoked', 'slow', NULL, '{}'"
        await slow.execute(insert + values, (bytes(16),))
        await on_postgres.append_event(Occurrence(PUBLIC, "fast", None, ENDED[0], bytes(range(16))))
        page = await on_postgres.read_events("reader", 10)
        assert [each.session_handle for each in page.events] == ["fast"]
        await on_postgres.acknowledge_events("reader", page.cursor)
        assert (await on_postgres.purge_events(10)).removed == 1
        await slow.commit()
    page = await on_postgres.read_events("reader", 10)
    assert [each.session_handle for each in page.events] == ["slow"]
    assert page.lost == 0


async def test_readers_that_number_at_once_leave_no_gap(on_postgres, postgres_uri):
    others = [AsyncPostgresStore(postgres_uri) for _ in range(3)]
    for other in others:
        await other.open()
    seen = []
    for n in range(10):
        await asyncio.gather(
            *(on_postgres.insert(PUBLIC, new_session(f"{n}-{name}"), CREATED) for name in NAMES),
            *(other.read_events(f"reader {m}", 5) for m, other in enumerate(others)),
        )
    while (page := await on_postgres.read_events("all", 64)).events:
        assert page.lost == 0
        seen += [each.session_handle for each in page.events]
        await on_postgres.acknowledge_events("all", page.cursor)
    assert page.cursor == 200
    assert sorted(seen) == sorted(f"{n}-{name}" for n in range(10) for name in NAMES)
    for other in others:
        await other.close()


async def test_a_writer_does_not_wait_for_a_reader(on_postgres, postgres_uri):
    async with await psycopg.AsyncConnection.connect(postgres_uri) as reader:
        await on_postgres.insert(PUBLIC, new_session(), CREATED)
        await reader.execute(QUERIES["lock_event_number"])
        await asyncio.wait_for(on_postgres.rotate(PUBLIC, step(), REFRESHED), timeout=4)


# -- SQLite ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sessions.db"


@pytest.fixture
def traced(monkeypatch):
    """The beginnings of the statements that SQLite ran."""
    ran, connect = [], sqlite_file.connect

    def connected(path, identity=None):
        connection = connect(path, identity)
        connection.set_trace_callback(ran.append)
        return connection

    monkeypatch.setattr(sqlite_file, "connect", connected)
    return ran


@pytest.fixture
async def sqlite(traced, path):
    store = AsyncSQLiteStore(path)
    await store.open()
    traced.clear()
    yield store
    await store.close()


async def test_without_reports_sqlite_gets_the_statements_of_before(sqlite, traced):
    await use(sqlite)
    assert not [text for text in traced if re.search(r"SAVEPOINT|RELEASE|\bevent\b|consumer", text)]
    changes = [found[1] for text in traced if (found := re.search(r"(INSERT INTO|UPDATE) session", text))]
    assert changes == ["INSERT INTO"] * 20 + ["UPDATE", "INSERT INTO"] + ["UPDATE"] * 5


async def test_with_reports_sqlite_writes_both_in_one_transaction(sqlite, traced):
    await use(sqlite, CREATED, REFRESHED, ENDED)
    begun = [text for text in traced if text.startswith(("BEGIN IMMEDIATE", "COMMIT", "SAVEPOINT", "ROLLBACK"))]
    assert "ROLLBACK" not in "".join(begun)
    assert begun.count("BEGIN IMMEDIATE") == begun.count("COMMIT") == 7
    assert len(await everything(sqlite)) == 20 + 20 + 2 + 1 + 21


@pytest.mark.parametrize("change", ["insert", "rotate", "rotate_many", "replace", "end", "end_user"])
async def test_where_the_event_cannot_be_written_the_change_is_taken_back(sqlite, path, monkeypatch, change):
    for name in NAMES[:3]:
        await sqlite.insert(PUBLIC, new_session(name))
    before = (await sqlite.get(PUBLIC, "h-0")).record
    calls = {
        "insert": lambda: [sqlite.insert(PUBLIC, new_session("new"), CREATED)],
        "rotate": lambda: [sqlite.rotate(PUBLIC, step("h-0"), REFRESHED)],
        "rotate_many": lambda: [sqlite.rotate(PUBLIC, step(name), REFRESHED) for name in NAMES[:3]],
        "replace": lambda: [sqlite.replace(PUBLIC, before, REFRESHED)],
        "end": lambda: [sqlite.end(PUBLIC, NAMES[:3], EndReason.REVOKED, ENDED)],
        "end_user": lambda: [sqlite.end_user(PUBLIC, "user", EndReason.REVOKED, None, ENDED)],
    }
    with monkeypatch.context() as patch:
        patch.setitem(SQLITE_QUERIES, "report", "INSERT INTO event (seq, id) VALUES (:now, NULL)")
        results = await asyncio.gather(
            *calls[change](), sqlite.insert(PUBLIC, new_session("else")), return_exceptions=True
        )
    assert all(isinstance(each, StoreUnavailable) for each in results[:-1])
    assert results[-1].handle == "else", "it shares the transaction, and is not taken back"
    assert (await sqlite.get(PUBLIC, "h-0")).record == before
    assert (await sqlite.get(PUBLIC, "new")).record is None
    assert await everything(sqlite) == []


async def test_the_numbers_of_sqlite_have_no_gaps(sqlite, path):
    occurrence = Occurrence(PUBLIC, "h", None, ENDED[0], bytes(16))
    for n in range(3):
        assert await sqlite.append_event(occurrence._replace(id=bytes([n] * 16)))
        assert not await sqlite.append_event(occurrence._replace(id=bytes([n] * 16)))
        page = await sqlite.read_events("reader", 10)
        await sqlite.acknowledge_events("reader", page.cursor)
        assert page.cursor == n + 1
        assert (await sqlite.purge_events(10)).removed == 1
    await sqlite.close()
    with sqlite3.connect(path) as db:
        assert db.execute("SELECT count(*) FROM event").fetchone() == (0,)
    db.close()
    again = AsyncSQLiteStore(path)
    await again.open()
    await again.append_event(occurrence)
    assert (await again.read_events("reader", 10)).cursor == 4
    await again.close()
