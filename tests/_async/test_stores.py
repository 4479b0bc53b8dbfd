"""Every store keeps every promise."""

from __future__ import annotations

import pytest

from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.testing._async.store_suite import AsyncStoreSuite


class TestMemoryStore(AsyncStoreSuite):
    @pytest.fixture
    def make_store(self, clock):
        store = AsyncMemoryStore(clock)
        return lambda _: store


class TestSQLiteStore(AsyncStoreSuite):
    @pytest.fixture
    def make_store(self, tmp_path):
        return lambda clock: AsyncSQLiteStore(tmp_path / "sessions.db", clock)
