"""What the store in MariaDB says of servers that are not fit for it, and what becomes of calls that meet a fault."""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest

from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal._sync.stores.mariadb import MariaDBStore
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.model import Scope
from reseal.core.secret import Secret
from reseal.stores.mariadb import address, durability
from reseal.testing.material import new_session, step
from tests.support import mariadb as maria
from tests.support.ports import free_port

PUBLIC = Scope()
FIT = {"version": "10.11.6-MariaDB", "innodb_flush_log_at_trx_commit": "1", "log_bin": "OFF", "sync_binlog": "0"}


@pytest.fixture
async def store(mariadb_uri):
    store = AsyncMariaDBStore(mariadb_uri, pool_size=3, statement_timeout_ms=3000)
    await store.open()
    yield store
    await store.close()


# -- URIs -----------------------------------------------------------------------------------------------------------


def test_a_uri_says_where_and_who():
    found = address.read(Secret("mysql://me%40x:p%40s%2Fs@db1,db2:3307,[::1]:33/shop?ssl-mode=disabled"))
    assert found.hosts == (("db1", 3306), ("db2", 3307), ("::1", 33))
    assert (found.user, found.password.reveal(), found.database) == ("me@x", b"p@s/s", "shop")
    assert str(found) == "db1:3306, db2:3307, ::1:33"


@pytest.mark.parametrize(("more", "modes"), [
    ("", {"localhost": None, "db": 0}),
    ("?ssl-mode=VERIFY_CA", {"localhost": 2, "db": 2}),
    ("?ssl_mode=disabled", {"localhost": None, "db": None}),
    ("?socket=/run/s.sock", {"localhost": None, "db": None}),
])  # fmt: skip
def test_the_connection_to_another_machine_is_encrypted_unless_the_uri_says_otherwise(more, modes):
    tls = address.read(Secret(f"mariadb://me:pw@localhost,db/shop{more}")).tls
    assert {host: context and context.verify_mode for (host, _), context in tls.items()} == modes


@pytest.mark.parametrize("uri", [
    "mysql://me:canary@db", "mysql://me:can@ary@db/x", "mysql://me:canary@db:port/x", "mysql://db/x",
    "mysql://me:p@x/y?canary@db/x", "mysql://me:canary@db/x?sslmode=require",
    "mysql://me:canary@db/x?ssl-mode=ANY", "mysql://me:canary@db/x?ssl-ca=/no/canary",
])  # fmt: skip
def test_a_uri_that_cannot_be_read_is_refused_without_the_password(uri):
    with pytest.raises(ConfigurationError, match="database_uri: ") as raised:
        AsyncMariaDBStore(uri)
    assert "canary" not in str(raised.value)


def test_a_parameter_that_is_not_known_is_named():
    with pytest.raises(ConfigurationError, match=r"'charset'.* there are socket, ssl-mode, "):
        address.read(Secret("mysql://me@db/x?charset=utf8mb4"))


# -- servers that are not fit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(("found", "problem"), [
    ({}, None),
    ({"innodb_flush_log_at_trx_commit": "2"}, "innodb_flush_log_at_trx_commit = 2"),
    ({"log_bin": "ON"}, "sync_binlog = 0"),
    ({"log_bin": "ON", "sync_binlog": "1"}, None),
    ({"version": "10.5.1-MariaDB"}, "Reseal needs 10.6"),
    ({"version": "8.0.36"}, None),
    ({"version": "5.7.44"}, "Reseal needs 8.0"),
])  # fmt: skip
def test_settings_that_a_power_cut_would_meet_are_told_with_the_remedy(found, problem):
    problems = durability.problems(FIT | found)
    assert [problem in each for each in problems] == [True] * (problem is not None)


def test_a_server_that_would_lose_writes_is_refused(mariadb, mariadb_uri):
    mariadb.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 2")
    try:
        with pytest.raises(ConfigurationError, match=r"innodb_flush_log_at_trx_commit = 2.*set it to 1"):
            MariaDBStore(mariadb_uri).open()
    finally:
        mariadb.sql("SET GLOBAL innodb_flush_log_at_trx_commit = 1")


def test_a_table_of_another_engine_is_refused(mariadb):
    name = mariadb.database()
    opened(mariadb.uri(name)).close()
    mariadb.sql("ALTER TABLE reseal_event_number ENGINE = MyISAM", name)
    with pytest.raises(
        ConfigurationError, match="reseal_event_number is kept by MyISAM: ALTER TABLE reseal_event_number"
    ):
        MariaDBStore(mariadb.uri(name)).open()


