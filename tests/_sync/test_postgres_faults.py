# Generated from tests/_async/test_postgres_faults.py by tools/unasync.py; edit that file instead.
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
from reseal._sync.engine import Engine
from reseal._sync.stores import make_store, postgres_server
from reseal._sync.stores.postgres import PostgresStore
from reseal._sync.waiting import pause
from reseal.core.errors import ConfigurationError, StoreUnavailable, TokenTheftDetected
from reseal.core.events import EventName
from reseal.core.model import EndReason, Scope, SessionRecord
from reseal.core.selection import UserPlace
from reseal.stores.postgres import QUERIES
from reseal.stores.sql_files import schema_steps
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import hash_of, new_session, step
from reseal.testing.recorder import Recorder
from tests.support.postgres import PASSWORD, cluster

API = "https://api.example.com"
PUBLIC = Scope()


@pytest.fixture
def store(postgres_uri):
    store = PostgresStore(postgres_uri)
    store.open()
    yield store
    store.close()


# -- the server goes away -------------------------------------------------------------------------------------------


def test_a_crash_amid_refreshes_loses_nothing_and_accuses_nobody(own_postgres):
    events = Recorder()
    settings = Settings(api_domain=API, database_uri=own_postgres.uri())
    with Engine(settings, make_store(settings), on_event=events) as engine:
        crash = threading.Thread(target=own_postgres.restart)
        lines = [[(engine.create(f"user {n}")).refresh_token] for n in range(12)]
        refused = []

        def refresh_on(line):
            rest = 5
            while crash.is_alive() or rest:
                try:
                    line.append((engine.refresh(line[-1])).refresh_token)
                except StoreUnavailable as error:
                    refused.append(error)
                    pause(0.02)
                else:
                    rest = rest if crash.is_alive() else rest - 1

        crash.start()
        outcomes = together(partial(refresh_on, line) for line in lines)
        crash.join()
        assert outcomes == [None] * len(lines)
        assert refused
        for line in lines:
            assert len(line) > 5
            engine.refresh(line[-1])
        assert events.named(EventName.TOKEN_THEFT) == events.named(EventName.STORE_ROLLED_BACK) == []
        assert PASSWORD not in "".join(f"{error} {error.__cause__}" for error in refused)
        for line in lines:
            with pytest.raises(TokenTheftDetected):
                engine.refresh(line[0])


def test_a_server_that_is_away_is_told_in_one_line_without_the_password(own_postgres):
    store = PostgresStore(own_postgres.uri())
    store.open()
    own_postgres.stop()
    with pytest.raises(StoreUnavailable):
        store.get(PUBLIC, "h")
    with pytest.raises(StoreUnavailable) as error:
        PostgresStore(own_postgres.uri()).open()
    assert str(error.value) == f"PostgreSQL at 127.0.0.1:{own_postgres.port} cannot be reached (Connection refused)"
    assert PASSWORD not in f"{error.value.__cause__}{store!r}{vars(store)}{vars(store._server)}"
    own_postgres.start()
    assert (store.get(PUBLIC, "h")).record is None
    store.close()


def test_connections_that_the_server_closed_meanwhile_are_not_used(store, postgres):
    for _ in range(3):
        together([partial(store.get, PUBLIC, "h")] * 5)
        with postgres.admin() as admin:
            admin.execute(
                "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = 'reseal'"
            )
        assert (store.get(PUBLIC, "h")).record is None


def test_a_server_that_stands_still_is_given_up_and_met_again(postgres_uri):
    store = PostgresStore(postgres_uri, pool_size=1, statement_timeout_ms=200)
    store.open()
    [(pid,)] = store._server.run(partial(_rows, "SELECT pg_backend_pid()"))
    os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        with pytest.raises(StoreUnavailable):
            store.get(PUBLIC, "h")
        assert time.monotonic() - began < 30
    finally:
        os.kill(pid, signal.SIGCONT)
    assert (store.get(PUBLIC, "h")).record is None
    store.close()


def test_of_several_hosts_the_one_that_answers_is_used(postgres):
    hosts = f"127.0.0.1:1,127.0.0.1:{postgres.port}"
    store = PostgresStore(postgres.uri(postgres.schema(), host=hosts))
    store.open()
    assert store.insert(PUBLIC, new_session())
    store.close()


