"""A small part of ``bench/honest_clients.py``: honest clients on bad networks, and thieves, over many simulated days."""

from __future__ import annotations

import pytest

from bench.honest_clients import (
    HOUR,
    MINUTE,
    Budget,
    Registers,
    accused_by_counting,
    accused_on_engine,
    found_by_counting,
    found_on_engine,
)

ENGINE = {"life": 15 * MINUTE, "loss": 0.02, "spells": True}


def accused(rule, seeds, **how):
    return sum(accused_by_counting(rule, seed, **how) for seed in range(seeds))


def test_lost_answers_here_and_there_accuse_next_to_nobody():
    often = {"life": 15 * MINUTE, "loss": 0.005, "spells": False}
    assert accused(Registers, 500, **often) <= 1
    assert accused(Budget, 100, **often) > 40, "what it was like before"
    assert accused(Registers, 200, life=HOUR, loss=0.005, spells=False) == 0


@pytest.mark.parametrize("policy", ["graceful", "classic"])
def test_who_sends_attempt_keys_is_never_accused_whatever_the_network_does(policy):
    for seed in (0, 1):
        assert not accused_on_engine(seed, **ENGINE, keyed=True, rotation_policy=policy)


def test_the_counting_says_what_the_engine_does():
    how = {"life": 3 * HOUR, "loss": 0.1, "spells": False}
    counted = sum(accused_by_counting(Registers, seed, **how) for seed in range(500)) / 500
    on_engine = sum(accused_on_engine(seed, **how, keyed=False) for seed in range(60)) / 60
    assert abs(counted - on_engine) < 0.2


@pytest.mark.parametrize("policy", ["graceful", "classic"])
@pytest.mark.parametrize(("owner_s_keys", "thief_s_keys"), [(False, False), (True, False), (True, True), (False, True)])
def test_a_thief_is_found_at_the_third_collision_and_at_the_second_where_keys_are_sent(
    policy, owner_s_keys, thief_s_keys
):
    keys = {"owner_s_keys": owner_s_keys, "thief_s_keys": thief_s_keys}
    for seed in range(20):
        found = found_on_engine(seed, 0, **keys, rotation_policy=policy)
        assert found == (2 if owner_s_keys or thief_s_keys else 3)


def test_a_thief_who_times_most_collisions_into_the_race_window_is_found_within_days():
    found = [found_by_counting(Registers, seed, 0.7) for seed in range(200)]
    assert max(found) < 24 * 7
    keyed = [found_on_engine(seed, 0.7, owner_s_keys=True) for seed in range(20)]
    assert max(keyed) < 48
