"""The table of ``core/rotation.py``, row by row, under both policies and at the edges of every window."""

from __future__ import annotations

from itertools import product

import pytest
from msgspec.structs import replace

from reseal.core import attempt, register, rotation
from reseal.core.errors import Refusal
from reseal.core.model import Device, EndReason, Policy, Rollback, Scope, TheftResponse
from reseal.core.refresh_token import mint
from reseal.core.rotation import (
    Adopt,
    Fork,
    Overtaken,
    Refuse,
    Replay,
    ReplayCause,
    Reuse,
    ReuseSubtype,
    Rotate,
    adopted,
    advanced,
    begun,
    confirmed,
    decide,
    ended,
)
from reseal.settings import Settings
from reseal.testing.material import DAY, HOUR, MINUTE, new_session, step

NOW = 1_000_000_000
WINDOW = 30_000
ALL = 2**32 - 1
"""A register in which every generation is noted."""
API = "https://api.example.com"
GRACEFUL = Settings(api_domain=API, refresh_token_validity=60 * 24 * 30).policy
CLASSIC = Settings(api_domain=API, rotation_policy="classic").policy
STRICT = replace(GRACEFUL, race_window=0, lost_response_window=0)
POLICIES = {"graceful": GRACEFUL, "classic": CLASSIC, "strict": STRICT}
every_policy = pytest.mark.parametrize("policy", POLICIES.values(), ids=POLICIES)


def token(generation, branch="line", handle="h"):
    secret = f"{branch} {generation}".encode().ljust(32, b".")
    return mint(Scope(), b"mac key", handle, generation, secret)


def row(generation=2, **changes):
    """A live session at ``generation``, rotated at NOW."""
    new = new_session(token_hash=token(0).hash, idle_ms=30 * DAY)
    record = begun(new, NOW)
    for n in range(generation):
        taken = step(
            presented_hash=token(n).hash, successor_hash=token(n + 1).hash, successor_sealed=b"seal", idle_ms=30 * DAY
        )
        record = advanced(record, taken, NOW)
    return replace(record, **changes)


# -- the values of the policies -------------------------------------------------------------------------------------


def test_the_policies_are_those_of_the_design():
    assert Policy(WINDOW, None, TheftResponse.REPORT, confirm_by_verify=True) == CLASSIC
    assert Policy(WINDOW, 7 * DAY, TheftResponse.REVOKE_SESSION, confirm_by_verify=False) == GRACEFUL
    assert GRACEFUL.rollback is CLASSIC.rollback is Rollback.ADOPT


def test_the_lost_response_window_is_no_longer_than_the_idle_limit():
    assert Settings(api_domain=API, refresh_token_validity=120).policy.lost_response_window == 2 * HOUR


# -- refusals -------------------------------------------------------------------------------------------------------


@every_policy
def test_without_a_session_every_token_is_refused(policy):
    assert decide(None, token(0), NOW, policy) == Refuse(Refusal.UNKNOWN_SESSION)


@every_policy
@pytest.mark.parametrize("presented", [0, 1, 2, 3])
@pytest.mark.parametrize("reason", list(EndReason))
def test_an_ended_session_tells_its_reason_to_every_token_and_accuses_nobody(policy, presented, reason):
    verdict = decide(ended(row(), reason, NOW), token(presented), NOW, policy)
    assert verdict == Refuse(Refusal(reason.value))


@every_policy
@pytest.mark.parametrize("presented", [0, 1, 2, 3])
def test_a_session_past_its_idle_end_is_refused_to_every_token(policy, presented):
    record = row(expires_at=NOW + 10)
    assert not isinstance(decide(record, token(presented), NOW + 9, policy), Refuse) or presented == 3
    assert decide(record, token(presented), NOW + 10, policy) == Refuse(Refusal.EXPIRED)


@every_policy
@pytest.mark.parametrize("presented", [0, 1, 2, 3])
def test_a_session_past_its_absolute_end_is_refused_to_every_token(policy, presented):
    record = row(expires_at=NOW + 10, absolute_expires_at=NOW + 10)
    assert not isinstance(decide(record, token(presented), NOW + 9, policy), Refuse) or presented == 3
    assert decide(record, token(presented), NOW + 10, policy) == Refuse(Refusal.ABSOLUTE_TIMEOUT)


