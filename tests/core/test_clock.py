"""The store's time: the wall's, but never backwards."""

from __future__ import annotations

from reseal.clock import SteadyClock


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
    steady = SteadyClock(machine, floor=machine.at + 500)
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
