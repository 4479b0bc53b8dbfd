# Generated from tests/_async/test_redis_news.py by tools/unasync.py; edit that file instead.
"""What wakes a reader of the kill list over Redis: announcements, and the passing of time where there are none."""

from __future__ import annotations

import pytest

from reseal._sync.stores import redis_news
from reseal._sync.stores.polled_news import POLL
from reseal._sync.stores.redis import RedisStore
from reseal._sync.stores.redis_news import POLLS
from reseal.core.kill_list import Kill
from reseal.core.model import EndReason, Scope
from reseal.testing.material import new_session
from tests.support.redis_cluster import until

PATIENCE = 30.0
PUBLIC = Scope()
KILL = (Kill(60_000),)


@pytest.fixture(autouse=True)
def passing(monkeypatch):
    """Record how long is waited between two reads, and let no time pass."""
    pauses: list[float] = []

    def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("reseal._sync.stores.polled_news.pause", pause)
    return pauses


class Opened:
    """A store, and one reader of its kill list."""

    def __init__(self, uri):
        self.store = RedisStore(uri)

    def __enter__(self):
        self.store.open()
        self.news = self.store.news()
        return self

    def __exit__(self, *_):
        self.news.close()
        self.store.close()

    def end(self, name, reports=KILL):
        """Sign in, and end the session."""
        self.store.insert(PUBLIC, new_session(name))
        assert self.store.end(PUBLIC, [name], EndReason.REVOKED, reports) == (name,)

    def hears(self, timeout_s=PATIENCE):
        """Wait as the feed does: until there is something to read, or the time is over."""
        left = timeout_s
        while left > 0:
            if self.news.wait(left):
                return True
            left -= redis_news.PROBE
        return False

    def names(self):
        return [each.name for each in (self.store.kill_page(PUBLIC, None)).entries]


def warnings(caplog):
    return [each.message for each in caplog.records if each.message.startswith("kill_list: ")]


def test_a_reader_begins_with_a_read_and_is_woken_by_an_end_and_by_nothing_else(redis_uri, passing):
    with Opened(redis_uri) as own:
        assert own.news.wait(PATIENCE)
        own.end("without", ())
        assert own.store.end(PUBLIC, ["absent"], EndReason.REVOKED, KILL) == ()
        assert not own.news.wait(0.05)
        own.end("a")
        assert own.news.wait(PATIENCE)
        assert own.names() == ["a"]
        assert not passing


def test_stores_of_other_prefixes_wake_nobody(redis_server):
    with Opened(redis_server.uri()) as own, Opened(redis_server.uri()) as other:
        own.news.wait(PATIENCE)
        other.end("a")
        assert not own.news.wait(0.05)


def test_what_is_announced_between_two_waits_wakes_the_next_one(redis_uri):
    with Opened(redis_uri) as own:
        own.news.wait(PATIENCE)
        for name in ("a", "b", "c"):
            own.end(name)
        assert own.news.wait(PATIENCE)


def test_a_silent_server_is_asked_for_a_sign_of_life_and_heard_afterwards(redis_uri, passing, monkeypatch):
    monkeypatch.setattr(redis_news, "PROBE", 0.02)
    with Opened(redis_uri) as own:
        own.news.wait(PATIENCE)
        assert not own.hears(0.2)
        own.end("a")
        assert own.hears()
        assert not passing


def test_a_connection_that_breaks_means_a_read_and_a_new_connection(own_redis, passing):
    with Opened(own_redis.uri()) as own:
        own.news.wait(PATIENCE)
        own_redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        assert own.hears()
        assert own.hears()
        own.end("a")
        assert own.hears()
        assert not passing


