"""The floor under a server's time: still while the clock is right, paced where the clock was set back."""

from __future__ import annotations

import pytest

from reseal.sql.server_time import NOTE_EVERY, ServerTime
from reseal.testing.clock import ManualClock


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def time(clock):
    return ServerTime(clock)


def test_the_floor_is_the_latest_time_seen(time, clock):
    assert time.floor() == 0
    for seen in (5000, 7000, 6000):
        time.see(seen, seen)
        clock.advance(100)
    assert time.floor() == 7000


def test_while_the_server_s_clock_is_right_no_pace_of_ours_is_added(time, clock):
    time.see(5000, 5000)
    clock.advance(3_600_000)
    assert time.floor() == 5000


def test_where_the_clock_was_set_back_time_goes_on_at_our_pace_until_it_has_caught_up(time, clock):
    time.see(10_000, 4000)
    clock.advance(1500)
    assert time.floor() == 11_500
    time.see(11_500, 5500)
    clock.advance(500)
    assert time.floor() == 12_000
    time.see(20_000, 20_000)
    clock.advance(500)
    assert time.floor() == 20_000


def test_a_lead_of_less_than_a_second_is_stood_out(time, clock):
    time.see(10_000, 10_000 - NOTE_EVERY + 1)
    clock.advance(500)
    assert time.floor() == 10_000


def test_one_writer_a_second_notes_the_time(time, clock):
    assert [time.is_to_be_noted() for _ in range(3)] == [True, False, False]
    clock.advance(NOTE_EVERY - 1)
    assert not time.is_to_be_noted()
    clock.advance(1)
    assert [time.is_to_be_noted() for _ in range(3)] == [True, False, False]


def test_in_a_test_its_clock_takes_the_server_s_place(clock):
    assert ServerTime(clock).stand_in() == clock.wall()
    assert ServerTime().stand_in() is None
