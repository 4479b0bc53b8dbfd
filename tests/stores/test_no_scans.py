"""No statement of the request path reads more rows of a large table than of a small one."""

from __future__ import annotations

import asyncio
import sqlite3
from unittest import mock

import pytest

from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal._async.stores.redis import AsyncRedisStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Scope
from reseal.core.selection import UserPlace
from reseal.testing.material import new_session, step

PUBLIC = Scope()
MANY = 3000
DAY = 24 * 3600 * 1000
PURGED = 500
"""Rows that one step of a purge looks at."""


async def use(store, name):
    """Make each call of the request path, alone and several at once."""
    user = f"user of {name}"
    await store.insert(PUBLIC, new_session(name, user))
    await asyncio.gather(*(store.insert(PUBLIC, new_session(f"{name}-{n}", user)) for n in range(2)))
    await store.get(PUBLIC, name)
    await store.get_many(PUBLIC, [name, "absent"])
    await store.rotate(PUBLIC, step(name))
    await asyncio.gather(store.rotate(PUBLIC, step(name, 1)), store.rotate(PUBLIC, step("absent")))
    await asyncio.gather(*(store.confirm(PUBLIC, Seen(handle=each, generation=2)) for each in (name, "absent")))
    await store.list_user(PUBLIC, user, UserPlace(), 10)
    await store.replace(PUBLIC, (await store.get(PUBLIC, name)).record)
    await store.end(PUBLIC, [name, "absent"], EndReason.REVOKED)
    await store.list_ended(PUBLIC, user, 60_000, 10)
    await store.end_user(PUBLIC, user, EndReason.REVOKED)
    await store.purge(PURGED)
    await store.backlog()


async def fill(store):
    await asyncio.gather(*(store.insert(PUBLIC, new_session(f"h-{n}", f"user {n}")) for n in range(MANY)))


@pytest.fixture
async def mariadb_store(own_mariadb):
    database = own_mariadb.database()
    store = AsyncMariaDBStore(own_mariadb.uri(database))
    own_mariadb.sql("SET GLOBAL userstat = 1")
    await store.open()
    yield store, own_mariadb, database
    await store.close()


def rows_read(server, database):
    """Count the rows of sessions that the server has read since the last time."""
    read = server.sql(
        "SELECT rows_read FROM information_schema.table_statistics "
        f"WHERE table_schema = '{database}' AND table_name = 'reseal_session'; FLUSH TABLE_STATISTICS"
    )
    return int(read or 0)


async def test_mariadb_reads_no_more_rows_of_a_large_table(mariadb_store):
    store, server, database = mariadb_store
    await use(store, "warm")
    await fill(store)
    server.sql("ANALYZE TABLE reseal_session", database)
    rows_read(server, database)
    await use(store, "large")
    assert 10 < rows_read(server, database) < 100


async def test_mariadb_removes_many_sessions_without_reading_the_others(mariadb_store):
    store, server, database = mariadb_store
    await fill(store)
    server.sql(f"UPDATE reseal_session SET due_at = 1, expires_at = 2 ORDER BY handle LIMIT {PURGED}", database)
    server.sql("ANALYZE TABLE reseal_session", database)
    rows_read(server, database)
    assert await store.purge(PURGED) == (PURGED, PURGED)
    assert rows_read(server, database) <= 3 * PURGED
    server.sql(f"UPDATE reseal_session SET due_at = 1 ORDER BY handle DESC LIMIT {PURGED}", database)
    rows_read(server, database)
    assert await store.purge(PURGED) == (PURGED, 0)
    assert rows_read(server, database) <= 3 * PURGED


async def test_mariadb_ends_many_sessions_without_reading_the_others(mariadb_store):
    store, server, database = mariadb_store
    await fill(store)
    handles = [f"h-{n}" for n in range(600)] + [f"absent-{n}" for n in range(600)]
    rows_read(server, database)
    assert len([found for found in (await store.get_many(PUBLIC, handles)).values() if found.record]) == 600
    assert rows_read(server, database) <= 600
    assert len(await store.end(PUBLIC, handles, EndReason.REVOKED)) == 600
    assert rows_read(server, database) <= 2 * 600


async def test_mariadb_lists_a_user_without_a_temporary_table(mariadb_store):
    store, server, _database = mariadb_store
    await use(store, "warm")
    status = "SHOW GLOBAL STATUS LIKE 'Created_tmp_disk_tables'"
    before = server.sql(status)
    for n in range(3):
        await store.list_user(PUBLIC, "user of warm", UserPlace(), 10 + n)
        await store.list_ended(PUBLIC, "user of warm", 60_000, 10 + n)
    assert server.sql(status) == before


async def test_sqlite_finds_rows_by_an_index(tmp_path):
    seen = set()
    connect = sqlite3.connect

    def connect_and_trace(*arguments, **options):
        connection = connect(*arguments, **options)
        connection.set_trace_callback(seen.add)
        return connection

    store = AsyncSQLiteStore(tmp_path / "reseal.db")
    await store.open()
    await store.close()
    with mock.patch("sqlite3.connect", connect_and_trace):
        await store.open()
        seen.clear()
        await use(store, "one")
        await store.close()
    connection = sqlite3.connect(tmp_path / "reseal.db")
    plans = {}
    for text in seen:
        if "session" in text and not text.startswith(("--", "PRAGMA")):
            plans[text] = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {text}")]
    connection.close()
    assert len(plans) > 10
    scans = {text: plan for text, plan in plans.items() if any("SCAN session" in each for each in plan)}
    assert not {text: plan for text, plan in scans.items() if "min(due_at)" not in text.lower()}


async def test_redis_is_asked_for_no_walk_over_its_keys(own_redis):
    store = AsyncRedisStore(own_redis.uri())
    await store.open()
    await use(store, "one")
    await store.close()
    asked = {line.partition(b":")[0] for line in own_redis.ask("INFO", "commandstats").split(b"\r\n")}
    assert b"cmdstat_set" in asked
    assert not {name for name in asked if name in {b"cmdstat_keys", b"cmdstat_scan", b"cmdstat_zscan"}}
