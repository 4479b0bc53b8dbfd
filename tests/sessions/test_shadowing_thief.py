"""A thief who knows the owner's rhythm. ``bench/shadowing_thief.py`` runs 500 of each kind; here are some of them."""

from __future__ import annotations

import pytest

from bench.shadowing_thief import SIDES, Pursuit, pursue
from reseal.core.events import EventName

RUNS = 60
WIRE_RUNS = 12


@pytest.fixture
async def graceful():
    side = SIDES["graceful"]()
    await side.open()
    yield side
    await side.close()


@pytest.mark.parametrize("thief", ["near", "always first"])
@pytest.mark.parametrize("side", SIDES)
async def test_a_thief_near_the_owner_s_rhythm_is_found_within_days_in_every_run(side, thief):
    runs = WIRE_RUNS if side.startswith("CDI") else RUNS
    days = await pursue(side, thief, range(runs))
    assert None not in days
    assert max(days) < 7


async def test_the_theft_is_told_once_and_the_session_ended(graceful):
    pursuit = Pursuit(graceful, 0)
    assert await pursuit.run("near") is not None
    (event,) = pursuit.events.named(EventName.TOKEN_THEFT)
    assert event.user_id == pursuit.user


@pytest.mark.parametrize("seed", range(3))
async def test_a_thief_exactly_in_step_is_told_from_the_third_generation_on(graceful, seed):
    pursuit = Pursuit(graceful, seed)
    assert await pursuit.run("exactly in step") is None
    refreshed, told = (
        len(pursuit.events.named(name)) for name in (EventName.SESSION_REFRESHED, EventName.SESSION_IN_STEP)
    )
    assert told == refreshed - 2
    assert pursuit.events.named(EventName.TOKEN_THEFT) == []


async def test_the_owner_alone_is_never_told_of_anything(graceful):
    pursuit = Pursuit(graceful, 0)
    pursuit.tokens["owner"] = await graceful.create("user")
    for at in pursuit.owner_s_refreshes():
        pursuit.clock.advance(at - pursuit.clock.wall())
        await pursuit.refresh("owner")
    assert {event.name for event in pursuit.events.all} & {EventName.TOKEN_THEFT, EventName.SESSION_IN_STEP} == set()
