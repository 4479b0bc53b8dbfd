"""The MariaDB store keeps every promise of a store, and sessions over it every promise of sessions."""

from __future__ import annotations

import pytest

from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal.testing._async.sessions_suite import AsyncSessionsSuite
from reseal.testing._async.store_suite import AsyncStoreSuite
from reseal.testing._async.world import AsyncWorld


class TestMariaDBStore(AsyncStoreSuite):
    @pytest.fixture
    def make_store(self, mariadb_uri):
        return lambda clock: AsyncMariaDBStore(mariadb_uri, clock=clock)


@pytest.mark.whole
class TestOverMariaDB(AsyncSessionsSuite):
    @pytest.fixture
    async def world(self, mariadb_uri):
        async with AsyncWorld(lambda clock: AsyncMariaDBStore(mariadb_uri, clock=clock)) as world:
            yield world