def test_a_session_that_was_ended_and_has_expired_tells_why_it_was_ended():
    record = ended(row(expires_at=NOW), EndReason.THEFT, NOW - 1)
    assert rotation.why_ended(record, NOW) is Refusal.THEFT


# -- current --------------------------------------------------------------------------------------------------------


@every_policy
@pytest.mark.parametrize("age", [0, WINDOW, DAY, 29 * DAY])
@pytest.mark.parametrize("confirmed_at", [None, NOW])
@pytest.mark.parametrize("generation", [0, 1, 2])
def test_the_current_token_rotates_whatever_its_age(policy, age, confirmed_at, generation):
    record = row(generation, confirmed_at=confirmed_at, replayed=ALL, collided=ALL, estranged=ALL)
    assert decide(record, token(generation), NOW + age, policy) == Rotate()


# -- previous -------------------------------------------------------------------------------------------------------

REUSED = Reuse(ReuseSubtype.PREVIOUS)
EDGES = [
    # policy, confirmed, age, replayed?
    (GRACEFUL, False, 0, True),
    (GRACEFUL, False, WINDOW - 1, True),
    (GRACEFUL, False, WINDOW, True),
    (GRACEFUL, False, 7 * DAY - 1, True),
    (GRACEFUL, False, 7 * DAY, False),
    (GRACEFUL, True, 0, True),
    (GRACEFUL, True, WINDOW - 1, True),
    (GRACEFUL, True, WINDOW, False),
    (GRACEFUL, True, DAY, False),
    (CLASSIC, False, 0, True),
    (CLASSIC, False, WINDOW, True),
    (CLASSIC, False, 29 * DAY, True),
    (CLASSIC, True, WINDOW - 1, True),
    (CLASSIC, True, WINDOW, False),
    (STRICT, False, 0, False),
    (STRICT, True, 0, False),
    (replace(GRACEFUL, race_window=0), False, 0, True),
    (replace(GRACEFUL, race_window=0), True, 0, False),
    (replace(GRACEFUL, lost_response_window=0), False, WINDOW - 1, True),
    (replace(GRACEFUL, lost_response_window=0), False, WINDOW, False),
    (replace(GRACEFUL, race_window=300_000), True, 299_999, True),
    (replace(GRACEFUL, race_window=300_000), True, 300_000, False),
]


@pytest.mark.parametrize(("policy", "seen", "age", "replayed"), EDGES)
def test_the_previous_token_is_replayed_inside_its_windows_and_reused_outside(policy, seen, age, replayed):
    record = row(confirmed_at=NOW if seen else None)
    verdict = decide(record, token(1), NOW + age, policy)
    assert isinstance(verdict, Replay) if replayed else verdict == REUSED


def test_a_clock_behind_the_rotation_counts_as_inside_the_race_window():
    assert isinstance(decide(row(confirmed_at=NOW), token(1), NOW - HOUR, GRACEFUL), Replay)


def test_a_replay_in_the_race_window_is_not_counted():
    for policy in (GRACEFUL, CLASSIC):
        verdict = decide(row(collided=ALL - 1), token(1), NOW + WINDOW - 1, policy)
        assert isinstance(verdict, Replay)
        assert (verdict.record.replayed, verdict.record.collided) == (1, ALL - 1)


@pytest.mark.parametrize("policy", [GRACEFUL, CLASSIC], ids=["graceful", "classic"])
def test_a_replay_outside_the_race_window_is_counted_once_a_generation(policy):
    verdict = decide(row(), token(1), NOW + WINDOW, policy)
    assert isinstance(verdict, Replay)
    counted = verdict.record
    assert (counted.replayed, counted.collided, counted.estranged) == (1, 1, 0)
    for later in (WINDOW, WINDOW + 1, HOUR, DAY - 1):
        again = decide(counted, token(1), NOW + later, policy)
        assert isinstance(again, Replay)
        assert again.record is counted


