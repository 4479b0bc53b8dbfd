"""PostgreSQL goes away, comes back, is busy, or is not fit: nothing acknowledged is lost and nobody is accused."""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from functools import partial

import psycopg
import pytest
from msgspec.structs import replace

from reseal import Settings
from reseal._async.engine import AsyncEngine
from reseal._async.stores import make_store, postgres_server
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.waiting import pause
from reseal.core.errors import ConfigurationError, StoreUnavailable, TokenTheftDetected
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope, SessionRecord
from reseal.core.selection import UserPlace
from reseal.stores.postgres import QUERIES
from reseal.stores.sql_files import schema_steps
from reseal.testing._async.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import hash_of, new_session, step
from reseal.testing.recorder import Recorder
from tests.support.postgres import PASSWORD, cluster

API = "https://api.example.com"
PUBLIC = Scope()


@pytest.fixture
async def store(postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    yield store
    await store.close()


# -- the server goes away -------------------------------------------------------------------------------------------


async def test_a_crash_amid_refreshes_loses_nothing_and_accuses_nobody(own_postgres):
    events = Recorder()
    settings = Settings(api_domain=API, database_uri=own_postgres.uri())
    async with AsyncEngine(settings, make_store(settings), on_event=events) as engine:
        crash = threading.Thread(target=own_postgres.restart)
        lines = [[(await engine.create(f"user {n}")).refresh_token] for n in range(12)]
        refused = []

        async def refresh_on(line):
            rest = 5
            while crash.is_alive() or rest:
                try:
                    line.append((await engine.refresh(line[-1])).refresh_token)
                except StoreUnavailable as error:
                    refused.append(error)
                    await pause(0.02)
                else:
                    rest = rest if crash.is_alive() else rest - 1

        crash.start()
        outcomes = await together(partial(refresh_on, line) for line in lines)
        crash.join()
        assert outcomes == [None] * len(lines)
        assert refused
        for line in lines:
            assert len(line) > 5
            await engine.refresh(line[-1])
        assert events.named(EventName.TOKEN_THEFT) == events.named(EventName.STORE_ROLLED_BACK) == []
        assert PASSWORD not in "".join(f"{error} {error.__cause__}" for error in refused)
        for line in lines:
            with pytest.raises(TokenTheftDetected):
                await engine.refresh(line[0])


async def test_a_server_that_is_away_is_told_in_one_line_without_the_password(own_postgres):
    store = AsyncPostgresStore(own_postgres.uri())
    await store.open()
    own_postgres.stop()
    with pytest.raises(StoreUnavailable):
        await store.get(PUBLIC, "h")
    with pytest.raises(StoreUnavailable) as error:
        await AsyncPostgresStore(own_postgres.uri()).open()
    assert str(error.value) == f"PostgreSQL at 127.0.0.1:{own_postgres.port} cannot be reached (Connection refused)"
    assert PASSWORD not in f"{error.value.__cause__}{store!r}{vars(store)}{vars(store._server)}"
    own_postgres.start()
    assert (await store.get(PUBLIC, "h")).record is None
    await store.close()


async def test_connections_that_the_server_closed_meanwhile_are_not_used(store, postgres):
    for _ in range(3):
        await together([partial(store.get, PUBLIC, "h")] * 5)
        with postgres.admin() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'reseal'"
            )
        assert (await store.get(PUBLIC, "h")).record is None


