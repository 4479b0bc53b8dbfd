"""The PostgreSQL store keeps every promise of a store, and sessions over it every promise of sessions."""

from __future__ import annotations

import pytest

from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.testing._async.sessions_suite import AsyncSessionsSuite
from reseal.testing._async.store_suite import AsyncStoreSuite
from reseal.testing._async.world import AsyncWorld


class TestPostgresStore(AsyncStoreSuite):
    @pytest.fixture
    def make_store(self, postgres_uri):
        return lambda clock: AsyncPostgresStore(postgres_uri, clock=clock)


class TestOverPostgres(AsyncSessionsSuite):
    @pytest.fixture
    async def world(self, postgres_uri):
        async with AsyncWorld(lambda clock: AsyncPostgresStore(postgres_uri, clock=clock)) as world:
            yield world
