"""What wakes a reader of the kill list: announcements of PostgreSQL, and elsewhere the passing of time."""

from __future__ import annotations

import pytest

from reseal._async.stores.polled_news import POLL, AsyncPolledNews
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.postgres_news import POLLS, AsyncPostgresNews
from reseal._async.stores.postgres_server import AsyncServer
from reseal.core.kill_list import Kill
from reseal.core.model import EndReason, Scope
from reseal.stores.postgres import QUERIES
from reseal.testing.material import new_session
from tests.support.pgbouncer import pgbouncer

PATIENCE = 30.0
PUBLIC = Scope()
DATABASE = f"pooled_{__name__}".replace(".", "_")


@pytest.fixture(autouse=True)
def passing(monkeypatch):
    """Record how long is waited between two reads, and let no time pass."""
    pauses: list[float] = []

    async def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("reseal._async.stores.polled_news.pause", pause)
    return pauses


class Opened:
    """Announcements of a database that has the schema."""

    def __init__(self, uri):
        self.server = AsyncServer(uri, pool_size=1, connect_timeout_s=5, statement_timeout_ms=5000, queries=QUERIES)
        self.news = AsyncPostgresNews(self.server)

    async def __aenter__(self):
        await self.server.open()
        return self.news

    async def __aexit__(self, *_):
        await self.news.close()
        await self.server.close()


def announce(postgres, many=1):
    with postgres.admin() as admin:
        for number in range(many):
            admin.execute("SELECT pg_notify('reseal_kill_list', %s)", [f"e.{number}"])


def end_listeners(postgres):
    with postgres.admin() as admin:
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND query LIKE 'LISTEN%'"
        )


async def test_a_store_that_announces_nothing_is_read_at_an_interval(passing):
    news = AsyncPolledNews()
    assert await news.wait(PATIENCE)
    assert not await news.wait(POLL / 2)
    assert passing == [POLL, POLL / 2]
    await news.close()


async def test_a_reader_begins_with_a_read_and_is_woken_by_an_announcement(postgres, postgres_uri, passing):
    async with Opened(postgres_uri) as news:
        assert await news.wait(PATIENCE)
        assert not await news.wait(0.05)
        announce(postgres)
        assert await news.wait(PATIENCE)
        assert not passing


async def test_an_end_is_announced_when_it_is_committed_and_nothing_else_is(postgres_uri):
    store = AsyncPostgresStore(postgres_uri)
    await store.open()
    news = store.news()
    await news.wait(PATIENCE)
    for name in ("a", "b"):
        await store.insert(PUBLIC, new_session(name))
    assert await store.end(PUBLIC, ["a"], EndReason.REVOKED) == ("a",)
    assert await store.end(PUBLIC, ["absent"], EndReason.REVOKED, (Kill(1_000),)) == ()
    assert not await news.wait(0.1)
    assert await store.end(PUBLIC, ["b"], EndReason.REVOKED, (Kill(1_000),)) == ("b",)
    assert await news.wait(PATIENCE)
    assert [each.name for each in (await store.kill_page(PUBLIC, None)).entries] == ["b"]
    await news.close()
    await store.close()


async def test_what_is_announced_between_two_waits_wakes_the_next_one(postgres, postgres_uri):
    async with Opened(postgres_uri) as news:
        await news.wait(PATIENCE)
        announce(postgres, many=3)
        assert await news.wait(PATIENCE)


async def test_a_connection_that_breaks_means_a_read_and_a_new_connection(postgres, postgres_uri, passing):
    async with Opened(postgres_uri) as news:
        await news.wait(PATIENCE)
        end_listeners(postgres)
        assert await news.wait(PATIENCE)
        assert await news.wait(PATIENCE)
        announce(postgres)
        assert await news.wait(PATIENCE)
        assert not passing


async def test_while_the_server_is_away_reads_go_on_at_an_interval(own_postgres, passing):
    async with Opened(own_postgres.uri()) as news:
        await news.wait(PATIENCE)
        own_postgres.stop()
        assert await news.wait(PATIENCE)
        assert [await news.wait(PATIENCE) for _ in range(POLLS)] == [True] * POLLS
        assert passing == [POLL] * POLLS
        own_postgres.start()
        assert await news.wait(PATIENCE)
        assert passing == [POLL] * POLLS
        announce(own_postgres)
        assert await news.wait(PATIENCE)


async def test_behind_a_pooler_reads_go_on_at_an_interval_and_the_log_says_why(postgres, passing, caplog):
    with postgres.admin() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with pgbouncer(postgres, DATABASE, "transaction") as uri:
        async with Opened(uri) as news:
            assert [await news.wait(PATIENCE) for _ in range(3 * POLLS)] == [True] * 3 * POLLS
            assert passing == [POLL] * 3 * POLLS
    [told] = [record.message for record in caplog.records if "PgBouncer" in record.message]
    assert told.startswith("kill_list: a pooler (PgBouncer) is between, which passes no announcements on")
    assert "every 0.5 seconds" in told
