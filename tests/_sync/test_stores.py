# Generated from tests/_async/test_stores.py by tools/unasync.py; edit that file instead.
"""Every store keeps every promise."""

from __future__ import annotations

import pytest

from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.testing._sync.store_suite import StoreSuite


class TestMemoryStore(StoreSuite):
    @pytest.fixture
    def make_store(self, clock):
        store = MemoryStore(clock)
        return lambda _: store


class TestSQLiteStore(StoreSuite):
    @pytest.fixture
    def make_store(self, tmp_path):
        return lambda clock: SQLiteStore(tmp_path / "sessions.db", clock)
