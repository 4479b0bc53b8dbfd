"""The floor under a server's time and the ceiling over it, and what both are where the server's clock is wrong."""

from __future__ import annotations

import pytest

from reseal.clock import BELIEVED_AHEAD, Mark
from reseal.stores.server_time import NOTE_EVERY, ServerTime
from reseal.testing.clock import ManualClock
from reseal.testing.material import DAY, HOUR


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def time(clock):
    return ServerTime(clock)


def test_the_floor_is_the_latest_time_seen(time, clock):
    assert time.values()["floor"] == 0
    for seen in (5000, 7000, 6000):
        time.see(seen, seen)
        clock.advance(100)
    assert time.values()["floor"] == 7000


def test_while_the_server_s_clock_is_right_no_pace_of_ours_is_added(time, clock):
    time.see(5000, 5000)
    clock.advance(3_600_000)
    assert time.values()["floor"] == 5000


def test_where_the_clock_was_set_back_time_goes_on_at_our_pace_until_it_has_caught_up(time, clock):
    time.see(10_000, 4000)
    clock.advance(1500)
    assert time.values()["floor"] == 11_500
    time.see(11_500, 5500)
    clock.advance(500)
    assert time.values()["floor"] == 12_000
    time.see(20_000, 20_000)
    clock.advance(500)
    assert time.values()["floor"] == 20_000


def test_a_lead_of_less_than_a_second_is_stood_out(time, clock):
    time.see(10_000, 10_000 - NOTE_EVERY + 1)
    clock.advance(500)
    assert time.values()["floor"] == 10_000


def test_one_writer_a_second_notes_the_time(time, clock):
    assert [time.is_to_be_noted() for _ in range(3)] == [True, False, False]
    clock.advance(NOTE_EVERY - 1)
    assert not time.is_to_be_noted()
    clock.advance(1)
    assert [time.is_to_be_noted() for _ in range(3)] == [True, False, False]


def test_in_a_test_its_clock_takes_the_server_s_place(clock):
    assert ServerTime(clock).values()["clock"] == clock.wall()
    assert "clock" not in ServerTime().values()


def ceiling(time):
    return time.values()["ceiling"]


def test_the_ceiling_goes_on_at_our_pace(time, clock):
    assert ceiling(time) is None
    time.see(10_000, 10_000)
    clock.advance(3_600_000)
    assert ceiling(time) == 3_610_000 + BELIEVED_AHEAD
    time.see(3_605_000, 3_605_000)
    assert ceiling(time) == 3_605_000 + BELIEVED_AHEAD


def test_a_server_s_clock_that_ran_ahead_is_believed_once_it_has_for_a_day(time, clock):
    for _ in range(24):
        time.see(clock.wall(), clock.wall() + DAY)
        assert ceiling(time) == clock.wall() + BELIEVED_AHEAD
        clock.advance(HOUR)
    time.see(clock.wall(), clock.wall() + DAY)
    assert ceiling(time) is None
    time.see(clock.wall() + DAY, clock.wall() + DAY)
    assert ceiling(time) == clock.wall() + DAY + BELIEVED_AHEAD


def test_what_was_noted_in_this_run_of_the_machine_tells_the_time_at_a_start(time, clock):
    mark = Mark(5000, clock.run, clock.monotonic())
    clock.advance(700)
    time.begin(mark, 0)
    assert (ceiling(time), time.values()["floor"]) == (5700 + BELIEVED_AHEAD, 5000)


@pytest.mark.parametrize("noted", [-DAY, DAY])
def test_otherwise_the_machine_s_own_clock_is_the_second_witness(time, clock, noted):
    time.begin(Mark(clock.wall() + noted, "another run", 0), 0)
    assert ceiling(time) == max(clock.wall(), clock.wall() + noted) + BELIEVED_AHEAD


def test_a_repair_voids_what_was_known(time, clock):
    time.begin(Mark(clock.wall() + DAY, "another run", 0), 3)
    time.see_era(clock.wall() + DAY, clock.wall(), 3)
    assert time.values()["floor"] == clock.wall() + DAY
    time.see_era(clock.wall(), clock.wall(), 4)
    assert (time.values()["floor"], time.values()["era"]) == (clock.wall(), 4)
    assert ceiling(time) == clock.wall() + BELIEVED_AHEAD
