"""Refreshes on PostgreSQL stay in their page, and what removed rows leave is used again soon."""

from __future__ import annotations

import psycopg

from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.model import Scope
from reseal.stores.sql_files import schema_steps
from reseal.testing.material import new_session, step

PUBLIC = Scope()
SESSIONS, REFRESHES = 60, 20
OPTIONS = "SELECT reloptions FROM pg_class WHERE oid = to_regclass(%s)"
SOON = ["autovacuum_vacuum_scale_factor=0.02", "autovacuum_vacuum_threshold=1000"]


async def test_nearly_all_refreshes_change_a_row_in_its_page_and_no_index(postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    for n in range(SESSIONS):
        assert await store.insert(PUBLIC, new_session(f"h-{n}"))
    for generation in range(REFRESHES):
        for n in range(SESSIONS):
            assert await store.rotate(PUBLIC, step(f"h-{n}", generation))
    await store.close()
    with psycopg.connect(postgres_uri, autocommit=True) as admin:
        counted = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relid = to_regclass('reseal_session')"
        updates, hot = admin.execute(counted).fetchone()
        while updates < SESSIONS * REFRESHES:  # the server counts when a connection has ended
            updates, hot = admin.execute(counted).fetchone()
    assert hot / updates > 0.95


async def test_tables_whose_rows_come_and_go_are_vacuumed_soon_also_in_partitions(postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    await store.close()
    [its_step] = [text for text in schema_steps("postgres") if "autovacuum_vacuum_scale_factor" in text]
    with psycopg.connect(postgres_uri, autocommit=True) as admin:
        assert admin.execute(OPTIONS, ("reseal_session",)).fetchone()[0] == ["fillfactor=75", *SOON]
        assert admin.execute(OPTIONS, ("reseal_event",)).fetchone()[0] == SOON
        admin.execute("ALTER TABLE reseal_session RENAME TO before")
        admin.execute("CREATE TABLE reseal_session (LIKE before) PARTITION BY HASH (handle)")
        for n in range(2):
            admin.execute(
                f"CREATE TABLE part_{n} PARTITION OF reseal_session FOR VALUES WITH (MODULUS 2, REMAINDER {n})"
            )
        admin.execute(its_step)
        for n in range(2):
            assert admin.execute(OPTIONS, (f"part_{n}",)).fetchone()[0] == SOON
