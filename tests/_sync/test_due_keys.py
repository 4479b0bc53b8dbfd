# Generated from tests/_async/test_due_keys.py by tools/unasync.py; edit that file instead.
"""Of several processes that notice at the same time that a signing key is due, one publishes it, over every store."""

from __future__ import annotations

import os

import pytest

from reseal._sync.keyring import KeyRingKeeper
from reseal._sync.stores.memory import MemoryStore
from reseal._sync.stores.postgres import PostgresStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.core.events import EventName
from reseal.core.keys import PUBLICATION_LEAD
from reseal.settings import Settings
from reseal.teller import Teller
from reseal.testing import ManualClock
from reseal.testing._sync.faulty import FaultyStore
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
        return lambda: PostgresStore(uri, clock=clock)
    if request.param == "sqlite":
        return lambda: SQLiteStore(tmp_path / "sessions.db", clock)
    shared = MemoryStore(clock)
    return lambda: shared


@pytest.fixture
def stores(make_store):
    """Two ways to the same data."""
    both = [FaultyStore(make_store()) for _ in range(2)]
    for store in both:
        store.open()
    yield both
    for store in both:
        store.close()


def keeper_of_sessions(store, clock, events, algorithm="ES256"):
    settings = Settings(api_domain="https://api.example.com", access_token_signing_algorithm=algorithm)
    return KeyRingKeeper(settings, store, clock, os.urandom, Teller(settings.scope, clock, events))


@pytest.mark.parametrize("late", [0, 7, 3 * WEEK])
def test_a_key_of_sessions_that_is_due_is_published_once(stores, clock, late):
    events = Recorder()
    one, other = (keeper_of_sessions(store, clock, events) for store in stores)
    one.open()
    other.open()
    clock.advance(WEEK - PUBLICATION_LEAD + late)

    def the_other_is_faster():
        clock.advance(3)
        other.keep_fresh()

    stores[0].before("add_key", the_other_is_faster)
    one.keep_fresh()
    assert one.ring.kids == other.ring.kids
    assert len(one.ring.kids) == 2
    assert len(events.named(EventName.KEY_PUBLISHED)) == 2


def test_a_key_of_sessions_for_another_algorithm_is_published_once(stores, clock):
    events = Recorder()
    keeper_of_sessions(stores[0], clock, events).open()
    one, other = (keeper_of_sessions(store, clock, events, "EdDSA") for store in stores)

    def the_other_is_faster():
        clock.advance(3)
        other.open()

    stores[0].before("add_key", nothing)  # the key for refresh tokens, which is there
    stores[0].before("add_key", the_other_is_faster)
    one.open()
    assert one.ring.kids == other.ring.kids
    assert len(one.ring.kids) == 2


def nothing():
    """The next call succeeds."""