@pytest.mark.parametrize(("rights", "problem"), [
    ("SELECT", "may not INSERT in reseal_session"),
    ("SELECT, INSERT, UPDATE", "may not DELETE in reseal_session"),
])  # fmt: skip
def test_a_missing_right_is_told_by_name(mariadb, rights, problem):
    name = mariadb.database()
    opened(mariadb.uri(name)).close()
    mariadb.sql(f"CREATE USER r_{name} IDENTIFIED BY 'pw'; GRANT {rights} ON {name}.* TO r_{name}")
    with pytest.raises(ConfigurationError, match=problem):
        MariaDBStore(f"mysql://r_{name}:pw@127.0.0.1:{mariadb.port}/{name}").open()


def test_a_user_who_may_not_create_tables_is_told_so(mariadb):
    name = mariadb.database()
    mariadb.sql(f"CREATE USER c_{name} IDENTIFIED BY 'pw'; GRANT SELECT ON {name}.* TO c_{name}")
    with pytest.raises(ConfigurationError, match="may not create tables"):
        MariaDBStore(f"mysql://c_{name}:pw@127.0.0.1:{mariadb.port}/{name}").open()


def test_wrong_credentials_and_absent_servers_are_told_without_the_password(mariadb):
    for uri, why in (
        (f"mysql://reseal:canary@127.0.0.1:{mariadb.port}/x", "wrong user or password"),
        (mariadb.uri("test_absent"), "there is no such database"),
        (mariadb.uri("x", host=f"127.0.0.1:{free_port()}"), "no server"),
        (mariadb.uri("x", more="?ssl-mode=REQUIRED"), "no TLS"),
    ):
        for make in (MariaDBStore, lambda uri: Blocking(AsyncMariaDBStore(uri))):
            with pytest.raises(StoreUnavailable) as raised:
                make(uri).open()
            assert maria.PASSWORD not in str(raised.value)
            assert why in str(raised.value) or why == "no TLS"


def test_a_database_of_a_later_version_is_left_alone(mariadb):
    name = mariadb.database()
    opened(mariadb.uri(name)).close()
    mariadb.sql("INSERT INTO reseal_schema (version) VALUES (9999)", name)
    with pytest.raises(ConfigurationError, match="schema 9999, newer than"):
        MariaDBStore(mariadb.uri(name)).open()


def test_who_only_looks_creates_nothing(mariadb):
    name = mariadb.database()
    with pytest.raises(ConfigurationError, match="run reseal migrate"):
        MariaDBStore(mariadb.uri(name), looks_only=True).open()
    assert mariadb.sql("SHOW TABLES", name) == ""


def test_of_several_hosts_the_one_is_used_that_takes_writes(mariadb, mariadb_uri):
    name = mariadb_uri.rpartition("/")[2]
    with maria.server("--read-only") as replica:
        replica.sql(f"CREATE DATABASE {name}")
        hosts = f"127.0.0.1:{free_port()},127.0.0.1:{replica.port},127.0.0.1:{mariadb.port}"
        store = opened(mariadb.uri(name, host=hosts))
        assert store.insert(PUBLIC, new_session())
        store.close()
        with pytest.raises(StoreUnavailable, match="it takes no writes"):
            MariaDBStore(replica.uri(name)).open()


def test_several_processes_may_start_at_once(mariadb_uri):
    async def start():
        stores = [AsyncMariaDBStore(mariadb_uri) for _ in range(8)]
        await asyncio.gather(*(store.open() for store in stores))
        assert await stores[0].insert(PUBLIC, new_session())
        assert (await stores[7].get(PUBLIC, "h")).record
        await asyncio.gather(*(store.close() for store in stores))

    asyncio.run(start())


# -- faults ---------------------------------------------------------------------------------------------------------


async def test_a_call_that_is_cancelled_leaves_no_connection_to_the_next_one(store, mariadb):
    await store.insert(PUBLIC, new_session())
    for _ in range(20):
        task = asyncio.create_task(store._server.run(lambda link: link.wire.query("SELECT SLEEP(0.5), 'canary'")))
        await asyncio.sleep(0)
        for _ in range(20):
            await asyncio.sleep(0)
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task
        found = await store.get(PUBLIC, "h")
        assert found.record.handle == "h"


