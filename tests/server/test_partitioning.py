"""The table of sessions moves into partitions and back, while services write to it and whatever is killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import Counter
from contextlib import asynccontextmanager

import psycopg
import pytest

from reseal import AsyncEngine, Settings
from reseal._async.stores import postgres_server
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.postgres_server import AsyncLink
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Scope
from reseal.core.secret import Secret
from reseal.core.selection import Before, Place, UserPlace
from reseal.server import partitioning
from reseal.server.cli import CONFIGURATION, DONE, REFUSED, main
from reseal.server.partitioning import Move, MoveRefused, server_of
from reseal.stores.postgres import partitions
from reseal.stores.sql_files import schema_steps
from reseal.testing.material import new_session, step
from tests.server.load import Load
from tests.server.sharing import server, sharing

__all__ = ["server", "sharing"]

PUBLIC = Scope()
OTHERS = Scope("shop", "berlin")
SESSIONS = 60
FIRST_MOVABLE = 10
"""The schema step from which on there are notes, in which a move keeps how far it is."""
SETTINGS = Settings(api_domain="https://api.example.com", database_uri="memory:")


@pytest.fixture
async def store(postgres_uri):
    store = AsyncPostgresStore(postgres_uri, pool_size=3)
    await store.open()
    yield store
    await store.close()


@asynccontextmanager
async def moving(uri, page=7):
    """Open a move in small pages; its lines for people are collected in ``tell.lines``."""
    said = []
    server = server_of(Secret(uri))
    await server.open(upgrade=False)
    try:
        yield Move(server, said.append, page), said
    finally:
        await server.close()


async def fill(store, count=SESSIONS):
    for scope in (PUBLIC, OTHERS):
        for n in range(count):
            await store.insert(scope, new_session(f"h-{n:02}", f"user {n % 5}"))


async def contents(store):
    return {
        (scope, handle): found.record
        for scope in (PUBLIC, OTHERS)
        for handle, found in (await store.get_many(scope, [f"h-{n:02}" for n in range(SESSIONS)])).items()
    }


def query(uri, text):
    with psycopg.connect(uri, autocommit=True) as connection:
        cursor = connection.execute(text)
        return cursor.fetchall() if cursor.description else []


def leftovers(uri):
    """Give what of a move is still in the schema."""
    return query(
        uri,
        "SELECT relname::text FROM pg_class WHERE relnamespace = current_schema::regnamespace "
        "AND relname ~ '_(new|old)$' "
        "UNION ALL SELECT tgname::text FROM pg_trigger JOIN pg_class AS c ON c.oid = tgrelid "
        "WHERE relnamespace = current_schema::regnamespace AND relname ~ '^reseal_session' "
        "UNION ALL SELECT proname::text FROM pg_proc WHERE proname = 'reseal_repeat' "
        "AND pronamespace = current_schema::regnamespace UNION ALL SELECT name FROM reseal_note",
    )


def form(uri):
    """Give the columns, indexes and rights of the table, and how its rows are stored: the same in each form."""
    return [
        query(uri, text)
        for text in (
            (
                "SELECT column_name, data_type, is_nullable, column_default, collation_name FROM information_schema.columns "
                "WHERE table_schema = current_schema AND table_name = 'reseal_session' ORDER BY column_name"
            ),
            (
                "SELECT c.relname, regexp_replace(pg_get_indexdef(c.oid), ' ON .*? USING', '') FROM pg_index JOIN pg_class AS c "
                "ON c.oid = indexrelid WHERE indrelid = 'reseal_session'::regclass ORDER BY 1"
            ),
            (
                "SELECT DISTINCT grantee, privilege_type FROM information_schema.table_privileges "
                "WHERE table_schema = current_schema AND table_name ~ '^reseal_session(_\\d+_\\d+)?$' ORDER BY 1, 2"
            ),
            (
                "SELECT DISTINCT reloptions FROM pg_class WHERE relkind = 'r' "
                "AND relname ~ '^reseal_session(_\\d+_\\d+)?$' AND relnamespace = current_schema::regnamespace"
            ),
        )
    ]


@pytest.mark.parametrize("ways", [(4, 3, 1), (16, 1)])
async def test_sessions_move_into_partitions_and_into_others_and_back(store, postgres_uri, ways):
    await fill(store)
    query(postgres_uri, "GRANT SELECT, UPDATE ON reseal_session TO PUBLIC")
    before, shape = await contents(store), form(postgres_uri)
    async with moving(postgres_uri) as (move, _):
        for into in ways:
            await move.run(into)
            assert (await contents(store), form(postgres_uri), leftovers(postgres_uri)) == (before, shape, [])
            there, progress = await move.look()
            assert (there.partitions, there.rows, progress) == (into, 2 * SESSIONS, None)


async def test_what_is_written_during_the_move_is_in_the_new_table(store, postgres_uri):
    await fill(store)
    async with moving(postgres_uri) as (move, _):
        await interrupted(move, 4, at="copy_page", after=5)
        await store.insert(PUBLIC, new_session("new", "user"))
        for scope in (PUBLIC, OTHERS):  # some of which are copied, and some are not
            await asyncio.gather(*(store.rotate(scope, step(f"h-{n:02}")) for n in range(0, SESSIONS, 2)))
            await store.end(scope, [f"h-{n:02}" for n in range(0, SESSIONS, 3)], EndReason.REVOKED)
        await store.remove_tenant(OTHERS)
        before = await contents(store)
        await move.run(4)
    assert await contents(store) == before
    assert (await store.get(PUBLIC, "new")).record is not None
    assert sum(record is not None for record in before.values()) == SESSIONS


class Interrupted(Exception):
    pass


async def interrupted(move, into, *, at, after=0):
    """Run a move up to a query, the first or a later one of that name."""
    left = after

    async def fetch(link, name, values=None):
        nonlocal left
        left -= name == at
        if left < 0:
            raise Interrupted
        return await FETCH(link, name, values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(AsyncLink, "fetch", fetch)
        with pytest.raises(Interrupted):
            await move.run(into)


FETCH = AsyncLink.fetch


async def test_a_statement_looks_only_into_the_partitions_of_its_sessions(store, postgres_uri, monkeypatch):
    await fill(store)
    async with moving(postgres_uri) as (move, _):
        await move.run(16)
    homes = dict(
        query(postgres_uri, "SELECT handle, tableoid::regclass::text FROM reseal_session WHERE app_id = 'public'")
    )
    read = Counter()

    async def fetch(link, name, values=None):
        async with link.transaction():
            before = await scans(link)
            found = await FETCH(link, name, values)
            read[name] += 1
            read.update({(name, table) for table, count in await scans(link) if (table, count) not in before})
        return found

    monkeypatch.setattr(AsyncLink, "fetch", fetch)

    def looked_into(name):
        return {key[1] for key in read if key[0] == name}

    one, two = "h-07", "h-08"
    record = (await store.get(PUBLIC, one)).record
    await store.replace(PUBLIC, record)
    await store.rotate(PUBLIC, step(one))
    await store.end(PUBLIC, [one], EndReason.REVOKED)
    for name in ("get", "replace", "rotate", "end"):
        assert looked_into(name) == {homes[one]}, name
    await asyncio.gather(store.get(PUBLIC, one), store.get(PUBLIC, two))
    await asyncio.gather(store.rotate(PUBLIC, step(one, 1)), store.rotate(PUBLIC, step(two)))
    await asyncio.gather(*(store.confirm(PUBLIC, Seen(handle=each, generation=1)) for each in (one, two)))
    await store.get_many(PUBLIC, [one, two])
    await asyncio.gather(*(store.insert(PUBLIC, new_session(each)) for each in (one, two)))
    for name in ("get_each", "rotate_many", "confirm", "get_many", "insert_many"):
        assert looked_into(name) == {homes[one], homes[two]}, name
    await store.list_user(PUBLIC, "user 3", UserPlace(), 10)
    await store.end_user(PUBLIC, "user 3", EndReason.REVOKED)
    assert looked_into("list_user") == looked_into("end_user") == {f"reseal_session_16_{n}" for n in range(16)}


async def scans(link):
    """Give how often each table of sessions was looked into, in this connection."""
    text = (
        "SELECT relid::regclass::text, seq_scan + coalesce(idx_scan, 0) FROM pg_stat_xact_user_tables "
        "WHERE relname ~ '^reseal_session' AND schemaname = current_schema"
    )
    return await (await link.execute(text)).fetchall()


async def test_all_operations_are_the_same_on_partitions(store, postgres_uri):
    await fill(store)
    async with moving(postgres_uri) as (move, _):
        await move.run(8)
    async with AsyncEngine(SETTINGS, store) as engine:
        pairs = [await engine.create("user of the engine") for _ in range(12)]
        again = await asyncio.gather(*(engine.refresh(pair.refresh_token) for pair in pairs))
        assert {each.claims.sid for each in again} == {pair.claims.sid for pair in pairs}
        listed = await store.list_user(PUBLIC, "user of the engine", UserPlace(), 20)
        assert [record.created_at for record in listed] == sorted(record.created_at for record in listed)
        assert {record.handle for record in listed} == {pair.claims.sid for pair in pairs}
        assert len(await engine.revoke_user("user of the engine")) == 12
    await store.open()
    moment = (await store.times()).now + 1
    found = await store.list_before(Before(app_id="public", moment=moment), Place(), 1000)
    assert [record.handle for _, record in found] == [f"h-{n:02}" for n in range(SESSIONS)]
    assert (await store.purge(1000, 0)).looked_at == 0


async def test_a_purge_removes_what_is_due_from_each_partition_and_nothing_else(store, postgres_uri):
    await fill(store)
    async with moving(postgres_uri) as (move, _):
        await move.run(8)
    query(postgres_uri, "UPDATE reseal_session SET due_at = 1")
    query(postgres_uri, "UPDATE reseal_session SET expires_at = 2 WHERE app_id = 'shop' OR handle < 'h-30'")
    assert await store.purge(1000) == (2 * SESSIONS, SESSIONS + 30)
    left = query(postgres_uri, "SELECT app_id, handle, due_at > expires_at FROM reseal_session ORDER BY handle")
    assert left == [("public", f"h-{n}", True) for n in range(30, SESSIONS)]


async def test_killed_at_any_statement_it_goes_on(store, postgres_uri):
    await fill(store)
    steps = killed = 0
    while killed == steps:
        steps += 1
        killed += await asyncio.to_thread(dies_at, postgres_uri, steps)
        for scope in (PUBLIC, OTHERS):
            await store.rotate(scope, step(f"h-{steps % SESSIONS:02}", steps // SESSIONS))
        assert await store.insert(PUBLIC, new_session(f"during {steps}"))
    assert killed > 40
    async with moving(postgres_uri) as (move, _):
        assert (await move.look())[0].partitions == 2
    assert leftovers(postgres_uri) == []
    generations = {key: record.generation for key, record in (await contents(store)).items()}
    wanted = Counter(f"h-{n % SESSIONS:02}" for n in range(1, steps + 1))
    assert generations == {
        (scope, f"h-{n:02}"): wanted[f"h-{n:02}"] for scope in (PUBLIC, OTHERS) for n in range(SESSIONS)
    }
    assert len(await store.get_many(PUBLIC, [f"during {n}" for n in range(1, steps + 1)])) == steps


def dies_at(uri, statements):
    """Run a move in a process that is killed before it has sent so many statements; returns whether it was."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            left = statements

            def counted(execute):
                async def execute_counted(*arguments, **how):
                    nonlocal left
                    left -= 1
                    if left < 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    return await execute(*arguments, **how)

                return execute_counted

            psycopg.AsyncCursor.execute = counted(psycopg.AsyncCursor.execute)

            async def run():
                async with moving(uri, page=50) as (move, _):
                    await move.run(2)

            asyncio.run(run())
            status = 0
        finally:
            os._exit(status)
    _, status = os.waitpid(child, 0)
    assert status in {0, signal.SIGKILL}
    return status == signal.SIGKILL