def test_time_is_the_server_s_and_what_one_process_noted_holds_for_all(postgres_uri):
    fast, other = ManualClock(4_000_000_000_000), PostgresStore(postgres_uri)
    one = PostgresStore(postgres_uri, clock=fast)
    other.open()
    assert abs((other.get(PUBLIC, "h")).now - time.time() * 1000) < 60_000
    one.open()
    before = (other.get(PUBLIC, "h")).now
    assert before >= fast.wall()
    record = other.insert(PUBLIC, new_session())
    assert record.created_at >= before
    pause(0.2)
    assert before + 100 < (other.get(PUBLIC, "h")).now < before + 60_000
    one.close()
    other.close()


# -- connections are shared -----------------------------------------------------------------------------------------


def test_a_row_that_was_not_asked_for_is_no_answer(store, monkeypatch):
    """As if another process read from the same connection: each question gets the answer to one about somebody else."""
    for name in ("alice's", "bob's"):
        store.insert(PUBLIC, new_session(name, user_id=name))
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
            call()


# -- the server is busy ---------------------------------------------------------------------------------------------


def test_many_callers_share_few_connections(postgres_uri, postgres):
    store = PostgresStore(postgres_uri, pool_size=2, connect_timeout_s=60)
    store.open()
    assert all(together(partial(store.insert, PUBLIC, new_session(f"h-{n}")) for n in range(100)))
    assert all(together(partial(store.rotate, PUBLIC, step(f"h-{n}")) for n in range(100)))
    found = together(partial(store.get, PUBLIC, f"h-{n}") for n in range(100))
    assert {each.record.generation for each in found} == {1}
    assert len(store._server._pool._processes.here().idle) <= 2
    store.close()


def test_who_meets_a_lock_is_refused_in_time_and_served_afterwards(postgres_uri):
    store = PostgresStore(postgres_uri, pool_size=2, connect_timeout_s=1, statement_timeout_ms=500)
    store.open()
    store.insert(PUBLIC, new_session())
    with psycopg.connect(postgres_uri) as other:
        other.execute("SELECT FROM reseal_session FOR UPDATE")
        outcomes = together([partial(store.end, PUBLIC, ["h"], EndReason.REVOKED)] * 12)
        assert {type(outcome) for outcome in outcomes} == {StoreUnavailable}
        with pytest.raises(StoreUnavailable, match="QueryCanceled"):
            store.rotate(PUBLIC, step())
    assert (store.rotate(PUBLIC, step())).generation == 1
    store.close()


def test_overlapping_batches_of_several_processes_do_not_deadlock(postgres_uri, postgres):
    stores = [PostgresStore(postgres_uri) for _ in range(4)]
    for store in stores:
        store.open()
    handles = [f"h-{n}" for n in range(24)]
    together(partial(stores[0].insert, PUBLIC, new_session(handle)) for handle in handles)
    before = _deadlocks(postgres)
    for generation in range(8):
        calls = [
            partial(store.rotate, PUBLIC, step(handle, generation))
            for n, store in enumerate(stores)
            for handle in handles[n * 6 :] + handles[: n * 6]
        ]
        outcomes = together(calls)
        assert not [each for each in outcomes if isinstance(each, BaseException)]
        assert sum(isinstance(each, SessionRecord) for each in outcomes) == len(handles)
    assert _deadlocks(postgres) == before
    for store in stores:
        store.close()


def test_what_cannot_be_written_fails_alone(store):
    poisonous = new_session("poisonous", "nul\0")
    surrogate = new_session("surrogate", "\ud800")
    sessions = [new_session(f"h-{n}") for n in range(20)]
    offered = [*sessions[:10], poisonous, surrogate, *sessions[10:]]
    outcomes = together(partial(store.insert, PUBLIC, session) for session in offered)
    assert [isinstance(each, SessionRecord) for each in outcomes] == [True] * 10 + [False] * 2 + [True] * 10
    assert isinstance(outcomes[10], StoreUnavailable)
    assert isinstance(outcomes[10].__cause__, psycopg.DataError)
    assert isinstance(outcomes[11], StoreUnavailable)
    assert isinstance(outcomes[11].__cause__, UnicodeError)
    assert "nul" not in str(outcomes[10])


@pytest.mark.parametrize("handle", ["\0", "\ud800", "", "x" * 5000])
def test_a_handle_that_no_row_can_have_is_absent(store, handle):
    record = store.insert(PUBLIC, new_session())
    assert (store.get(PUBLIC, handle)).record is None
    assert store.rotate(PUBLIC, replace(step(), handle=handle)) is None
    assert store.end(PUBLIC, [handle, "h"], EndReason.REVOKED) == ("h",)
    assert store.end_user(PUBLIC, handle, EndReason.REVOKED, keep=handle) == ()
    assert store.list_user(PUBLIC, handle, UserPlace(), 10) == ()
    assert record is not None


