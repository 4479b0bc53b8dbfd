"""A sample always holds the oldest and the newest, and each value has its turn."""

from __future__ import annotations

from tests.support.lanes import sample

OLD, NEW = ["1", "2", "3", "4"], ["5", "6"]


def test_the_oldest_of_all_and_the_newest_of_each_series_are_always_taken():
    assert all({"1", "4", "6"} <= set(sample([OLD, NEW], seed)) for seed in range(100))


def test_every_other_value_has_its_turn_and_the_same_seed_takes_the_same():
    assert {value for seed in range(3) for value in sample([OLD, NEW], seed)} == {*OLD, *NEW}
    assert sample([OLD, NEW], 7) == sample([OLD, NEW], 7)


def test_a_matrix_that_is_no_longer_than_its_sample_is_taken_whole():
    assert sample([["1"]], 5) == ["1", "1"]
    assert sample([["1", "2"]], 5) == ["1", "2"]
