"""Short stories from the corners: two processes on one file, an acknowledgement lost, and where patience ends."""

from __future__ import annotations

import pytest

from reseal import Engine, MemoryStore, Settings, SQLiteStore
from reseal.core.errors import StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.testing import FaultyStore, ManualClock, Recorder
from reseal.testing.material import HOUR

API = "https://api.example.com"


@pytest.mark.parametrize("policy", ["graceful", "classic"])
def test_a_token_two_generations_old_is_theft_however_fresh_the_race(policy):
    """The price of S33. Clients that look, before they repeat a refresh, whether another tab has done it never pay it."""
    settings, clock = Settings(api_domain=API, rotation_policy=policy), ManualClock()
    with Engine(settings, MemoryStore(clock), clock=clock, on_event=Recorder()) as engine:
        sent_by_three_tabs = engine.create("user").refresh_token
        engine.refresh(sent_by_three_tabs)  # the first tab's response is lost
        delivered = engine.refresh(sent_by_three_tabs)  # the second tab fills the jar
        engine.refresh(delivered.refresh_token)  # the first tab repeats its refresh with what the jar holds
        with pytest.raises(TokenTheftDetected):
            engine.refresh(sent_by_three_tabs)  # the third tab's request arrives


def test_a_clock_moved_back_revives_nothing_in_a_second_process(tmp_path):
    settings, clock = Settings(api_domain=API, refresh_token_validity=120), ManualClock()
    first, second = (
        Engine(settings, SQLiteStore(tmp_path / "s.db", clock), clock=clock, on_event=Recorder()) for _ in range(2)
    )
    with first, second:
        pair = first.create("user")
        clock.advance(2 * HOUR)
        with pytest.raises(Unauthorised):
            first.refresh(pair.refresh_token)
        clock.jump(-HOUR)
        with pytest.raises(Unauthorised):
            second.refresh(pair.refresh_token)


def test_theft_is_told_although_the_store_s_acknowledgement_got_lost():
    events, clock = Recorder(), ManualClock()
    store = FaultyStore(MemoryStore(clock))
    with Engine(Settings(api_domain=API), store, clock=clock, on_event=events) as engine:
        stolen = engine.create("user").refresh_token
        engine.refresh(engine.refresh(stolen).refresh_token)
        store.lose_acknowledgement("end")
        with pytest.raises(StoreUnavailable):
            engine.refresh(stolen)
        with pytest.raises(Unauthorised):
            engine.refresh(stolen)
    assert len(events.named(EventName.TOKEN_THEFT)) == 1
