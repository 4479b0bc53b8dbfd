"""What wakes a reader of the kill list over Redis: announcements, and the passing of time where there are none."""

from __future__ import annotations

import pytest

from reseal._async.stores import redis_news
from reseal._async.stores.polled_news import POLL
from reseal._async.stores.redis import AsyncRedisStore
from reseal._async.stores.redis_news import POLLS
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

    async def pause(seconds):
        pauses.append(seconds)

    monkeypatch.setattr("reseal._async.stores.polled_news.pause", pause)
    return pauses


class Opened:
    """A store, and one reader of its kill list."""

    def __init__(self, uri):
        self.store = AsyncRedisStore(uri)

    async def __aenter__(self):
        await self.store.open()
        self.news = self.store.news()
        return self

    async def __aexit__(self, *_):
        await self.news.close()
        await self.store.close()

    async def end(self, name, reports=KILL):
        """Sign in, and end the session."""
        await self.store.insert(PUBLIC, new_session(name))
        assert await self.store.end(PUBLIC, [name], EndReason.REVOKED, reports) == (name,)

    async def hears(self, timeout_s=PATIENCE):
        """Wait as the feed does: until there is something to read, or the time is over."""
        left = timeout_s
        while left > 0:
            if await self.news.wait(left):
                return True
            left -= redis_news.PROBE
        return False

    async def names(self):
        return [each.name for each in (await self.store.kill_page(PUBLIC, None)).entries]


def warnings(caplog):
    return [each.message for each in caplog.records if each.message.startswith("kill_list: ")]


async def test_a_reader_begins_with_a_read_and_is_woken_by_an_end_and_by_nothing_else(redis_uri, passing):
    async with Opened(redis_uri) as own:
        assert await own.news.wait(PATIENCE)
        await own.end("without", ())
        assert await own.store.end(PUBLIC, ["absent"], EndReason.REVOKED, KILL) == ()
        assert not await own.news.wait(0.05)
        await own.end("a")
        assert await own.news.wait(PATIENCE)
        assert await own.names() == ["a"]
        assert not passing


async def test_stores_of_other_prefixes_wake_nobody(redis_server):
    async with Opened(redis_server.uri()) as own, Opened(redis_server.uri()) as other:
        await own.news.wait(PATIENCE)
        await other.end("a")
        assert not await own.news.wait(0.05)


async def test_what_is_announced_between_two_waits_wakes_the_next_one(redis_uri):
    async with Opened(redis_uri) as own:
        await own.news.wait(PATIENCE)
        for name in ("a", "b", "c"):
            await own.end(name)
        assert await own.news.wait(PATIENCE)


async def test_a_silent_server_is_asked_for_a_sign_of_life_and_heard_afterwards(redis_uri, passing, monkeypatch):
    monkeypatch.setattr(redis_news, "PROBE", 0.02)
    async with Opened(redis_uri) as own:
        await own.news.wait(PATIENCE)
        assert not await own.hears(0.2)
        await own.end("a")
        assert await own.hears()
        assert not passing


async def test_a_connection_that_breaks_means_a_read_and_a_new_connection(own_redis, passing):
    async with Opened(own_redis.uri()) as own:
        await own.news.wait(PATIENCE)
        own_redis.ask("CLIENT", "KILL", "TYPE", "pubsub")
        assert await own.hears()
        assert await own.hears()
        await own.end("a")
        assert await own.hears()
        assert not passing


async def test_while_the_server_is_away_reads_go_on_at_an_interval_and_the_log_says_so_once(own_redis, passing, caplog):
    async with Opened(own_redis.uri()) as own:
        await own.news.wait(PATIENCE)
        own_redis.kill()
        assert await own.hears()
        assert [await own.news.wait(PATIENCE) for _ in range(3 * POLLS)] == [True] * 3 * POLLS
        assert passing == [POLL] * 3 * POLLS
        own_redis.start()
        assert await own.news.wait(PATIENCE)
        assert passing == [POLL] * 3 * POLLS
        await own.end("a")
        assert await own.hears()
    [told] = warnings(caplog)
    assert "announces nothing at present" in told
    assert "every 0.5 seconds" in told


async def test_a_server_that_stands_still_is_not_listened_to(own_redis, passing, monkeypatch):
    monkeypatch.setattr(redis_news, "PROBE", 0.1)
    async with Opened(own_redis.uri()) as own:
        await own.news.wait(PATIENCE)
        own_redis.freeze()
        assert await own.hears()
        assert not passing
        own_redis.wake()
        assert await own.hears()
        await own.end("a")
        assert await own.hears()


async def test_without_the_right_to_announce_and_listen_sessions_end_and_are_looked_for(own_redis, passing, caplog):
    own_redis.ask("ACL", "SETUSER", "narrow", "on", ">word", "~*", "resetchannels", "+@all")
    uri = own_redis.uri().replace("redis://", "redis://narrow:word@")
    async with Opened(uri) as own:
        await own.end("a")
        assert [await own.news.wait(PATIENCE) for _ in range(POLLS + 1)] == [True] * (POLLS + 1)
        assert passing == [POLL] * (POLLS + 1)
        assert await own.names() == ["a"]
        channel = own.store._layout.kill_news
        own_redis.ask("ACL", "SETUSER", "narrow", f"&{channel}")
        while passing:
            passing.clear()
            assert await own.news.wait(PATIENCE)
        await own.end("b")
        assert await own.hears()
    [told] = warnings(caplog)
    assert told.endswith(f"grant it +subscribe, +publish and the channel &{channel}")


async def test_in_a_cluster_one_connection_hears_the_ends_on_all_masters(shared_cluster, passing):
    async with Opened(shared_cluster.uri()) as own:
        await own.news.wait(PATIENCE)
        nodes = own.store._server._nodes.here()
        for n in range(12):
            await own.end(f"h{n}")
            assert await own.hears()
        assert len(set(nodes.of_slot)) == 3
        assert sorted(await own.names()) == sorted(f"h{n}" for n in range(12))
        assert not passing


async def test_after_a_fail_over_of_a_cluster_the_new_master_is_listened_to(redis_nodes):
    async with Opened(redis_nodes.uri()) as own:
        await own.news.wait(PATIENCE)
        _, port = await own.store._server.node_of(own.store._layout.kill_news)
        [victim] = [node for node in redis_nodes.nodes if node.port == port]
        victim.kill()
        until(lambda: len(redis_nodes.masters()) == 3)
        assert await own.hears()
        while own.news._listener is None:
            await own.store._server.try_read([("GET", own.store._layout.kill_news)])  # as a reader would
            await own.news.wait(PATIENCE)
        assert own.news._node != ("127.0.0.1", port)
        await own.end("a")
        assert await own.hears()


async def test_whoever_listens_at_a_node_that_lost_the_channel_listens_elsewhere(shared_cluster, monkeypatch):
    monkeypatch.setattr(redis_news, "PROBE", 0.02)
    async with Opened(shared_cluster.uri()) as own:
        await own.news.wait(PATIENCE)
        true, own.news._node = own.news._node, ("127.0.0.1", 1)
        assert await own.hears()
        assert await own.hears()
        assert own.news._node == true


async def test_sentinel_names_the_master_to_listen_to(watched_redis):
    main, replica = watched_redis.nodes
    async with Opened(watched_redis.uri()) as own:
        await own.news.wait(PATIENCE)
        await own.end("a")
        assert await own.hears()
        main.kill()
        until(lambda: b"role:master" in replica.ask("INFO", "replication"))
        assert await own.hears()
        while own.news._listener is None:
            await own.news.wait(PATIENCE)
        await own.end("b")
        assert await own.hears()