@pytest.mark.whole
async def test_services_go_on_while_the_command_runs(sharing, tmp_path):
    processes = await sharing.start(2)
    load = Load(processes, clients=8, sessions=24)

    async def there_and_back():
        for into in ("4", "1"):
            await load.more(100)
            assert await run_command(processes[0].uri, "--into", into) == 0
        await load.more(100)

    await load.during(there_and_back())
    assert (load.seen[0], load.seen[503]) == (0, 0), load.seen
    await load.nothing_was_lost()
    assert load.violations == []


async def run_command(uri, *arguments):
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "reseal", "partition", *arguments, env=os.environ | {"RESEAL_DATABASE_URI": uri}
    )
    return await child.wait()


async def test_it_waits_behind_nobody_for_long(store, postgres_uri):
    await fill(store)
    async with moving(postgres_uri) as (move, said):
        with psycopg.connect(postgres_uri, application_name="a report") as reader:
            reader.execute("SELECT count(*) FROM reseal_session")
            running = asyncio.create_task(move.run(4))
            while not any("a report, idle in transaction" in line for line in said):
                await store.rotate(PUBLIC, step("absent"))
            assert await store.rotate(PUBLIC, step("h-01")) is not None
            reader.commit()
            await running
    assert (await store.get(PUBLIC, "h-01")).record.generation == 1


