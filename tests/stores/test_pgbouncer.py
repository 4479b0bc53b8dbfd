"""PgBouncer between: one that lends a session for as long as a client stays, and one that lends it for a transaction."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count

import psycopg
import pytest

from reseal import AsyncEngine, ConfigurationError, Engine, Settings, TokenTheftDetected
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._sync.stores.postgres import PostgresStore
from reseal.core.model import EndReason, Scope
from reseal.testing.material import new_session, step
from tests.support.pgbouncer import pgbouncer

PUBLIC = Scope()
SETTINGS = Settings(api_domain="https://api.example.com", database_uri="memory:", rotation_policy="classic")
DATABASES = count()


@pytest.fixture(scope="module", params=["session", "transaction"])
def uri(request, postgres):
    """An empty database behind a pooler with two connections."""
    database = f"pooled_{next(DATABASES)}"
    with postgres.admin() as admin:
        admin.execute(f"CREATE DATABASE {database}")
    with pgbouncer(postgres, database, request.param) as uri:
        yield uri


async def test_many_tasks_live_their_sessions_through_few_connections(uri):
    async with AsyncEngine(SETTINGS, AsyncPostgresStore(uri, pool_size=2, connect_timeout_s=30)) as engine:

        async def live(name):
            pair = await engine.create(name)
            first = pair.refresh_token
            for _ in range(2):
                again = await asyncio.gather(*(engine.refresh(pair.refresh_token) for _ in range(3)))
                assert len({each.refresh_token for each in again}) == 1
                pair = again[0]
            assert (await engine.get(pair.claims.sid)).user_id == name
            with pytest.raises(TokenTheftDetected):
                await engine.refresh(first)
            assert await engine.revoke_user(name) == (pair.claims.sid,)

        await asyncio.gather(*(live(f"user-{n}") for n in range(20)))


def test_many_threads_do_too(uri):
    with Engine(SETTINGS, PostgresStore(uri, pool_size=2, connect_timeout_s=30)) as engine:

        def live(name):
            pair = engine.create(name)
            for _ in range(3):
                pair = engine.refresh(pair.refresh_token)
            assert [record.user_id for record in engine.list_user(name)] == [name]
            return engine.revoke([pair.claims.sid], EndReason.SIGNED_OUT) == (pair.claims.sid,)

        with ThreadPoolExecutor(8) as pool:
            assert all(pool.map(live, [f"thread-{n}" for n in range(16)]))


@pytest.fixture(scope="module")
def pooled(postgres):
    """Make an empty database behind a pooler that lends a session for a transaction; give its name and URI."""
    database = f"pooled_{next(DATABASES)}"
    with postgres.admin() as admin:
        admin.execute(f"CREATE DATABASE {database}")
    with pgbouncer(postgres, database, "transaction", "ignore_startup_parameters = options") as uri:
        yield database, uri


async def test_several_that_start_at_once_make_one_schema(pooled):
    stores = [AsyncPostgresStore(pooled[1]) for _ in range(6)]
    assert await asyncio.gather(*(store.open() for store in stores)) == [None] * 6
    assert await stores[0].insert(PUBLIC, new_session("first"))
    for store in stores:
        await store.close()


async def test_settings_hold_in_each_statement_and_none_is_left_to_others(pooled, postgres):
    """Others who share the sessions leave their own settings in them, which would lose an acknowledged write."""
    database, uri = pooled
    store = AsyncPostgresStore(uri, pool_size=2)
    await store.open()
    with psycopg.connect(uri, autocommit=True, prepare_threshold=None) as other:
        names = "synchronous_commit, default_transaction_isolation, statement_timeout, enable_seqscan, lock_timeout"
        shown = partial(_shown, other, names)
        other.execute("SET synchronous_commit = off")
        other.execute("SET default_transaction_isolation = 'serializable'")
        other.execute("SET default_transaction_read_only = on")
        other.execute("SET statement_timeout = '1h'")
        assert await store.insert(PUBLIC, new_session("h"))
        assert (await store.rotate(PUBLIC, step("h"))).generation == 1
        held = await store._server.run(lambda link: _held(link, names))
        assert held == ["on", "read committed", "5s", "off", "0"]
        assert shown() == ["off", "serializable", "1h", "on", "0"]
        other.execute("RESET ALL")
    await store.close()
    with postgres.admin(database) as admin:
        left = admin.execute("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'").fetchone()
    assert left == (0,)


async def _held(link, names):
    async with link.transaction():
        await link.settle()
        cursor = await link.execute("SELECT current_setting('transaction_isolation')", prepare=False)
        [(isolation,)] = await cursor.fetchall()
        shown = [
            (await (await link.execute(f"SHOW {name.strip()}", prepare=False)).fetchone())[0]
            for name in names.split(",")
        ]
    assert isolation == "read committed"
    return shown


def _shown(connection, names):
    return [connection.execute(f"SHOW {name.strip()}").fetchone()[0] for name in names.split(",")]


async def test_what_a_pooler_does_not_pass_on_is_refused_by_name(pooled):
    with pytest.raises(ConfigurationError, match=r"'options'.*ALTER ROLE reseal SET search_path"):
        await AsyncPostgresStore(f"{pooled[1]}?options=-csearch_path%3Dsessions").open()


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("pgbouncer=true", "'pgbouncer'.*leave it out; a pooler is recognised"),
        ("schema=sessions", "'schema'.*search_path%3D<schema>"),
        ("sslmode=prefer&connection_limit=5", "'connection_limit'.*leave it out"),
    ],
)
async def test_a_parameter_of_another_library_is_named(query, told):
    with pytest.raises(ConfigurationError, match=told) as error:
        await AsyncPostgresStore(f"postgresql://reseal:canary@127.0.0.1:1/reseal?{query}").open()
    assert "canary" not in str(error.value)


async def test_what_may_be_a_part_of_a_password_is_not_named():
    with pytest.raises(ConfigurationError, match="%40 for @") as error:
        await AsyncPostgresStore("postgresql://reseal:can/ary?canary=1@127.0.0.1:1/reseal").open()
    assert "canary" not in str(error.value)
