"""Of several processes that notice at the same time that a signing key is due, one publishes it, over every store."""

from __future__ import annotations

import os

import pytest

from reseal._async.keyring import AsyncKeyRingKeeper
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.events import EventName
from reseal.core.keys import PUBLICATION_LEAD
from reseal.settings import Settings
from reseal.teller import Teller
from reseal.testing import ManualClock
from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.testing.material import HOUR
from reseal.testing.recorder import Recorder

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


def keeper_of_sessions(store, clock, events, algorithm="ES256"):
    settings = Settings(api_domain="https://api.example.com", access_token_signing_algorithm=algorithm)
    return AsyncKeyRingKeeper(settings, store, clock, os.urandom, Teller(settings.scope, clock, events))


@pytest.mark.parametrize("late", [0, 7, 3 * WEEK])
async def test_a_key_of_sessions_that_is_due_is_published_once(stores, clock, late):
    events = Recorder()
    one, other = (keeper_of_sessions(store, clock, events) for store in stores)
    await one.open()
    await other.open()
    clock.advance(WEEK - PUBLICATION_LEAD + late)

    async def the_other_is_faster():
        clock.advance(3)
        await other.keep_fresh()

    stores[0].before("add_key", the_other_is_faster)
    await one.keep_fresh()
    assert one.ring.kids == other.ring.kids
    assert len(one.ring.kids) == 2
    assert len(events.named(EventName.KEY_PUBLISHED)) == 2


async def test_a_key_of_sessions_for_another_algorithm_is_published_once(stores, clock):
    events = Recorder()
    await keeper_of_sessions(stores[0], clock, events).open()
    one, other = (keeper_of_sessions(store, clock, events, "EdDSA") for store in stores)

    async def the_other_is_faster():
        clock.advance(3)
        await other.open()

    stores[0].before("add_key", nothing)  # the key for refresh tokens, which is there
    stores[0].before("add_key", the_other_is_faster)
    await one.open()
    assert one.ring.kids == other.ring.kids
    assert len(one.ring.kids) == 2


async def nothing():
    """The next call succeeds."""