async def test_an_unfinished_move_is_taken_back(store, postgres_uri):
    await fill(store)
    before = await contents(store)
    async with moving(postgres_uri) as (move, _):
        assert not await move.abandon()
        await interrupted(move, 4, at="copy_page", after=3)
        with pytest.raises(MoveRefused, match="a move into 4 partitions has begun"):
            await move.run(8)
        assert await move.abandon()
        assert (leftovers(postgres_uri), await contents(store)) == ([], before)
        await move.run(8)
    assert await contents(store) == before


async def test_what_cannot_be_is_refused_and_changes_nothing(store, postgres_uri, postgres):
    async with moving(postgres_uri) as (move, _):
        with pytest.raises(MoveRefused, match="in one table already"):
            await move.run(1)
        query(postgres_uri, "CREATE VIEW report AS SELECT user_id FROM reseal_session")
        with pytest.raises(MoveRefused, match="the view report: remove that first"):
            await move.run(4)
        query(postgres_uri, "DROP VIEW report")
    schema = query(postgres_uri, "SELECT current_schema::text")[0][0]
    query(postgres_uri, "CREATE ROLE lodger LOGIN PASSWORD 'lodger'")
    query(postgres_uri, f"GRANT USAGE ON SCHEMA {schema} TO lodger")
    query(postgres_uri, f"GRANT ALL ON ALL TABLES IN SCHEMA {schema} TO lodger")
    lodgers = f"postgresql://lodger:lodger@127.0.0.1:{postgres.port}/postgres?options=-csearch_path%3D{schema}"
    async with moving(lodgers) as (move, _):
        with pytest.raises(MoveRefused, match="whose owner is reseal: connect as that one"):
            await move.run(4)
    async with moving(postgres_uri) as (move, _):
        await move.run(4)
    other = AsyncPostgresStore(lodgers)  # the rights were copied, of the partitions too
    await other.open()
    assert await other.insert(PUBLIC, new_session("the lodger's"))
    await other.close()
    query(postgres_uri, "DROP OWNED BY lodger; DROP ROLE lodger")
    assert leftovers(postgres_uri) == []


