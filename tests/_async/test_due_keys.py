"""Of several processes that notice at the same time that keys are due, one publishes them, over every store."""

from __future__ import annotations

import os

import pytest

from reseal._async.keyring import AsyncKeyRingKeeper
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.cdi.keys import cdi_keys
from reseal.core.events import EventName
from reseal.core.keys import Wrapping
from reseal.core.session_keys import session_keys
from reseal.testing import ManualClock
from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.testing.material import HOUR

WEEK = 168 * HOUR


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def make_store(request, clock, tmp_path):
    if request.param == "postgres":
        uri = request.getfixturevalue("postgres_uri")
        return lambda: AsyncPostgresStore(uri, clock=clock)
    if request.param == "sqlite":
        return lambda: AsyncSQLiteStore(tmp_path / "sessions.db", clock)
    shared = AsyncMemoryStore(clock)
    return lambda: shared


@pytest.fixture
async def stores(make_store):
    """Two ways to the same data."""
    both = [AsyncFaultyStore(make_store()) for _ in range(2)]
    for store in both:
        await store.open()
    yield both
    for store in both:
        await store.close()


SESSIONS = pytest.param(session_keys, ("ES256", "EdDSA"), id="sessions")
SERVICE = pytest.param(cdi_keys, ("RS256", "ES256"), id="service")
EACH_POLICY = pytest.mark.parametrize(("policy_of", "algorithms"), [SESSIONS, SERVICE])


@pytest.fixture
def published():
    """The ids of the keys that are reported as published."""
    return []


@pytest.fixture
def keeper(clock, published):
    def keeper_of(store, policy):
        def report(name, kid):
            assert name == EventName.KEY_PUBLISHED
            published.append(kid)

        return AsyncKeyRingKeeper("public", policy, store, Wrapping(None), clock, os.urandom, report)

    return keeper_of


@pytest.mark.parametrize("late", [0, 7, 3 * WEEK])
@EACH_POLICY
async def test_keys_that_are_due_are_published_once(stores, clock, keeper, published, policy_of, algorithms, late):
    policy = policy_of(algorithms[-1], interval_ms=WEEK, token_ms=HOUR)
    one, other = (keeper(store, policy) for store in stores)
    first = (await one.open()).kids
    await other.open()
    clock.advance(WEEK - policy.lead_ms + late)

    async def the_other_is_faster():
        clock.advance(3)
        await other.keep_fresh()

    stores[0].before("add_key", the_other_is_faster)
    assert await one.keep_fresh()
    assert one.ring.kids == other.ring.kids
    assert len(one.ring.kids) == len(first) + len(policy.algorithms)
    assert sorted(published) == sorted(one.ring.kids)
    for algorithm in policy.algorithms:
        assert len(one.ring.series(algorithm).dynamic) == 2


@EACH_POLICY
async def test_keys_of_another_algorithm_are_published_once(stores, clock, keeper, published, policy_of, algorithms):
    before, after = (policy_of(each, interval_ms=WEEK, token_ms=HOUR) for each in algorithms)
    first = (await keeper(stores[0], before).open()).kids
    clock.advance(HOUR)
    one, other = (keeper(store, after) for store in stores)

    async def the_other_is_faster():
        clock.advance(3)
        await other.open()

    stores[0].before("add_key", the_other_is_faster)
    await one.open()
    assert one.ring.kids == other.ring.kids
    assert len(one.ring.kids) == 2 * len(first)
    assert sorted(published) == sorted(one.ring.kids)
    assert one.ring.signing(clock.wall()).kid in first, "what all others know already"
    assert one.ring.signing(clock.wall() + after.lead_ms).algorithm == algorithms[-1]