FULL = [
    # generations ago that collided, those of them that did with another client, full with the present generation?
    ([], [], False),
    ([1], [], False),
    ([2, 3], [], False),
    ([1, 2], [], True),  # three in a row
    ([2, 4], [], False),
    ([2, 4, 6], [], True),  # four of eight
    ([1, 4, 7], [], True),
    ([1, 4, 8], [], False),
    ([8, 13, 18, 23, 28], [], False),
    ([5, 10, 15, 20, 25, 31], [], True),  # seven of thirty-two
    ([5, 10, 15, 20, 25, 32], [], False),
    ([1], [1], True),  # two in a row, one of them worth two
    ([2], [2], False),
    ([2, 4], [4], True),
    ([9, 15], [9, 15], False),
    ([9, 15, 21], [9, 15, 21], True),
]


def noted(generations_ago):
    return sum(1 << ago for ago in generations_ago) & ALL


@pytest.mark.parametrize("policy", [GRACEFUL, CLASSIC], ids=["graceful", "classic"])
@pytest.mark.parametrize(("collided", "estranged", "found"), FULL)
def test_a_full_register_makes_a_replay_a_reuse(policy, collided, estranged, found):
    record = row(collided=noted(collided), estranged=noted(estranged))
    for age in (WINDOW, DAY):
        assert (decide(record, token(1), NOW + age, policy) == REUSED) is found


def test_a_generation_already_counted_is_replayed_as_often_as_it_is_asked_for():
    assert isinstance(decide(row(collided=0b011), token(1), NOW + HOUR, GRACEFUL), Replay)


def test_a_register_counts_what_is_set_in_a_row():
    assert [register.in_a_row(bits) for bits in (0, 1, 2, 3, 5, 7, 11, ALL)] == [0, 1, 0, 2, 1, 3, 2, 32]


@pytest.mark.parametrize(("generations", "kept"), [(1, ALL - 1), (2, ALL - 3), (31, 1 << 31), (32, 0), (1000, 0)])
def test_a_register_forgets_what_is_older_than_its_size(generations, kept):
    assert register.aged(ALL, generations) == kept


def test_the_third_generation_in_a_row_with_a_replay_is_in_step_and_told_once():
    for policy in (GRACEFUL, CLASSIC):
        record, told = row(0), []
        for generation in range(6):
            taken = step(
                presented_hash=token(generation).hash, successor_hash=token(generation + 1).hash, idle_ms=30 * DAY
            )
            record = advanced(record, taken, NOW)
            for _ in range(2):
                verdict = decide(record, token(generation), NOW, policy)
                assert isinstance(verdict, Replay)
                record = verdict.record
                told.append(verdict.in_step)
        assert told == [False] * 4 + [True, False] * 4


@pytest.mark.parametrize(("replayed", "in_step"), [(0b110, True), (0b100, False), (0b010, False), (0b11000, False)])
def test_only_consecutive_generations_are_in_step(replayed, in_step):
    verdict = decide(row(replayed=replayed), token(1), NOW, GRACEFUL)
    assert isinstance(verdict, Replay)
    assert verdict.in_step is in_step
    assert verdict.record.replayed == replayed | 1


@pytest.mark.parametrize(("age", "cause"), [(WINDOW - 1, ReplayCause.RACE), (WINDOW, ReplayCause.LOST_RESPONSE)])
def test_a_replay_after_the_race_window_is_a_lost_response(age, cause):
    verdict = decide(row(), token(1), NOW + age, GRACEFUL)
    assert isinstance(verdict, Replay)
    assert verdict.cause is cause


# -- attempt keys ---------------------------------------------------------------------------------------------------


@every_policy
@pytest.mark.parametrize("confirmed_at", [None, NOW])
@pytest.mark.parametrize("age", [0, WINDOW, DAY, 29 * DAY])
def test_the_attempt_key_of_the_rotation_is_replayed_and_nothing_is_written(policy, confirmed_at, age):
    record = row(confirmed_at=confirmed_at, collided=ALL - 1, attempt_hash=b"key")
    assert decide(record, token(1), NOW + age, policy, b"key") == Replay(record, ReplayCause.LOST_RESPONSE)


@every_policy
def test_an_attempt_key_revives_no_older_token_and_no_ended_session(policy):
    record = row(attempt_hash=b"key")
    assert decide(record, token(0), NOW + WINDOW, policy, b"key") == Reuse(ReuseSubtype.OLDER)
    over = ended(record, EndReason.REVOKED, NOW)
    assert decide(over, token(1), NOW, policy, b"key") == Refuse(Refusal.REVOKED)
    assert decide(record, token(1), record.expires_at, policy, b"key") == Refuse(Refusal.EXPIRED)