async def test_a_server_that_stands_still_is_given_up_and_met_again(postgres_uri):
    store = AsyncPostgresStore(postgres_uri, pool_size=1, statement_timeout_ms=200)
    await store.open()
    [(pid,)] = await store._server.run(partial(_rows, "SELECT pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable):
            await store.get(PUBLIC, "h")
        assert time.monotonic() - began < 30
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (await store.get(PUBLIC, "h")).record is None
    await store.close()


async def test_of_several_hosts_the_one_that_answers_is_used(postgres):
    hosts = f"127.0.0.1:1,127.0.0.1:{postgres.port}"
    store = AsyncPostgresStore(postgres.uri(postgres.schema(), host=hosts))
    await store.open()
    assert await store.insert(PUBLIC, new_session())
    await store.close()


async def test_time_is_the_server_s_and_what_one_process_noted_holds_for_all(postgres_uri):
    fast, other = ManualClock(4_000_000_000_000), AsyncPostgresStore(postgres_uri)
    one = AsyncPostgresStore(postgres_uri, clock=fast)
    await other.open()
    assert abs((await other.get(PUBLIC, "h")).now - time.time() * 1000) < 60_000
    await one.open()
    before = (await other.get(PUBLIC, "h")).now
    assert before >= fast.wall()
    record = await other.insert(PUBLIC, new_session())
    assert record.created_at >= before
    await pause(0.2)
    assert before + 100 < (await other.get(PUBLIC, "h")).now < before + 60_000
    await one.close()
    await other.close()


# -- connections are shared -----------------------------------------------------------------------------------------


async def test_a_row_that_was_not_asked_for_is_no_answer(store, monkeypatch):
    """As if another process read from the same connection: each question gets the answer to one about somebody else."""
    for name in ("alice's", "bob's"):
        await store.insert(PUBLIC, new_session(name, user_id=name))
    fetch = store._server.fetch

    def crossed(name, values):
        other = {"handle": "bob's", "user_id": "bob's", "presented_hash": hash_of("bob's/0")}
        mixed = {key: other.get(key, value) for key, value in values.items()}
        return fetch(name, mixed | ({"handles": ["bob's"]} if "handles" in values else {}))

    monkeypatch.setattr(store._server, "fetch", crossed)
    calls = (
        lambda: store.get(PUBLIC, "alice's"),
        lambda: store.get_many(PUBLIC, ["alice's"]),
        lambda: store.list_user(PUBLIC, "alice's", UserPlace(), 10),
        lambda: store.rotate(PUBLIC, step("alice's")),
        lambda: store.end(PUBLIC, ["alice's"], EndReason.REVOKED),
    )
    for call in calls:
        with pytest.raises(StoreUnavailable, match="not asked for"):
            await call()


# -- the server is busy ---------------------------------------------------------------------------------------------


async def test_many_callers_share_few_connections(postgres_uri, postgres):
    store = AsyncPostgresStore(postgres_uri, pool_size=2, connect_timeout_s=60)
    await store.open()
    assert all(await together(partial(store.insert, PUBLIC, new_session(f"h-{n}")) for n in range(100)))
    assert all(await together(partial(store.rotate, PUBLIC, step(f"h-{n}")) for n in range(100)))
    found = await together(partial(store.get, PUBLIC, f"h-{n}") for n in range(100))
    assert {each.record.generation for each in found} == {1}
    assert len(store._server._pool._processes.here().idle) <= 2
    await store.close()


async def test_who_meets_a_lock_is_refused_in_time_and_served_afterwards(postgres_uri):
    store = AsyncPostgresStore(postgres_uri, pool_size=2, connect_timeout_s=1, statement_timeout_ms=500)
    await store.open()
    await store.insert(PUBLIC, new_session())
    with psycopg.connect(postgres_uri) as other:
        other.execute("SELECT FROM reseal_session FOR UPDATE")
        outcomes = await together([partial(store.end, PUBLIC, ["h"], EndReason.REVOKED)] * 12)
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
        with pytest.raises(StoreUnavailable, match="QueryCanceled"):
            await store.rotate(PUBLIC, step())
    assert (await store.rotate(PUBLIC, step())).generation == 1
    await store.close()


async def test_overlapping_batches_of_several_processes_do_not_deadlock(postgres_uri, postgres):
    stores = [AsyncPostgresStore(postgres_uri) for _ in range(4)]
    for store in stores:
        await store.open()
    handles = [f"h-{n}" for n in range(24)]
    await together(partial(stores[0].insert, PUBLIC, new_session(handle)) for handle in handles)
    before = _deadlocks(postgres)
    for generation in range(8):
        calls = [
            partial(store.rotate, PUBLIC, step(handle, generation))
            for n, store in enumerate(stores)
            for handle in handles[n * 6 :] + handles[: n * 6]
        ]
        outcomes = await together(calls)
        assert not [each for each in outcomes if isinstance(each, BaseException)]
        assert sum(isinstance(each, SessionRecord) for each in outcomes) == len(handles)
    assert _deadlocks(postgres) == before
    for store in stores:
        await store.close()


async def test_what_cannot_be_written_fails_alone(store):
    poisonous = new_session("poisonous", "nul\0")
    surrogate = new_session("surrogate", "\ud800")
    sessions = [new_session(f"h-{n}") for n in range(20)]
    offered = [*sessions[:10], poisonous, surrogate, *sessions[10:]]
    outcomes = await together(partial(store.insert, PUBLIC, session) for session in offered)
    assert [isinstance(each, SessionRecord) for each in outcomes] == [True] * 10 + [False] * 2 + [True] * 10
    assert isinstance(outcomes[10], StoreUnavailable)
    assert isinstance(outcomes[10].__cause__, psycopg.DataError)
    assert isinstance(outcomes[11], StoreUnavailable)
    assert isinstance(outcomes[11].__cause__, UnicodeError)
    assert "nul" not in str(outcomes[10])


@pytest.mark.parametrize("handle", ["\0", "\ud800", "", "x" * 5000])
async def test_a_handle_that_no_row_can_have_is_absent(store, handle):
    record = await store.insert(PUBLIC, new_session())
    assert (await store.get(PUBLIC, handle)).record is None
    assert await store.rotate(PUBLIC, replace(step(), handle=handle)) is None
    assert await store.end(PUBLIC, [handle, "h"], EndReason.REVOKED) == ("h",)
    assert await store.end_user(PUBLIC, handle, EndReason.REVOKED, keep=handle) == ()
    assert await store.list_user(PUBLIC, handle, UserPlace(), 10) == ()
    assert record is not None


# -- the server is not fit ------------------------------------------------------------------------------------------


async def test_a_server_that_forgets_is_refused():
    with cluster("-c fsync=off") as forgetful, pytest.raises(ConfigurationError, match="fsync") as error:
        await AsyncPostgresStore(forgetful.uri()).open()
    assert PASSWORD not in str(error.value)


async def test_commits_wait_for_the_disk_whatever_the_default_is(postgres):
    store = AsyncPostgresStore(postgres.uri(postgres.schema(), more="%20-csynchronous_commit%3Doff"))
    await store.open()
    assert await store._server.run(partial(_rows, "SHOW synchronous_commit")) == [("on",)]
    await store.close()


async def test_a_database_of_another_encoding_is_refused(postgres):
    with postgres.admin() as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(ConfigurationError, match="LATIN1"):
            await AsyncPostgresStore(postgres.uri(database="latin")).open()
    finally:
        with postgres.admin() as admin:
            admin.execute("DROP DATABASE latin")


@pytest.mark.parametrize(
    "password", ["hun@ter2", "hun/ter2", "hun:ter2@", "hun#ter2", "12/ter2", "o@hun:ter2", "o@hun/ter2", "o@12:ter2"]
)
async def test_an_address_that_is_misread_gives_nothing_away(password):
    with pytest.raises((ConfigurationError, StoreUnavailable)) as error:
        await AsyncPostgresStore(f"postgresql://me:{password}@127.0.0.1:1/x?connect_timeout=2").open()
    told = f"{error.value} {error.value.__cause__} {error.value.__context__ if error.value.__cause__ else ''}"
    assert not re.search("ter2|hun|12[^7]", told.replace("127.0.0.1", ""))


async def test_a_server_without_tls_is_refused_where_tls_is_asked_for(postgres):
    with pytest.raises(StoreUnavailable, match="server does not support SSL"):
        await AsyncPostgresStore(postgres.uri(more="&sslmode=require")).open()


@pytest.mark.parametrize(
    ("login", "database", "why"),
    [
        ("reseal:wrong", "postgres", 'password authentication failed for user "reseal"'),
        ("nobody:wrong", "postgres", 'password authentication failed for user "nobody"'),
        ("reseal", "nowhere", 'database "nowhere" does not exist'),
    ],
)
async def test_who_is_not_let_in_is_told_why(postgres, login, database, why):
    known = postgres.uri(database=database)
    uri = known if login == "reseal" else f"postgresql://{login}@{known.rpartition('@')[2]}"
    with pytest.raises(StoreUnavailable) as error:
        await AsyncPostgresStore(f"{uri}&target_session_attrs=any").open()
    assert str(error.value) == f"PostgreSQL at 127.0.0.1:{postgres.port} cannot be reached ({why})"


async def test_of_several_hosts_every_reason_is_told_once(postgres):
    hosts = f"127.0.0.1:1,127.0.0.1:1,127.0.0.1:{postgres.port}"
    with pytest.raises(StoreUnavailable, match=r"\(.*; .*\)$") as error:
        await AsyncPostgresStore(postgres.uri(database="nowhere", host=hosts)).open()
    assert str(error.value).count("Connection refused") == 1


@pytest.mark.parametrize("hosts", ["127.0.0.1:{},127.0.0.1", "127.0.0.1,127.0.0.1:{}"])
async def test_a_host_without_a_port_beside_one_with_a_port_has_the_default(postgres, hosts):
    store = AsyncPostgresStore(postgres.uri(host=hosts.format(postgres.port)))
    [(_, here), (_, there)] = sorted((await store._server.survey()).items(), key=lambda each: each[0].port is None)
    assert not isinstance(here, str)
    assert there == "Connection refused"


# -- the schema -----------------------------------------------------------------------------------------------------


async def test_several_that_start_at_once_make_one_schema(postgres_uri):
    stores = [AsyncPostgresStore(postgres_uri) for _ in range(4)]
    assert await together(store.open for store in stores) == [None] * 4
    assert await stores[0].insert(PUBLIC, new_session())
    assert await together(store.close for store in stores) == [None] * 4
    again = AsyncPostgresStore(postgres_uri)
    await again.open()
    assert (await again.get(PUBLIC, "h")).record is not None
    await again.close()


async def test_an_upgrade_that_was_killed_half_way_leaves_nothing_and_is_repeated(postgres_uri, monkeypatch):
    steps = schema_steps("postgres")
    killed = "CREATE TABLE reseal_two (); SELECT pg_terminate_backend(pg_backend_pid()); CREATE TABLE reseal_three ()"
    monkeypatch.setattr(postgres_server, "schema_steps", lambda _: (*steps, killed))
    with pytest.raises(StoreUnavailable):
        await AsyncPostgresStore(postgres_uri).open()
    with psycopg.connect(postgres_uri) as admin:
        assert admin.execute("SELECT to_regclass('reseal_two'), to_regclass('reseal_session')").fetchone() == (
            None,
            None,
        )
    whole = "CREATE TABLE reseal_two (); CREATE TABLE reseal_three ()"
    monkeypatch.setattr(postgres_server, "schema_steps", lambda _: (*steps, whole))
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    assert await store.insert(PUBLIC, new_session())
    await store.close()
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="newer"):
        await AsyncPostgresStore(postgres_uri).open()


async def test_who_starts_during_an_upgrade_waits_for_it_longer_than_for_a_statement(postgres_uri):
    store = AsyncPostgresStore(postgres_uri, statement_timeout_ms=100)
    with psycopg.connect(postgres_uri) as other:
        other.execute(QUERIES["lock_schema"])
        threading.Timer(1, other.close).start()
        began = time.monotonic()
        await store.open()
        assert time.monotonic() - began > 0.5
    await store.close()


async def test_a_schema_that_is_not_there_is_told(postgres):
    with pytest.raises(ConfigurationError, match="the schema does not exist: create it"):
        await AsyncPostgresStore(postgres.uri("nowhere")).open()


async def test_tables_that_belong_to_another_user_are_told(postgres, postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    await store.close()
    schema = postgres_uri.rpartition("%3D")[2]
    with postgres.admin() as admin:
        admin.execute("CREATE ROLE other LOGIN PASSWORD 'other'")
        admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO other")
    try:
        with pytest.raises(ConfigurationError, match="may not use the tables that are there"):
            await AsyncPostgresStore(f"postgresql://other:other@{postgres_uri.rpartition('@')[2]}").open()
    finally:
        with postgres.admin() as admin:
            admin.execute("DROP OWNED BY other")
            admin.execute("DROP ROLE other")


async def test_a_user_who_may_read_and_not_write_is_told_at_the_start(postgres, postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    await store.close()
    schema, place = postgres_uri.rpartition("%3D")[2], postgres_uri.rpartition("@")[2]
    reader = AsyncPostgresStore(f"postgresql://reader:reader@{place}")
    with postgres.admin() as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
        admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader")
        admin.commit()
        try:
            with pytest.raises(ConfigurationError, match="may not DELETE, INSERT, UPDATE in reseal_audit and in"):
                await reader.open()
            admin.execute(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO reader")
            admin.execute(f"REVOKE UPDATE ON {schema}.reseal_session FROM reader")
            admin.commit()
            with pytest.raises(ConfigurationError, match="may not UPDATE in reseal_session: GRANT SELECT"):
                await reader.open()
            admin.execute(f"GRANT UPDATE ON {schema}.reseal_session TO reader")
            admin.commit()
            await reader.open()
            await reader.close()
        finally:
            admin.execute("DROP OWNED BY reader")
            admin.execute("DROP ROLE reader")


async def test_a_table_of_somebody_else_is_left_alone(postgres_uri):
    with psycopg.connect(postgres_uri) as admin:
        admin.execute("CREATE TABLE reseal_session (theirs integer)")
    with pytest.raises(ConfigurationError, match="DuplicateTable"):
        await AsyncPostgresStore(postgres_uri).open()


async def test_without_its_driver_the_store_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "reseal._async.stores.postgres", None)
    with pytest.raises(ConfigurationError, match=r'pip install "reseal\[postgres\]"'):
        make_store(Settings(api_domain=API, database_uri="postgresql://db/x"))


async def _rows(statement, link):
    cursor = await link.execute(statement)
    return await cursor.fetchall()


def _deadlocks(server):
    with server.admin() as admin:
        return admin.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()[0]
