"""The Redis store keeps every promise of a store, and sessions over it every promise of sessions."""

from __future__ import annotations

import pytest

from reseal.testing._async.sessions_suite import AsyncSessionsSuite
from reseal.testing._async.store_suite import AsyncStoreSuite
from reseal.testing._async.world import AsyncWorld


@pytest.fixture
def make_redis_store(redis_uri):
    from reseal._async.stores.redis import AsyncRedisStore

    return lambda clock: AsyncRedisStore(redis_uri, clock=clock)


class TestRedisStore(AsyncStoreSuite):
    @pytest.fixture
    def make_store(self, make_redis_store):
        return make_redis_store


@pytest.mark.whole
class TestClusterStore(AsyncStoreSuite):
    @pytest.fixture
    def make_store(self, shared_cluster):
        from reseal._async.stores.redis import AsyncRedisStore

        uri = shared_cluster.uri("&acknowledge=replicas:1")
        return lambda clock: AsyncRedisStore(uri, clock=clock)


class TestOverRedis(AsyncSessionsSuite):
    @pytest.fixture
    async def world(self, make_redis_store):
        async with AsyncWorld(make_redis_store) as world:
            yield world
