# Generated from src/reseal/testing/_async/store_suites/claims.py by tools/unasync.py; edit that file instead.
"""Claims."""

from __future__ import annotations

from functools import partial
from itertools import product

import pytest

from reseal._sync.ports import Store
from reseal.core.model import Scope
from reseal.core.purging import Purged
from reseal.testing._sync.store_suites.base import PUBLIC, StoreTests
from reseal.testing._sync.waiting import together
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, new_session


class ClaimSuite(StoreTests):
    def test_of_many_who_claim_one_name_one_gets_it(self, store: Store, clock: ManualClock) -> None:
        results = together(partial(store.claim, PUBLIC, "name", clock.wall() + 1000) for _ in range(16))
        assert sorted(results, key=bool) == [False] * 15 + [True]
        assert not store.claim(PUBLIC, "name", clock.wall() + DAY)
        assert store.claim(PUBLIC, "another name", clock.wall() + 1000)

    def test_a_claim_ends_at_its_time_and_the_name_is_free_again(
        self, store: Store, clock: ManualClock
    ) -> None:
        assert store.claim(PUBLIC, "name", clock.wall() + 1000)
        clock.advance(999)
        assert not store.claim(PUBLIC, "name", clock.wall() + 1000)
        clock.advance(1)
        results = together(partial(store.claim, PUBLIC, "name", clock.wall() + 1000) for _ in range(8))
        assert results.count(True) == 1
        clock.advance(999)
        assert not store.claim(PUBLIC, "name", clock.wall() + DAY)

    @pytest.mark.parametrize("late", [0, 1, DAY])
    def test_nothing_is_claimed_until_a_time_that_has_passed(
        self, store: Store, clock: ManualClock, late: int
    ) -> None:
        assert not store.claim(PUBLIC, "name", clock.wall() - late)
        assert store.claim(PUBLIC, "name", clock.wall() + 1)

    def test_a_clock_moved_back_frees_no_name(self, store: Store, clock: ManualClock) -> None:
        until = clock.wall() + 1000
        assert store.claim(PUBLIC, "name", until)
        clock.advance(1000)
        store.insert(PUBLIC, new_session())
        clock.jump(-DAY)
        assert not store.claim(PUBLIC, "name", until)

    def test_each_app_and_tenant_has_names_of_its_own(self, store: Store, clock: ManualClock) -> None:
        scopes = [Scope(app, tenant) for app, tenant in product(("a", "b"), ("b", "a"))]
        for scope in scopes:
            assert store.claim(scope, "name", clock.wall() + 1000)

    def test_purging_forgets_no_claim_before_its_time(self, store: Store, clock: ManualClock) -> None:
        for n in range(5):
            assert store.claim(PUBLIC, f"short {n}", clock.wall() + 1000)
        assert store.claim(PUBLIC, "long", clock.wall() + DAY)
        clock.advance(1000)
        assert [store.purge(2) for _ in range(3)] == [Purged(2, 0), Purged(2, 0), Purged(1, 0)]
        assert not store.claim(PUBLIC, "long", clock.wall() + DAY)
        assert store.claim(PUBLIC, "short 0", clock.wall() + 1000)