async def test_connections_that_the_server_ended_are_replaced(store, mariadb):
    await store.insert(PUBLIC, new_session())
    for link in store._server._pool._processes.here().idle:
        [(own,)] = (await link.wire.query("SELECT CONNECTION_ID()"))[0]
        await asyncio.to_thread(mariadb.sql, f"KILL {own}")
    async with asyncio.timeout(10):
        while any(link.is_reusable for link in store._server._pool._processes.here().idle):  # noqa: ASYNC110 - the driver tells nobody
            await asyncio.sleep(0)
    assert (await store.get(PUBLIC, "h")).record
    assert await store.rotate(PUBLIC, step())


async def test_a_connection_that_is_killed_in_a_transaction_is_unavailable_and_changes_nothing(store, mariadb):
    await store.insert(PUBLIC, new_session())

    async def killed(link):
        [(own,)] = (await link.wire.query("SELECT CONNECTION_ID()"))[0]
        async with link.transaction():
            await link.wire.query("UPDATE reseal_session SET version = 99")
            await asyncio.to_thread(mariadb.sql, f"KILL {own}")
            await link.wire.query("SELECT 1")

    with pytest.raises(StoreUnavailable):
        await store._server.run(killed)
    assert (await store.get(PUBLIC, "h")).record.version == 1


async def test_a_server_that_is_away_is_unavailable_until_it_is_back(own_mariadb):
    store = AsyncMariaDBStore(own_mariadb.uri(own_mariadb.database()), connect_timeout_s=2)
    await store.open()
    await store.insert(PUBLIC, new_session())
    record = await store.rotate(PUBLIC, step())
    await asyncio.to_thread(own_mariadb.kill)
    for call in (store.get(PUBLIC, "h"), store.rotate(PUBLIC, step(generation=1)), store.keys("public")):
        with pytest.raises(StoreUnavailable):
            await call
    await asyncio.to_thread(own_mariadb.start)
    assert (await store.get(PUBLIC, "h")).record == record
    await store.close()


async def test_a_deadlock_is_repeated(store):
    """Two transactions lock two rows in opposite orders."""
    for handle in ("a", "b"):
        await store.insert(PUBLIC, new_session(handle))
    met, tries = asyncio.Barrier(2), []

    async def lock(link, first, second):
        tries.append(first)
        async with link.transaction():
            await link.wire.query(f"UPDATE reseal_session SET version = version + 1 WHERE handle = '{first}'")
            if len(tries) <= 2:
                await met.wait()
            await link.wire.query(f"UPDATE reseal_session SET version = version + 1 WHERE handle = '{second}'")

    await asyncio.gather(
        store._server.run(lambda link: lock(link, "a", "b")), store._server.run(lambda link: lock(link, "b", "a"))
    )
    assert len(tries) == 3
    assert [(await store.get(PUBLIC, handle)).record.version for handle in "ab"] == [3, 3]


async def test_a_lock_that_is_held_is_waited_for_and_then_unavailable(store, mariadb_uri):
    await store.insert(PUBLIC, new_session())
    other = opened(mariadb_uri)

    async def hold(link):
        async with link.transaction():
            await link.wire.query("SELECT * FROM reseal_session FOR UPDATE")
            with pytest.raises(StoreUnavailable, match="1205"):
                await asyncio.to_thread(other.rotate, PUBLIC, step())

    other._server._statement_s = 1
    other._server.run(lambda link: link.write("settle", {"lock_s": bool(maria.MYSQL), "metadata_lock_s": 1}))
    await store._server.run(hold)
    assert other.rotate(PUBLIC, step())
    other.close()


def test_a_server_that_does_not_answer_is_given_up():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        uri = f"mysql://me:pw@127.0.0.1:{silent.getsockname()[1]}/x"
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            MariaDBStore(uri, connect_timeout_s=1).open()
        with pytest.raises(StoreUnavailable, match="cannot be reached"):
            asyncio.run(AsyncMariaDBStore(uri, connect_timeout_s=1).open())


class Blocking:
    """Opens an async store."""

    def __init__(self, store):
        self._store = store

    def open(self):
        asyncio.run(self._store.open())


def opened(uri):
    store = MariaDBStore(uri)
    store.open()
    return store