@pytest.mark.parametrize(
    ("of_rotation", "shown", "worth"),
    [(None, None, (1, 0)), (b"key", None, (1, 1)), (b"key", b"other", (1, 1)), (None, b"key", (1, 1))],
)
def test_a_replay_is_worth_two_where_keys_say_that_it_is_another_client(of_rotation, shown, worth):
    verdict = decide(row(attempt_hash=of_rotation), token(1), NOW + WINDOW, GRACEFUL, shown)
    assert isinstance(verdict, Replay)
    assert (verdict.record.collided, verdict.record.estranged) == worth
    confirmed_row = row(attempt_hash=of_rotation, confirmed_at=NOW)
    assert decide(confirmed_row, token(1), NOW + WINDOW, GRACEFUL, shown) == REUSED
    assert isinstance(decide(confirmed_row, token(1), NOW + WINDOW - 1, GRACEFUL, shown), Replay)


@pytest.mark.parametrize("key", ["", "k" * 257, "a b", "\x7f", "\u00e9", "key\n", "\ud800"])
def test_what_cannot_be_an_attempt_key_has_no_hash(key):
    assert attempt.hash_of(token(1), key) is None


def test_equal_attempt_keys_of_different_tokens_have_different_hashes():
    assert attempt.hash_of(token(1), "k" * 256) == attempt.hash_of(token(1), "k" * 256)
    assert len({attempt.hash_of(token(n), key) for n in range(3) for key in ("k", "l", "!~")}) == 9


def test_a_session_not_yet_rotated_has_no_previous_token():
    assert decide(row(0), token(0, "stranger"), NOW, GRACEFUL) == Fork()


# -- older and newer ------------------------------------------------------------------------------------------------


@every_policy
@pytest.mark.parametrize("confirmed_at", [None, NOW])
@pytest.mark.parametrize("age", [0, WINDOW - 1, WINDOW, DAY])
def test_a_token_from_further_back_is_reused_whenever_it_comes(policy, confirmed_at, age):
    record = row(5, confirmed_at=confirmed_at)
    for generation in range(4):
        assert decide(record, token(generation), NOW + age, policy) == Reuse(ReuseSubtype.OLDER)


@every_policy
@pytest.mark.parametrize("age", [0, WINDOW - 1, WINDOW, DAY])
def test_a_client_with_an_attempt_key_asks_again_if_several_steps_went_by_within_the_race_window(policy, age):
    record = row(5, attempt_hash=b"another")
    expected = Overtaken() if age < policy.race_window else Reuse(ReuseSubtype.OLDER)
    for generation in range(4):
        assert decide(record, token(generation), NOW + age, policy, b"key") == expected


def test_only_a_few_generations_of_one_race_excuse_an_older_token():
    record = row(30)
    verdicts = [decide(record, token(generation), NOW, GRACEFUL, b"key") for generation in range(29)]
    assert verdicts == [Reuse(ReuseSubtype.OLDER)] * 14 + [Overtaken()] * 15


@every_policy
@pytest.mark.parametrize("generation", [3, 4, 1000])
def test_a_token_newer_than_the_row_means_that_the_store_was_rolled_back(policy, generation):
    assert decide(row(2), token(generation), NOW, policy) == Adopt()
    refusing = replace(policy, rollback=Rollback.REFUSE)
    assert decide(row(2), token(generation), NOW, refusing) == Refuse(Refusal.NEWER_THAN_STORE)


@every_policy
@pytest.mark.parametrize("rollback", list(Rollback))
def test_a_stranger_of_the_same_age_means_that_the_line_forked_through_a_roll_back(policy, rollback):
    assert decide(row(2), token(2, "lost branch"), NOW, replace(policy, rollback=rollback)) == Fork()


# -- what is written ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("absolute_ms", "idle_end"), [(None, HOUR), (HOUR + 1, HOUR), (HOUR, HOUR), (MINUTE, MINUTE)])
def test_a_session_begins_with_an_idle_end_not_past_its_absolute_end(absolute_ms, idle_end):
    record = begun(new_session(idle_ms=HOUR, absolute_ms=absolute_ms), NOW)
    assert record.expires_at == NOW + idle_end
    assert record.absolute_expires_at == (None if absolute_ms is None else NOW + absolute_ms)
    assert (record.generation, record.version, record.previous_hash) == (0, 1, None)


