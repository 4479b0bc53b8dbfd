"""The tables are upgraded while services of the version before use them, whatever is killed meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal

import psycopg
import pytest

from reseal._async.stores import mariadb_server, postgres_server
from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal._async.stores.mariadb_driver import AsyncWire
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.model import Scope
from reseal.stores.postgres.indexes import indexes, without_indexes
from reseal.stores.sql_files import schema_steps
from reseal.testing.material import new_session, step

PUBLIC = Scope()
STEPS = schema_steps("postgres")
ONE = "ALTER TABLE reseal_session ADD COLUMN coming text;\n\nCREATE INDEX reseal_session_coming ON reseal_session (coming)\n"
NEXT = (
    *STEPS,
    f"{ONE}WHERE coming IS NOT NULL;\n",
    "ALTER TABLE reseal_key ADD COLUMN coming text;\n\nCREATE INDEX reseal_session_more ON reseal_session (coming);\n",
)
"""Two steps of versions to come."""


@pytest.fixture
async def store(postgres_uri):
    """A store of the version before; a statement that waits for a second fails."""
    store = AsyncPostgresStore(postgres_uri, statement_timeout_ms=1000)
    await store.open()
    await asyncio.gather(*(store.insert(PUBLIC, new_session(f"h-{n}")) for n in range(100)))
    yield store
    await store.close()


def query(uri, text):
    with psycopg.connect(uri, autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def indexed(uri):
    """Give the valid indexes of the two steps."""
    text = "SELECT indexrelid::regclass::text FROM pg_index WHERE indisvalid AND indrelid = 'reseal_session'::regclass"
    return {name for (name,) in query(uri, text)} & {"reseal_session_coming", "reseal_session_more"}


async def upgrade(uri):
    newer = AsyncPostgresStore(uri)
    await newer.open()
    await newer.close()


async def test_services_wait_neither_for_the_upgrade_nor_behind_it(store, postgres_uri, monkeypatch):
    monkeypatch.setattr(postgres_server, "schema_steps", lambda _: NEXT)
    given_up = 0

    async def pause(_):
        nonlocal given_up
        given_up += 1

    monkeypatch.setattr(postgres_server, "pause", pause)
    generation = 0
    with psycopg.connect(postgres_uri) as report:
        report.execute("SELECT count(*) FROM reseal_session")
        upgrading = asyncio.create_task(upgrade(postgres_uri))
        while given_up < 3:  # it asks for its lock, behind which everybody waits
            assert await store.rotate(PUBLIC, step("h-1", generation))
            generation += 1
        assert query(postgres_uri, "SELECT max(version) FROM reseal_schema") == [(len(STEPS),)]
        with psycopg.connect(postgres_uri) as older:  # whose snapshot the building of an index has to wait for
            older.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
            older.execute("SELECT * FROM reseal_note")
            report.rollback()
            ends = 0
            while ends < 20:
                assert await store.rotate(PUBLIC, step("h-1", generation))
                generation += 1
                ends += bool(query(postgres_uri, IS_BUILDING)) if ends == 0 else 1
            assert not upgrading.done()
    await upgrading
    assert indexed(postgres_uri) == {"reseal_session_coming", "reseal_session_more"}
    assert await store.rotate(PUBLIC, step("h-0"))


IS_BUILDING = """
SELECT 1 FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX CONCURRENTLY%' AND wait_event_type = 'Lock'
"""


async def test_several_that_upgrade_at_once_do_not_wait_in_a_circle(store, postgres_uri, monkeypatch):
    monkeypatch.setattr(postgres_server, "schema_steps", lambda _: NEXT)
    await asyncio.gather(*(upgrade(postgres_uri) for _ in range(6)))
    assert indexed(postgres_uri) == {"reseal_session_coming", "reseal_session_more"}
    assert await store.rotate(PUBLIC, step("h-1"))


@pytest.mark.parametrize("partitions", [0, 2])
async def test_killed_at_any_statement_it_goes_on(store, postgres_uri, monkeypatch, partitions):
    if partitions:
        query(postgres_uri, PARTITIONED)
    monkeypatch.setattr(postgres_server, "schema_steps", lambda _: NEXT)
    statements = killed = 0
    while killed == statements:
        statements += 1
        killed += await asyncio.to_thread(
            dies_at, statements, psycopg.AsyncCursor, "execute", lambda: upgrade(postgres_uri)
        )
        assert await store.rotate(PUBLIC, step("h-1", statements - 1))
    assert killed > 10
    assert indexed(postgres_uri) == {"reseal_session_coming", "reseal_session_more"}
    assert query(postgres_uri, "SELECT version FROM reseal_schema ORDER BY 1") == [(n + 1,) for n in range(len(NEXT))]


PARTITIONED = """
ALTER TABLE reseal_session RENAME TO former;
CREATE TABLE reseal_session (LIKE former INCLUDING ALL) PARTITION BY HASH (handle);
CREATE TABLE reseal_session_2_0 PARTITION OF reseal_session FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE reseal_session_2_1 PARTITION OF reseal_session FOR VALUES WITH (MODULUS 2, REMAINDER 1);
INSERT INTO reseal_session SELECT * FROM former;
DROP TABLE former
"""


@pytest.mark.whole
async def test_mariadb_goes_on_where_the_creation_of_its_tables_was_killed(mariadb_uri):
    async def create():
        store = AsyncMariaDBStore(mariadb_uri)
        await store.open()
        await store.close()

    statements = killed = 0
    while killed == statements:
        statements += 1
        killed += await asyncio.to_thread(dies_at, statements, AsyncWire, "query", create)
    assert killed > len(mariadb_server.statements_of(schema_steps("mariadb")[0]))
    store = AsyncMariaDBStore(mariadb_uri)
    await store.open()
    assert await store.insert(PUBLIC, new_session())
    assert await store.rotate(PUBLIC, step())
    await store.close()


MARIADB_NEXT = (
    *schema_steps("mariadb"),
    """
