"""PostgreSQL plans a statement once for each connection, perhaps while the table is small, and keeps to it."""

from __future__ import annotations

import asyncio
import re

import psycopg
import pytest

from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.cases import CaseFilter, CasePlace, StoredCase
from reseal.core.confirmation import Seen
from reseal.core.model import EndReason, Scope
from reseal.core.selection import UserPlace
from reseal.stores import case_rows, rows
from reseal.stores.postgres import QUERIES
from reseal.testing.material import new_session, step

PUBLIC = Scope()
MANY = 3000
TIMES = 20
ROWS_READ = """
SELECT sum(idx_tup_read) + (SELECT seq_tup_read FROM pg_stat_user_tables WHERE relname = 'reseal_session')
FROM pg_stat_user_indexes WHERE relname = 'reseal_session'
"""


@pytest.fixture
async def store(own_postgres):
    store = AsyncPostgresStore(own_postgres.uri(), pool_size=1)
    await store.open()
    yield store
    await store.close()


async def rows_read(store, server):
    """Give the rows of sessions that the server has read, by index or not; it tells once the connections are closed."""
    await store.close()
    with psycopg.connect(server.uri()) as connection:
        return int(connection.execute(ROWS_READ).fetchone()[0])


async def use(store, name):
    await store.insert(PUBLIC, new_session(name, f"user of {name}"))
    await store.get(PUBLIC, name)
    await store.get_many(PUBLIC, [name, "absent"])
    await store.rotate(PUBLIC, step(name))
    await asyncio.gather(store.rotate(PUBLIC, step(name, 1)), store.rotate(PUBLIC, step("absent")))
    await asyncio.gather(*(store.confirm(PUBLIC, Seen(handle=each, generation=2)) for each in (name, "absent")))
    await store.list_user(PUBLIC, f"user of {name}", UserPlace(), 10)
    await store.end(PUBLIC, [name, "absent"], EndReason.REVOKED)
    await store.list_ended(PUBLIC, f"user of {name}", 60_000, 10)
    await store.end_user(PUBLIC, f"user of {name}", EndReason.REVOKED)
    await store.purge(10)
    await store.backlog()
    await store.replace(PUBLIC, (await store.get(PUBLIC, name)).record)


async def test_statements_that_were_planned_for_a_small_table_read_no_more_rows_of_a_large_one(store, own_postgres):
    for n in range(TIMES):
        await use(store, f"small-{n}")
    await asyncio.gather(*(store.insert(PUBLIC, new_session(f"h-{n}", f"user {n}")) for n in range(MANY)))
    for n in range(TIMES):
        await use(store, f"large-{n}")
    assert 2 * TIMES < await rows_read(store, own_postgres) < MANY


async def test_a_purge_removes_rows_by_their_place_and_reads_no_entry_of_the_primary_key(store, own_postgres):
    await asyncio.gather(*(store.insert(PUBLIC, new_session(f"h-{n}", f"user {n}")) for n in range(MANY)))
    with psycopg.connect(own_postgres.uri()) as connection:
        text = "UPDATE reseal_session SET due_at = 1, expires_at = {} WHERE left(handle, {}) = '{}'"
        removed = connection.execute(text.format(2, 3, "h-1")).rowcount
        put_off = connection.execute(text.format("expires_at", 4, "h-22")).rowcount
    assert await store.purge(MANY) == (removed + put_off, removed)
    assert (await store.backlog()).sessions == 0
    await store.close()
    with psycopg.connect(own_postgres.uri()) as connection:
        read = "SELECT idx_tup_read FROM pg_stat_user_indexes WHERE indexrelname = 'reseal_session_pkey'"
        assert connection.execute(read).fetchone() == (0,)


async def test_pages_of_theft_cases_are_read_by_an_index(store, own_postgres):
    for n in range(MANY // 10):
        await store.write_case(PUBLIC, StoredCase(f"h-{n}", f"user {n % 30}", n, n % 2 == 0, 0, "{}"))
    page = await store.list_cases(PUBLIC, CaseFilter(), CasePlace(200, ""), 10)
    of_user = await store.list_cases(PUBLIC, CaseFilter("user 7", open_only=True), CasePlace(), 3)
    assert [case.opened_at for case in (*page, *of_user)] == [*range(199, 189, -1), 277, 247, 217]
    with psycopg.connect(own_postgres.uri()) as connection:
        connection.execute("SET enable_seqscan = off")
        for which, condition in ((CaseFilter(), "tenant_id"), (CaseFilter("user 7"), "user_id")):
            values = rows.scoped(PUBLIC) | case_rows.of_cases(which, CasePlace(), 10)
            plan = connection.execute("EXPLAIN " + QUERIES[case_rows.listing_of(which)], values).fetchall()
            text = "\n".join(line for (line,) in plan)
            assert "Sort" not in text
            assert re.search(rf"Index Cond: .*{condition}.*ROW\(opened_at, handle\) < ROW", text), text