def test_a_step_leaves_the_absolute_end_where_it_is_and_moves_the_registers_on():
    before = replace(
        begun(new_session(absolute_ms=HOUR + MINUTE), NOW), replayed=ALL, collided=2, estranged=1, confirmed_at=1
    )
    after = advanced(before, step(idle_ms=HOUR, attempt_hash=b"key"), NOW + 2 * MINUTE)
    assert after.absolute_expires_at == after.expires_at == NOW + HOUR + MINUTE
    assert (after.replayed, after.collided, after.estranged) == (ALL - 1, 4, 2)
    assert (after.confirmed_at, after.attempt_hash) == (None, b"key")
    assert (after.generation, after.previous_hash, after.version) == (1, before.current_hash, 2)
    assert after.device == Device("192.0.2.2", "Browser/2")


@pytest.mark.parametrize(("newest", "collided"), [(3, 0b100), (4, 0b1000), (1000, 0)])
def test_an_adopted_line_goes_on_from_the_presented_token(newest, collided):
    before = row(2, confirmed_at=NOW, collided=1, attempt_hash=b"old")
    taken = step(presented_hash=token(newest).hash, successor_hash=token(newest + 1).hash, idle_ms=HOUR)
    after = adopted(before, token(newest), taken, NOW + MINUTE)
    assert (after.generation, after.current_hash, after.previous_hash) == (
        newest + 1,
        token(newest + 1).hash,
        token(newest).hash,
    )
    assert (after.version, after.expires_at, after.rotated_at) == (before.version, NOW + MINUTE + HOUR, NOW + MINUTE)
    assert (after.collided, after.confirmed_at, after.attempt_hash) == (collided, None, None)
    for older in range(3):
        assert decide(after, token(older), NOW + MINUTE + WINDOW, GRACEFUL) == Reuse(ReuseSubtype.OLDER)


def test_a_generation_is_confirmed_once_and_only_by_its_own_token():
    record = row(2)
    for generation in (0, 1, 3):
        assert confirmed(record, generation, NOW) is record
    noted = confirmed(record, 2, NOW + 5)
    assert noted == replace(record, confirmed_at=NOW + 5)
    assert confirmed(noted, 2, NOW + 9) is noted


def test_an_ended_session_keeps_its_hashes_and_loses_its_seal():
    record = row(2)
    assert ended(record, EndReason.THEFT, NOW) == replace(
        record, ended_at=NOW, end_reason=EndReason.THEFT, successor_sealed=None
    )


# -- properties over all of it --------------------------------------------------------------------------------------


def test_theft_is_never_found_in_a_token_that_is_current_or_newer_or_foreign():
    everything = product(POLICIES.values(), (0, 1, 2, 7), (None, NOW), (0, WINDOW, DAY), (0, 1, 50))
    for policy, generation, confirmed_at, age, ahead in everything:
        record = row(generation, confirmed_at=confirmed_at, collided=ALL)
        assert not isinstance(decide(record, token(generation + ahead), NOW + age, policy), Reuse)


def test_patience_only_shrinks_with_time():
    """Whatever was met with theft once is never met with patience later, as long as nothing else happens."""
    for policy, confirmed_at in product(POLICIES.values(), (None, NOW)):
        record, met = row(confirmed_at=confirmed_at), []
        for age in (0, 1, WINDOW - 1, WINDOW, HOUR, DAY - 1, DAY, 2 * DAY):
            verdict = decide(record, token(1), NOW + age, policy)
            met.append(isinstance(verdict, Replay))
        assert met == sorted(met, reverse=True)


def test_times_that_are_ahead_of_a_repaired_clock_move_back_with_the_expiries():
    ahead = row(created_at=NOW + 2 * HOUR, rotated_at=NOW + HOUR, absolute_expires_at=NOW + DAY)
    moved = rotation.redated(ahead, NOW)
    assert (moved.created_at, moved.rotated_at) == (NOW, NOW)
    assert moved.expires_at == ahead.expires_at - HOUR
    assert moved.absolute_expires_at == NOW + DAY - 2 * HOUR
    assert rotation.redated(moved, NOW) is moved
