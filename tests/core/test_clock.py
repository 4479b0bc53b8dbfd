"""The store's time: the wall's, but never backwards."""

from __future__ import annotations

import pytest

from reseal.clock import BELIEVED_AFTER, BELIEVED_AHEAD, Mark, SteadyClock, SystemClock
from reseal.testing.clock import ManualClock


class Machine:
    """Both clocks of a machine, and how long the process is paused before it learns what the next one says."""

    def __init__(self):
        self.at = 1_000_000
        self.wall_is_off_by = 0
        self.pauses = []

    def _passes(self):
        self.at += self.pauses.pop(0) if self.pauses else 0
        return self.at

    def wall(self):
        return self._passes() + self.wall_is_off_by

    def monotonic(self):
        return self._passes()


def test_the_time_follows_the_wall():
    machine = Machine()
    steady = SteadyClock(machine)
    machine.at += 10
    assert steady.now() == machine.at
    machine.wall_is_off_by = 5_000
    assert steady.now() == machine.at + 5_000


def test_where_the_wall_jumps_back_it_goes_on_at_its_own_pace():
    machine = Machine()
    steady = SteadyClock(machine)
    before = steady.now()
    machine.wall_is_off_by = -60_000
    machine.at += 10
    assert steady.now() == before + 10


def test_it_begins_where_the_store_has_been():
    machine = Machine()
    steady = SteadyClock(machine, Mark(machine.at + 500))
    assert steady.now() == machine.at + 500
    machine.at += 10
    steady.follow(machine.at + 700)
    assert steady.now() == machine.at + 700


def test_a_pause_of_the_process_between_looking_at_the_two_clocks_is_not_counted_twice():
    machine = Machine()
    steady = SteadyClock(machine)
    machine.pauses = [0, 30_000]
    steady.now()
    machine.at += 10
    assert steady.now() == machine.at


def test_a_jump_is_believed_up_to_a_minute_at_once_and_a_longer_one_after_a_day():
    clock = ManualClock()
    steady = SteadyClock(clock)
    clock.jump(BELIEVED_AHEAD)
    assert steady.now() == clock.wall()
    clock.jump(BELIEVED_AHEAD + 1)
    assert steady.now() == clock.wall() - BELIEVED_AHEAD - 1
    clock.advance(BELIEVED_AFTER - 1)
    assert steady.now() == clock.wall() - BELIEVED_AHEAD - 1
    clock.advance(1)
    assert steady.now() == clock.wall()


def test_a_doubt_is_told_once_and_ends_when_the_clock_is_set_right(caplog):
    clock = ManualClock()
    steady = SteadyClock(clock)
    for _ in range(2):
        right = clock.wall()
        clock.jump(3_600_000)
        assert [steady.now() for _ in range(3)] == [right] * 3
        clock.jump(-3_600_000)
        clock.advance(BELIEVED_AFTER)
        assert steady.now() == clock.wall()
    assert [record.args[1] for record in caplog.records] == [3600, 3600]
    assert "set right" in caplog.text


@pytest.mark.parametrize("jump", [-3_600_000, 3_600_000])
def test_at_a_restart_the_steady_clock_tells_the_time_as_long_as_the_machine_runs(jump):
    clock = ManualClock()
    mark, right = SteadyClock(clock).mark(), clock.wall() + 5000
    clock.advance(5000)
    clock.jump(jump)
    assert SteadyClock(clock, mark).now() == right
    clock.reboot()
    assert SteadyClock(clock, mark).now() == (clock.wall() if jump > 0 else mark.at)


def test_the_clocks_of_the_system_go_forward_and_belong_to_one_run():
    one, other = SystemClock(), SystemClock()
    assert one.monotonic() <= other.monotonic()
    assert one.run == other.run
