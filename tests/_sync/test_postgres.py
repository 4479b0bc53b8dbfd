# Generated from tests/_async/test_postgres.py by tools/unasync.py; edit that file instead.
"""The PostgreSQL store keeps every promise of a store, and sessions over it every promise of sessions."""

from __future__ import annotations

import pytest

from reseal._sync.stores.postgres import PostgresStore
from reseal.testing._sync.sessions_suite import SessionsSuite
from reseal.testing._sync.store_suite import StoreSuite
from reseal.testing._sync.world import World


class TestPostgresStore(StoreSuite):
    @pytest.fixture
    def make_store(self, postgres_uri):
        return lambda clock: PostgresStore(postgres_uri, clock=clock)


class TestOverPostgres(SessionsSuite):
    @pytest.fixture
    def world(self, postgres_uri):
        with World(lambda clock: PostgresStore(postgres_uri, clock=clock)) as world:
            yield world
