"""A call of a store on a server ends in time, however slow each of its statements, hosts and attempts is."""

from __future__ import annotations

import asyncio
import inspect
from types import SimpleNamespace

import pytest
from redis.exceptions import MovedError

from reseal._async.stores.batching import Batches
from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal._async.stores.mariadb_driver import AsyncWire
from reseal._async.stores.mariadb_server import AsyncServer as AsyncMariaDBServer
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.postgres_server import AsyncLink
from reseal._async.stores.redis_server import AsyncRedisServer
from reseal._sync.stores import mariadb_driver
from reseal._sync.stores.mariadb import MariaDBStore
from reseal._sync.stores.mariadb_driver import Wire
from reseal._sync.stores.postgres import PostgresStore
from reseal._sync.stores.postgres_server import Link
from reseal._sync.stores.redis_server import RedisServer
from reseal.core.errors import StoreUnavailable
from reseal.core.model import EndReason, Scope
from reseal.stores import deadlines
from reseal.stores.deadlines import left, within
from reseal.stores.mariadb.errors import DEADLOCK, ServerError
from reseal.testing.material import new_session

PUBLIC = Scope()
SLOW = 4
"""Seconds that a statement takes: less than its own limit."""
LIMIT = 12
"""Seconds that a call of a store takes at most, by default: 5 for a connection, 5 for a statement, 2 besides."""


