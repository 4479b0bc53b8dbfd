"""A thief who knows the owner's rhythm: copies the jar once, and from then on refreshes whenever the owner does."""

from __future__ import annotations

import random

import pytest

from reseal import Engine, MemoryStore, Settings
from reseal.core.errors import TokenTheftDetected
from reseal.core.events import EventName
from reseal.testing import ManualClock, Recorder
from reseal.testing.material import DAY, HOUR, MINUTE

DAYS = 60
NEARNESS = 2 * MINUTE
RUNS = 500
SETTINGS = Settings(api_domain="https://api.example.com", refresh_token_validity=14 * 24 * 60)


class Pursuit:
    """One session that two parties hold, over many days. Nobody's access token ever comes to the store."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.clock = ManualClock()
        self.began = self.clock.wall()
        self.events = Recorder()
        self.engine = Engine(SETTINGS, MemoryStore(self.clock), clock=self.clock, on_event=self.events)
        self.engine.open()
        self.pair = self.engine.create("user")
        self.tokens = dict.fromkeys(("owner", "thief"), self.pair.refresh_token)

    def owner_s_refreshes(self):
        """The owner's moments: an hour and a bit apart while active, with evenings, and days, off."""
        at = self.began
        while at < self.began + DAYS * DAY:
            awake = self.random.randint(2, 14)
            for _ in range(awake):
                at += HOUR + self.random.randint(0, 20 * MINUTE)
                yield at
            at += self.random.choice((8, 10, 12, 36)) * HOUR

    def run(self, offset):
        """Give the moment at which the theft was found, or ``None``; ``offset()`` is the thief's distance."""
        for at in self.owner_s_refreshes():
            moments = sorted([(at, "owner"), (at + offset(), "thief")])
            for moment, party in moments:
                self.clock.advance(max(0, moment - self.clock.wall()))
                try:
                    self.tokens[party] = self.engine.refresh(self.tokens[party]).refresh_token
                except TokenTheftDetected:
                    return self.clock.wall()
        return None


def test_a_thief_near_the_owner_s_rhythm_is_found_in_every_run():
    found = []
    for seed in range(RUNS):
        pursuit = Pursuit(seed)
        at = pursuit.run(lambda pursuit=pursuit: pursuit.random.randint(-NEARNESS, NEARNESS))
        assert at is not None, f"seed {seed}"
        (event,) = pursuit.events.named(EventName.TOKEN_THEFT)
        assert event.session_handle == pursuit.pair.claims.sid
        assert pursuit.engine.list_user("user") == ()
        found.append((at - pursuit.began) / DAY)
    found.sort()
    print(f"\n{RUNS} runs, found after {found[RUNS // 2]:.1f} days in the median, {found[-1]:.1f} at most")  # noqa: T201


@pytest.mark.parametrize("seed", range(5))
def test_a_thief_exactly_in_step_is_told_by_the_third_generation(seed):
    pursuit = Pursuit(seed)
    told_at = []

    def in_step():
        if pursuit.events.named(EventName.SESSION_IN_STEP) and not told_at:
            told_at.append(pursuit.engine.get(pursuit.pair.claims.sid).generation)
        return pursuit.random.randint(-29_999, 29_999)

    assert pursuit.run(in_step) is None
    assert told_at == [3]
    assert pursuit.events.named(EventName.TOKEN_THEFT) == []


def test_the_owner_alone_is_never_told_of_anything():
    pursuit = Pursuit(0)
    for at in pursuit.owner_s_refreshes():
        pursuit.clock.advance(at - pursuit.clock.wall())
        pursuit.tokens["owner"] = pursuit.engine.refresh(pursuit.tokens["owner"]).refresh_token
    assert {event.name for event in pursuit.events.all} & {EventName.TOKEN_THEFT, EventName.SESSION_IN_STEP} == set()