def test_older_servers_and_users_without_rights_are_told():
    usual = partitions.Form("public", "owner", True, True, 15, 1, None, 0, 0)
    assert partitioning.problem(usual, None, 4) == ""
    assert "need 14 or newer" in partitioning.problem(usual._replace(server=13), None, 4)
    assert "GRANT CREATE ON SCHEMA public" in partitioning.problem(usual._replace(may_create=False), None, 4)


@pytest.mark.parametrize("number", range(FIRST_MOVABLE, len(schema_steps("postgres"))))
async def test_later_schema_steps_change_both_forms_alike(postgres, monkeypatch, number):
    uris = {partitioned: postgres.uri(postgres.schema()) for partitioned in (False, True)}
    for partitioned, uri in uris.items():
        with monkeypatch.context() as older:
            older.setattr(postgres_server, "schema_steps", lambda database: schema_steps(database)[:number])
            await opened(uri)
            query(uri, INSERTION)
            if partitioned:
                async with moving(uri) as (move, _):
                    await move.run(3)
        await opened(uri)
        assert query(uri, "SELECT count(*) FROM reseal_session") == [(40,)]
    assert form(uris[True]) == form(uris[False])


async def test_a_schema_step_takes_an_unfinished_move_back(postgres_uri, monkeypatch):
    with monkeypatch.context() as older:
        older.setattr(postgres_server, "schema_steps", lambda database: schema_steps(database)[:-1])
        await opened(postgres_uri)
        query(postgres_uri, INSERTION)
        async with moving(postgres_uri) as (move, _):
            await interrupted(move, 3, at="copy_page", after=2)
    await opened(postgres_uri)
    assert leftovers(postgres_uri) == []
    assert query(postgres_uri, "SELECT count(*) FROM reseal_session") == [(40,)]