def test_while_the_server_is_away_reads_go_on_at_an_interval_and_the_log_says_so_once(own_redis, passing, caplog):
    with Opened(own_redis.uri()) as own:
        own.news.wait(PATIENCE)
        own_redis.kill()
        assert own.hears()
        assert [own.news.wait(PATIENCE) for _ in range(3 * POLLS)] == [True] * 3 * POLLS
        assert passing == [POLL] * 3 * POLLS
        own_redis.start()
        assert own.news.wait(PATIENCE)
        assert passing == [POLL] * 3 * POLLS
        own.end("a")
        assert own.hears()
    [told] = warnings(caplog)
    assert "announces nothing at present" in told
    assert "every 0.5 seconds" in told


def test_a_server_that_stands_still_is_not_listened_to(own_redis, passing, monkeypatch):
    monkeypatch.setattr(redis_news, "PROBE", 0.1)
    with Opened(own_redis.uri()) as own:
        own.news.wait(PATIENCE)
        own_redis.freeze()
        assert own.hears()
        assert not passing
        own_redis.wake()
        assert own.hears()
        own.end("a")
        assert own.hears()


def test_without_the_right_to_announce_and_listen_sessions_end_and_are_looked_for(own_redis, passing, caplog):
    own_redis.ask("ACL", "SETUSER", "narrow", "on", ">word", "~*", "resetchannels", "+@all")
    uri = own_redis.uri().replace("redis://", "redis://narrow:word@")
    with Opened(uri) as own:
        own.end("a")
        assert [own.news.wait(PATIENCE) for _ in range(POLLS + 1)] == [True] * (POLLS + 1)
        assert passing == [POLL] * (POLLS + 1)
        assert own.names() == ["a"]
        channel = own.store._layout.kill_news
        own_redis.ask("ACL", "SETUSER", "narrow", f"&{channel}")
        while passing:
            passing.clear()
            assert own.news.wait(PATIENCE)
        own.end("b")
        assert own.hears()
    [told] = warnings(caplog)
    assert told.endswith(f"grant it +subscribe, +publish and the channel &{channel}")


def test_in_a_cluster_one_connection_hears_the_ends_on_all_masters(shared_cluster, passing):
    with Opened(shared_cluster.uri()) as own:
        own.news.wait(PATIENCE)
        nodes = own.store._server._nodes.here()
        for n in range(12):
            own.end(f"h{n}")
            assert own.hears()
        assert len(set(nodes.of_slot)) == 3
        assert sorted(own.names()) == sorted(f"h{n}" for n in range(12))
        assert not passing


def test_after_a_fail_over_of_a_cluster_the_new_master_is_listened_to(redis_nodes):
    with Opened(redis_nodes.uri()) as own:
        own.news.wait(PATIENCE)
        _, port = own.store._server.node_of(own.store._layout.kill_news)
        [victim] = [node for node in redis_nodes.nodes if node.port == port]
        victim.kill()
        until(lambda: len(redis_nodes.masters()) == 3)
        assert own.hears()
        while own.news._listener is None:
            own.store._server.try_read([("GET", own.store._layout.kill_news)])  # as a reader would
            own.news.wait(PATIENCE)
        assert own.news._node != ("127.0.0.1", port)
        own.end("a")
        assert own.hears()


def test_whoever_listens_at_a_node_that_lost_the_channel_listens_elsewhere(shared_cluster, monkeypatch):
    monkeypatch.setattr(redis_news, "PROBE", 0.02)
    with Opened(shared_cluster.uri()) as own:
        own.news.wait(PATIENCE)
        true, own.news._node = own.news._node, ("127.0.0.1", 1)
        assert own.hears()
        assert own.hears()
        assert own.news._node == true


def test_sentinel_names_the_master_to_listen_to(watched_redis):
    main, replica = watched_redis.nodes
    with Opened(watched_redis.uri()) as own:
        own.news.wait(PATIENCE)
        own.end("a")
        assert own.hears()
        main.kill()
        until(lambda: b"role:master" in replica.ask("INFO", "replication"))
        assert own.hears()
        while own.news._listener is None:
            own.news.wait(PATIENCE)
        own.end("b")
        assert own.hears()