class Time:
    """A clock that stands still unless something takes long."""

    def __init__(self, monkeypatch):
        self.now = 1000.0
        monkeypatch.setattr(deadlines, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def time(monkeypatch):
    return Time(monkeypatch)


async def outcome(call, *args):
    """Run a call of either colour."""
    done = call(*args)
    return await done if inspect.isawaitable(done) else done


def slow(monkeypatch, time, kind, name, waits):
    """Have each statement take its time, by the clock of this test; the moments are noted."""
    real = getattr(kind, name)

    async def slow_async(self, *args, **kwargs):
        waits.append(time.now)
        found = await real(self, *args, **kwargs)
        time.now += SLOW
        return found

    def slow_sync(self, *args, **kwargs):
        waits.append(time.now)
        found = real(self, *args, **kwargs)
        time.now += SLOW
        return found

    monkeypatch.setattr(kind, name, slow_async if inspect.iscoroutinefunction(real) else slow_sync)


STORES = {
    "MariaDB": ("mariadb_uri", AsyncMariaDBStore, AsyncWire, "query"),
    "MariaDB, sync": ("mariadb_uri", MariaDBStore, Wire, "query"),
    "PostgreSQL": ("postgres_uri", AsyncPostgresStore, AsyncLink, "wait"),
    "PostgreSQL, sync": ("postgres_uri", PostgresStore, Link, "wait"),
}


def works(store, statements):
    """Return work of so many statements, for a store of either colour."""

    async def works_async(link):
        for _ in range(statements):
            await link.fetch("keys", {"app_id": "public"})

    def works_sync(link):
        for _ in range(statements):
            link.fetch("keys", {"app_id": "public"})

    return works_async if inspect.iscoroutinefunction(store.open) else works_sync


@pytest.mark.parametrize("which", STORES)
async def test_the_statements_of_a_call_share_one_limit(request, monkeypatch, time, which):
    uri, make, kind, name = STORES[which]
    store, waits = make(request.getfixturevalue(uri)), []
    await outcome(store.open)
    with monkeypatch.context() as fault:
        slow(fault, time, kind, name, waits)
        began = time.now
        with pytest.raises(StoreUnavailable, match="longer than a call may take"):
            await outcome(store._server.run, works(store, 20))
    assert time.now - began == LIMIT
    assert all(moment - began < LIMIT for moment in waits[:-1])
    await outcome(store._server.run, works(store, 20))
    await outcome(store.close)


@pytest.mark.parametrize("which", STORES)
async def test_a_change_that_came_too_late_is_not_made_and_its_connection_is_closed(request, monkeypatch, time, which):
    uri, make, kind, name = STORES[which]
    store, waits = make(request.getfixturevalue(uri)), []
    await outcome(store.open)
    await outcome(store.insert, PUBLIC, new_session())

    async def changes_async(link):
        async with link.transaction():
            await link.write("remove_keys", {"app_id": "public", "kids": ["none"]})
            fault()
            await link.fetch("keys", {"app_id": "public"})
            await link.fetch("keys", {"app_id": "public"})

    def changes_sync(link):
        with link.transaction():
            link.write("remove_keys", {"app_id": "public", "kids": ["none"]})
            fault()
            link.fetch("keys", {"app_id": "public"})
            link.fetch("keys", {"app_id": "public"})

    def fault():
        time.now += LIMIT - 1
        slow(monkeypatch, time, kind, name, waits)

    is_async = inspect.iscoroutinefunction(store.open)
    idle = store._server._pool._processes.here().idle
    with pytest.raises(StoreUnavailable):
        await outcome(store._server.run, changes_async if is_async else changes_sync)
    assert idle == []
    monkeypatch.undo()
    assert (await outcome(store.get, PUBLIC, "h")).record
    await outcome(store.close)


async def test_what_follows_a_write_shares_its_limit(mariadb_uri, monkeypatch, time):
    store, waits = AsyncMariaDBStore(mariadb_uri), []
    await store.open()
    await store.insert(PUBLIC, new_session())
    slow(monkeypatch, time, AsyncWire, "query", waits)
    began = time.now
    with pytest.raises(StoreUnavailable):
        await store.end(PUBLIC, ["h"], EndReason.REVOKED)
    assert time.now - began == LIMIT
    monkeypatch.undo()
    assert (await store.get(PUBLIC, "h")).record.end_reason is None
    await store.close()


@pytest.mark.parametrize("make", [AsyncMariaDBStore, MariaDBStore])
async def test_the_attempts_of_a_transaction_share_one_limit(mariadb_uri, time, make):
    store, attempts = make(mariadb_uri), []
    await outcome(store.open)

    async def locked(link):
        attempts.append(left(60))
        time.now += 5
        raise ServerError(DEADLOCK)

    def locked_sync(link):
        attempts.append(left(60))
        time.now += 5
        raise ServerError(DEADLOCK)

    with pytest.raises(StoreUnavailable):
        await outcome(store._server.run, locked if make is AsyncMariaDBStore else locked_sync)
    assert attempts == [12, 7, 2]
    await outcome(store.close)


async def test_the_hosts_of_a_call_share_one_limit(monkeypatch, time):
    """None of six hosts answers, each for as long as connecting may take."""
    asked = []

    async def connect(address, host, connect_s, patience):
        asked.append((host[0], left(connect_s)))
        time.now += 5
        raise ServerError(2003)

    monkeypatch.setattr(AsyncWire, "connect", connect)
    server = AsyncMariaDBServer("mysql://me@a,b,c,d,e,f/x", pool_size=1, connect_timeout_s=5,
                                statement_timeout_ms=5000, queries={})  # fmt: skip
    await server._pool.open()
    with pytest.raises(StoreUnavailable):
        await server.run(lambda link: None)
    assert asked == [("a", 5), ("b", 5), ("c", 2)]


@pytest.mark.parametrize("make", [AsyncRedisServer, RedisServer])
async def test_the_nodes_of_a_call_share_one_limit(monkeypatch, time, make):
    """A node says each time that the slot has moved."""
    server, asked = make("redis://127.0.0.1:1", pool_size=1, timeout_s=2), []
    server._is_open = True

    class Pipeline:
        def execute_command(self, *words):
            pass

        def execute(self, **_):
            asked.append(time.now)
            time.now += 1.9
            moved = [MovedError("1 127.0.0.1:1"), [b"1", b"0"]]
            return finished(moved) if make is AsyncRedisServer else moved

    async def finished(found):
        return found

    client = SimpleNamespace(pipeline=lambda **_: Pipeline())
    monkeypatch.setattr(server, "_client", lambda *_: client)
    began = time.now
    with pytest.raises(StoreUnavailable):
        await outcome(server.read, ("GET", "x"))
    assert len(asked) == 3
    assert time.now - began <= server.limit_s


async def test_a_caller_waits_no_longer_than_a_call_may_take_for_the_batch_before():
    under_way, goes_on, done = asyncio.Event(), asyncio.Event(), []

    async def run(items):
        under_way.set()
        await goes_on.wait()
        done.extend(items)
        return items

    batches = Batches(run, 0.01)
    first = asyncio.create_task(batches.submit(1))
    await under_way.wait()
    second = asyncio.create_task(batches.submit(2))
    for late in (first, second):
        with pytest.raises(StoreUnavailable):
            await late
    goes_on.set()
    await batches.finish()
    assert done == [1, 2]


def test_a_part_has_no_more_time_than_the_whole(time):
    with within(5):
        with within(60):
            assert left(60) == 5
        with within(2):
            assert left(60) == 2
            time.now += 3
            with pytest.raises(StoreUnavailable):
                left(60)
        assert left(60) == 2
        assert left(1) == 1
    assert left(60) == 60


def test_an_answer_in_pieces_has_no_more_time_than_one_in_one_piece(monkeypatch):
    """A piece comes whenever it is almost time to give it up."""
    now, waits = [0.0], []
    monkeypatch.setattr(mariadb_driver, "time", SimpleNamespace(monotonic=lambda: now[0]))

    def read1(_):
        now[0] += 0.9 * waits[-1]
        return b"."

    connection = mariadb_driver._bounded_connection()(defer_connect=True)
    connection._sock, connection._rfile = SimpleNamespace(settimeout=waits.append), SimpleNamespace(read1=read1)
    connection._current_timeout = None
    connection.wait_for(7)
    connection._read_bytes(40)
    assert now[0] < 7.1
    assert waits == sorted(waits, reverse=True)
    connection._rfile = None