async def opened(uri):
    server = server_of(Secret(uri))
    await server.open()
    await server.close()


INSERTION = """
INSERT INTO reseal_session (
    app_id, tenant_id, handle, user_id, created_at, expires_at, generation, current_hash, rotated_at, jwt_payload,
    session_data, use_static_key, last_seen_at, version
)
SELECT 'public', 'public', 'h-' || n, 'user', 1, 2, 0, '', 1, '{}', '{}', false, 1, 1 FROM generate_series(1, 40) AS n
"""


@pytest.mark.parametrize("uri", ["sqlite:///sessions.db", "mysql://u:p@127.0.0.1/reseal", "redis://127.0.0.1/0"])
def test_other_engines_have_no_partitions(uri, monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("RESEAL_DATABASE_URI", uri)
    assert main(["partition", "--into", "4"]) == REFUSED
    assert "only the table on PostgreSQL has partitions" in capsys.readouterr().err


def test_the_command_shows_and_checks_and_moves(postgres_uri, monkeypatch, capsys):
    monkeypatch.setenv("RESEAL_DATABASE_URI", postgres_uri)

    def run(*arguments):
        code, (out, said) = main(["partition", "--json", *arguments]), capsys.readouterr()
        return code, json.loads(out or "[{}]")[0], said

    with pytest.raises(SystemExit):
        run("--into", "4", "--abandon")
    capsys.readouterr()
    assert run()[0] == CONFIGURATION
    assert main(["migrate"]) == DONE
    capsys.readouterr()
    nothing = {"moving_into": None, "copied": None, "sessions": 0, "megabytes": 0}
    assert run() == (DONE, {"partitions": 1} | nothing, "")
    assert run("--into", "4", "--dry-run") == (DONE, {"partitions": 1} | nothing, "")
    code, shown, said = run("--into", "4")
    assert (code, shown) == (DONE, {"partitions": 4} | nothing)
    assert "the sessions are in 4 partitions now" in said
    assert run("--into", "4")[0] == REFUSED
    assert run("--into", "129")[0] == REFUSED
    assert run("--abandon") == (DONE, {"abandoned": False}, "")
