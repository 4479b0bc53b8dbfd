# Generated from tests/_async/test_news.py by tools/unasync.py; edit that file instead.
"""What wakes a reader of the kill list: announcements of PostgreSQL, and elsewhere the passing of time."""

from __future__ import annotations

import pytest

from reseal._sync.stores.polled_news import POLL, PolledNews
from reseal._sync.stores.postgres import PostgresStore
from reseal._sync.stores.postgres_news import POLLS, PostgresNews
from reseal._sync.stores.postgres_server import Server
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

    def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("reseal._sync.stores.polled_news.pause", pause)
    return pauses


class Opened:
    """Announcements of a database that has the schema."""

    def __init__(self, uri):
        self.server = Server(uri, pool_size=1, connect_timeout_s=5, statement_timeout_ms=5000, queries=QUERIES)
        self.news = PostgresNews(self.server)

    def __enter__(self):
        self.server.open()
        return self.news

    def __exit__(self, *_):
        self.news.close()
        self.server.close()


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


def test_a_store_that_announces_nothing_is_read_at_an_interval(passing):
    news = PolledNews()
    assert news.wait(PATIENCE)
    assert not news.wait(POLL / 2)
    assert passing == [POLL, POLL / 2]
    news.close()


def test_a_reader_begins_with_a_read_and_is_woken_by_an_announcement(postgres, postgres_uri, passing):
    with Opened(postgres_uri) as news:
        assert news.wait(PATIENCE)
        assert not news.wait(0.05)
        announce(postgres)
        assert news.wait(PATIENCE)
        assert not passing


def test_an_end_is_announced_when_it_is_committed_and_nothing_else_is(postgres_uri):
    store = PostgresStore(postgres_uri)
    store.open()
    news = store.news()
    news.wait(PATIENCE)
    for name in ("a", "b"):
        store.insert(PUBLIC, new_session(name))
    assert store.end(PUBLIC, ["a"], EndReason.REVOKED) == ("a",)
    assert store.end(PUBLIC, ["absent"], EndReason.REVOKED, (Kill(1_000),)) == ()
    assert not news.wait(0.1)
    assert store.end(PUBLIC, ["b"], EndReason.REVOKED, (Kill(1_000),)) == ("b",)
    assert news.wait(PATIENCE)
    assert [each.name for each in (store.kill_page(PUBLIC, None)).entries] == ["b"]
    news.close()
    store.close()


def test_what_is_announced_between_two_waits_wakes_the_next_one(postgres, postgres_uri):
    with Opened(postgres_uri) as news:
        news.wait(PATIENCE)
        announce(postgres, many=3)
        assert news.wait(PATIENCE)


def test_a_connection_that_breaks_means_a_read_and_a_new_connection(postgres, postgres_uri, passing):
    with Opened(postgres_uri) as news:
        news.wait(PATIENCE)
        end_listeners(postgres)
        assert news.wait(PATIENCE)
        assert news.wait(PATIENCE)
        announce(postgres)
        assert news.wait(PATIENCE)
        assert not passing


def test_while_the_server_is_away_reads_go_on_at_an_interval(own_postgres, passing):
    with Opened(own_postgres.uri()) as news:
        news.wait(PATIENCE)
        own_postgres.stop()
        assert news.wait(PATIENCE)
        assert [news.wait(PATIENCE) for _ in range(POLLS)] == [True] * POLLS
        assert passing == [POLL] * POLLS
        own_postgres.start()
        assert news.wait(PATIENCE)
        assert passing == [POLL] * POLLS
        announce(own_postgres)
        assert news.wait(PATIENCE)


def test_behind_a_pooler_reads_go_on_at_an_interval_and_the_log_says_why(postgres, passing, caplog):
    with postgres.admin() as admin:
        admin.execute(f"CREATE DATABASE {DATABASE}")
    with pgbouncer(postgres, DATABASE, "transaction") as uri:
        with Opened(uri) as news:
            assert [news.wait(PATIENCE) for _ in range(3 * POLLS)] == [True] * 3 * POLLS
            assert passing == [POLL] * 3 * POLLS
    [told] = [record.message for record in caplog.records if "PgBouncer" in record.message]
    assert told.startswith("kill_list: a pooler (PgBouncer) is between, which passes no announcements on")
    assert "every 0.5 seconds" in told
