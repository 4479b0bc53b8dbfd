"""Lists that are only shown are read from a standby, if there is one to ask, and nothing else ever is."""

from __future__ import annotations

import pytest

from reseal import AsyncReseal, ConfigurationError, Reseal, Settings
from tests.support.failover import API
from tests.support.pgbouncer import pgbouncer
from tests.support.postgres import pair, until


def settings_of(primary, standby):
    return Settings(api_domain=API, database_uri=primary.uri(), replica_uri=standby.uri())


async def test_a_list_is_read_from_the_standby_and_from_the_primary_where_it_is_away_or_acted_on(caplog):
    with pair(synchronous=False) as (primary, standby):
        async with AsyncReseal(settings_of(primary, standby)) as sessions:
            await sessions.backend.create("user")
            with standby.admin() as admin:
                until(lambda: admin.execute("SELECT to_regclass('reseal_session') IS NOT NULL").fetchone()[0])
                until(lambda: admin.execute("SELECT count(*) FROM reseal_session").fetchone()[0] == 1)
                admin.execute("SELECT pg_wal_replay_pause()")
                until(lambda: admin.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
            second = await sessions.backend.create("user")
            assert len(await sessions.list_sessions("user")) == 1
            assert len(await sessions.backend.list_user("user")) == 2
            assert len(await sessions.end_sessions("user", keep=second.claims.sid)) == 1
            standby.stop()
            assert [each.handle for each in await sessions.list_sessions("user")] == [second.claims.sid]
            assert "replica_uri: lists are read from the primary" in caplog.text
        with Reseal(settings_of(primary, standby)) as again:
            assert len(again.list_sessions("user")) == 1


async def test_a_standby_may_be_behind_a_pooler_and_be_asked_for_by_its_name(caplog):
    with pair(synchronous=True) as (primary, standby), pgbouncer(standby, "postgres", "transaction") as pooled:
        settings = Settings(
            api_domain=API, database_uri=primary.uri(), replica_uri=f"{pooled}?target_session_attrs=standby"
        )
        async with AsyncReseal(settings) as sessions:
            await sessions.backend.create("user")
            with standby.admin() as admin:
                admin.execute("SELECT pg_wal_replay_pause()")
                until(lambda: admin.execute("SELECT pg_get_wal_replay_pause_state()").fetchone() == ("paused",))
            await sessions.backend.create("user")
            assert len(await sessions.list_sessions("user")) == 1
    assert "replica_uri" not in caplog.text


async def test_a_standby_whose_address_cannot_be_read_is_refused_at_the_start(postgres):
    settings = Settings(api_domain=API, database_uri=postgres.uri(), replica_uri="postgresql://db/x?schema=s")
    with pytest.raises(ConfigurationError, match="replica_uri: the parameter 'schema'"):
        await AsyncReseal(settings).open()


@pytest.mark.parametrize(
    ("uris", "told"),
    [
        ({"database_uri": "memory:", "replica_uri": "postgresql://db/x"}, "needs a 'database_uri' of PostgreSQL"),
        ({"database_uri": "postgresql://db/x", "replica_uri": "mysql://a:b@db/x"}, "must be a connection URI"),
    ],
)
def test_a_standby_of_another_store_is_refused(uris, told):
    with pytest.raises(ConfigurationError, match=told):
        Settings(api_domain=API, **uris)