ALTER TABLE reseal_claim ADD COLUMN IF NOT EXISTS coming bigint, ALGORITHM = INSTANT;

CREATE INDEX IF NOT EXISTS reseal_session_coming ON reseal_session (last_seen_at) ALGORITHM = INPLACE LOCK = NONE;
""",
    "CREATE TABLE IF NOT EXISTS reseal_coming (name varbinary(256) NOT NULL PRIMARY KEY) ENGINE = InnoDB;\n",
)
"""With two steps of versions to come."""


@pytest.mark.whole
async def test_mariadb_is_upgraded_under_a_service_wherever_the_upgrade_is_killed(mariadb, mariadb_uri, monkeypatch):
    older = AsyncMariaDBStore(mariadb_uri, statement_timeout_ms=1000)  # a statement that waits for a second fails
    await older.open()
    await asyncio.gather(*(older.insert(PUBLIC, new_session(f"h-{n}")) for n in range(100)))
    monkeypatch.setattr(mariadb_server, "schema_steps", lambda _: MARIADB_NEXT)

    async def upgrade():
        newer = AsyncMariaDBStore(mariadb_uri)
        await newer.open()
        await newer.close()

    statements = killed = 0
    while killed == statements:
        assert await older.rotate(PUBLIC, step("h-1", statements))
        statements += 1
        killed += await asyncio.to_thread(dies_at, statements, AsyncWire, "query", upgrade)
    name = mariadb_uri.rpartition("/")[2]
    assert mariadb.sql("SELECT MAX(version) FROM reseal_schema", name) == f"{len(MARIADB_NEXT)}\n"
    mariadb.sql(
        "DELETE FROM reseal_schema ORDER BY version DESC LIMIT 2; DROP INDEX reseal_session_coming ON reseal_session",
        name,
    )
    upgrading, generation = asyncio.create_task(upgrade()), statements
    while not upgrading.done():
        assert await older.rotate(PUBLIC, step("h-1", generation))
        generation += 1
    await upgrading
    assert "reseal_session_coming" in mariadb.sql("SHOW CREATE TABLE reseal_session", name)
    assert generation > statements + 1
    await older.close()


def dies_at(statements, kind, method, work):
    """Do some work in a process that is killed before it has sent so many statements; returns whether it was."""
    child = os.fork()
    if child == 0:
        status, left, real = 1, statements, getattr(kind, method)
        try:

            async def counted(*arguments, **how):
                nonlocal left
                left -= 1
                if left < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return await real(*arguments, **how)

            setattr(kind, method, counted)
            asyncio.run(work())
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return status == signal.SIGKILL


def test_only_indexes_of_the_sessions_are_built_by_themselves():
    assert set(indexes(NEXT)) == {
        *indexes(STEPS), "reseal_session_coming", "reseal_session_more",
    }  # fmt: skip
    assert set(indexes(STEPS)) >= {"reseal_session_user", "reseal_session_due", "reseal_session_provider_user"}
    assert "CREATE INDEX" not in without_indexes(NEXT[-1])
    assert "CREATE INDEX reseal_case_user" in "".join(map(without_indexes, STEPS))
    assert indexes(NEXT)["reseal_session_coming"] == "(coming)\nWHERE coming IS NOT NULL"
