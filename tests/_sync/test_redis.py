# Generated from tests/_async/test_redis.py by tools/unasync.py; edit that file instead.
"""The Redis store keeps every promise of a store, and sessions over it every promise of sessions."""

from __future__ import annotations

import pytest

from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.store_suite import StoreSuite
from reseal.testing._sync.world import World


@pytest.fixture
def make_redis_store(redis_uri):
    from reseal._sync.stores.redis import RedisStore

    return lambda clock: RedisStore(redis_uri, clock=clock)


class TestRedisStore(StoreSuite):
    @pytest.fixture
    def make_store(self, make_redis_store):
        return make_redis_store


@pytest.mark.whole
class TestClusterStore(StoreSuite):
    @pytest.fixture
    def make_store(self, shared_cluster):
        from reseal._sync.stores.redis import RedisStore

        uri = shared_cluster.uri("&acknowledge=replicas:1")
        return lambda clock: RedisStore(uri, clock=clock)


class TestOverRedis(SessionsSuite):
    @pytest.fixture
    def world(self, make_redis_store):
        with World(make_redis_store) as world:
            yield world
