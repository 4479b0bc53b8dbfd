# Generated from tests/_async/test_mariadb.py by tools/unasync.py; edit that file instead.
"""The MariaDB store keeps every promise of a store, and sessions over it every promise of sessions."""

from __future__ import annotations

import pytest

from reseal._sync.stores.mariadb import MariaDBStore
from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.store_suite import StoreSuite
from reseal.testing._sync.world import World


class TestMariaDBStore(StoreSuite):
    @pytest.fixture
    def make_store(self, mariadb_uri):
        return lambda clock: MariaDBStore(mariadb_uri, clock=clock)


@pytest.mark.whole
class TestOverMariaDB(SessionsSuite):
    @pytest.fixture
    def world(self, mariadb_uri):
        with World(lambda clock: MariaDBStore(mariadb_uri, clock=clock)) as world:
            yield world