# -- the server is not fit ------------------------------------------------------------------------------------------


def test_a_server_that_forgets_is_refused():
    with cluster("-c fsync=off") as forgetful, pytest.raises(ConfigurationError, match="fsync") as error:
        PostgresStore(forgetful.uri()).open()
    assert PASSWORD not in str(error.value)


def test_commits_wait_for_the_disk_whatever_the_default_is(postgres):
    store = PostgresStore(postgres.uri(postgres.schema(), more="%20-csynchronous_commit%3Doff"))
    store.open()
    assert store._server.run(partial(_rows, "SHOW synchronous_commit")) == [("on",)]
    store.close()


def test_a_database_of_another_encoding_is_refused(postgres):
    with postgres.admin() as admin:
        admin.execute("CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
    try:
        with pytest.raises(ConfigurationError, match="LATIN1"):
            PostgresStore(postgres.uri(database="latin")).open()
    finally:
        with postgres.admin() as admin:
            admin.execute("DROP DATABASE latin")


@pytest.mark.parametrize(
    "password", ["hun@ter2", "hun/ter2", "hun:ter2@", "hun#ter2", "12/ter2", "o@hun:ter2", "o@hun/ter2", "o@12:ter2"]
)
def test_an_address_that_is_misread_gives_nothing_away(password):
    with pytest.raises((ConfigurationError, StoreUnavailable)) as error:
        PostgresStore(f"postgresql://me:{password}@127.0.0.1:1/x?connect_timeout=2").open()
    told = f"{error.value} {error.value.__cause__} {error.value.__context__ if error.value.__cause__ else ''}"
    assert not re.search("ter2|hun|12[^7]", told.replace("127.0.0.1", ""))


def test_a_server_without_tls_is_refused_where_tls_is_asked_for(postgres):
    with pytest.raises(StoreUnavailable, match="server does not support SSL"):
        PostgresStore(postgres.uri(more="&sslmode=require")).open()


@pytest.mark.parametrize(
    ("login", "database", "why"),
    [
        ("reseal:wrong", "postgres", 'password authentication failed for user "reseal"'),
        ("nobody:wrong", "postgres", 'password authentication failed for user "nobody"'),
        ("reseal", "nowhere", 'database "nowhere" does not exist'),
    ],
)
def test_who_is_not_let_in_is_told_why(postgres, login, database, why):
    known = postgres.uri(database=database)
    uri = known if login == "reseal" else f"postgresql://{login}@{known.rpartition('@')[2]}"
    with pytest.raises(StoreUnavailable) as error:
        PostgresStore(f"{uri}&target_session_attrs=any").open()
    assert str(error.value) == f"PostgreSQL at 127.0.0.1:{postgres.port} cannot be reached ({why})"


def test_of_several_hosts_every_reason_is_told_once(postgres):
    hosts = f"127.0.0.1:1,127.0.0.1:1,127.0.0.1:{postgres.port}"
    with pytest.raises(StoreUnavailable, match=r"\(.*; .*\)$") as error:
        PostgresStore(postgres.uri(database="nowhere", host=hosts)).open()
    assert str(error.value).count("Connection refused") == 1


@pytest.mark.parametrize("hosts", ["127.0.0.1:{},127.0.0.1", "127.0.0.1,127.0.0.1:{}"])
def test_a_host_without_a_port_beside_one_with_a_port_has_the_default(postgres, hosts):
    store = PostgresStore(postgres.uri(host=hosts.format(postgres.port)))
    [(_, here), (_, there)] = sorted((store._server.survey()).items(), key=lambda each: each[0].port is None)
    assert not isinstance(here, str)
    assert there == "Connection refused"


# -- the schema -----------------------------------------------------------------------------------------------------


def test_several_that_start_at_once_make_one_schema(postgres_uri):
    stores = [PostgresStore(postgres_uri) for _ in range(4)]
    assert together(store.open for store in stores) == [None] * 4
    assert stores[0].insert(PUBLIC, new_session())
    assert together(store.close for store in stores) == [None] * 4
    again = PostgresStore(postgres_uri)
    again.open()
    assert (again.get(PUBLIC, "h")).record is not None
    again.close()


def test_an_upgrade_that_was_killed_half_way_leaves_nothing_and_is_repeated(postgres_uri, monkeypatch):
    steps = schema_steps("postgres")
    killed = "CREATE TABLE reseal_two (); SELECT pg_terminate_backend(pg_backend_pid()); CREATE TABLE reseal_three ()"
    monkeypatch.setattr(postgres_server, "schema_steps", lambda _: (*steps, killed))
    with pytest.raises(StoreUnavailable):
        PostgresStore(postgres_uri).open()
    with psycopg.connect(postgres_uri) as admin:
        assert admin.execute("SELECT to_regclass('reseal_two'), to_regclass('reseal_session')").fetchone() == (
            None,
            None,
        )
    whole = "CREATE TABLE reseal_two (); CREATE TABLE reseal_three ()"
    monkeypatch.setattr(postgres_server, "schema_steps", lambda _: (*steps, whole))
    store = PostgresStore(postgres_uri)
    store.open()
    assert store.insert(PUBLIC, new_session())
    store.close()
    monkeypatch.undo()
    with pytest.raises(ConfigurationError, match="newer"):
        PostgresStore(postgres_uri).open()


def test_who_starts_during_an_upgrade_waits_for_it_longer_than_for_a_statement(postgres_uri):
    store = PostgresStore(postgres_uri, statement_timeout_ms=100)
    with psycopg.connect(postgres_uri) as other:
        other.execute(QUERIES["lock_schema"])
        threading.Timer(1, other.close).start()
        began = time.monotonic()
        store.open()
        assert time.monotonic() - began > 0.5
    store.close()


def test_a_schema_that_is_not_there_is_told(postgres):
    with pytest.raises(ConfigurationError, match="the schema does not exist: create it"):
        PostgresStore(postgres.uri("nowhere")).open()


def test_tables_that_belong_to_another_user_are_told(postgres, postgres_uri):
    store = PostgresStore(postgres_uri)
    store.open()
    store.close()
    schema = postgres_uri.rpartition("%3D")[2]
    with postgres.admin() as admin:
        admin.execute("CREATE ROLE other LOGIN PASSWORD 'other'")
        admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO other")
    try:
        with pytest.raises(ConfigurationError, match="may not use the tables that are there"):
            PostgresStore(f"postgresql://other:other@{postgres_uri.rpartition('@')[2]}").open()
    finally:
        with postgres.admin() as admin:
            admin.execute("DROP OWNED BY other")
            admin.execute("DROP ROLE other")


def test_a_user_who_may_read_and_not_write_is_told_at_the_start(postgres, postgres_uri):
    store = PostgresStore(postgres_uri)
    store.open()
    store.close()
    schema, place = postgres_uri.rpartition("%3D")[2], postgres_uri.rpartition("@")[2]
    reader = PostgresStore(f"postgresql://reader:reader@{place}")
    with postgres.admin() as admin:
        admin.execute("CREATE ROLE reader LOGIN PASSWORD 'reader'")
        admin.execute(f"GRANT USAGE ON SCHEMA {schema} TO reader")
        admin.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO reader")
        admin.commit()
        try:
            with pytest.raises(ConfigurationError, match="may not DELETE, INSERT, UPDATE in reseal_audit and in"):
                reader.open()
            admin.execute(f"GRANT INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO reader")
            admin.execute(f"REVOKE UPDATE ON {schema}.reseal_session FROM reader")
            admin.commit()
            with pytest.raises(ConfigurationError, match="may not UPDATE in reseal_session: GRANT SELECT"):
                reader.open()
            admin.execute(f"GRANT UPDATE ON {schema}.reseal_session TO reader")
            admin.commit()
            reader.open()
            reader.close()
        finally:
            admin.execute("DROP OWNED BY reader")
            admin.execute("DROP ROLE reader")


def test_a_table_of_somebody_else_is_left_alone(postgres_uri):
    with psycopg.connect(postgres_uri) as admin:
        admin.execute("CREATE TABLE reseal_session (theirs integer)")
    with pytest.raises(ConfigurationError, match="DuplicateTable"):
        PostgresStore(postgres_uri).open()


def test_without_its_driver_the_store_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "reseal._sync.stores.postgres", None)
    with pytest.raises(ConfigurationError, match=r'pip install "reseal\[postgres\]"'):
        make_store(Settings(api_domain=API, database_uri="postgresql://db/x"))


def _rows(statement, link):
    cursor = link.execute(statement)
    return cursor.fetchall()


def _deadlocks(server):
    with server.admin() as admin:
        return admin.execute("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()").fetchone()[0]
