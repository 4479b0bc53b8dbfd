# Generated from src/reseal/testing/_async/session_suites/attempt_keys.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Attempt keys."""

from __future__ import annotations

from functools import partial

import pytest

from reseal.core.errors import (
    RefreshOvertaken,
    TokenTheftDetected,
    Unauthorised,
)
from reseal.core.events import EventName
from reseal.testing._sync.session_suites.base import (
    OWNER,
    THIEF,
    WINDOW,
    SessionTests,
    caught,
    error_of,
    token_of,
)
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR, MINUTE


class AttemptKeySuite(SessionTests):
    def test_who_repeats_its_attempt_key_is_given_the_successor_again_whatever_happened(
        self, world: World
    ) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        for n in range(5):
            successor = sessions.refresh(token_of(pair), attempt_key=f"key-{n}")
            sessions.check(successor.claims)
            world.clock.advance(20 * DAY)
            for _ in range(2):
                again = sessions.refresh(token_of(pair), attempt_key=f"key-{n}")
                assert again.refresh_token == successor.refresh_token
            pair = successor
        assert world.events.named(EventName.TOKEN_THEFT) == world.events.named(EventName.SESSION_IN_STEP) == []

    def test_an_attempt_key_is_no_credential(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        second = sessions.refresh(token_of(pair), attempt_key="key")
        third = sessions.refresh(token_of(second), attempt_key="key")
        assert isinstance(caught(partial(sessions.refresh, attempt_key="key"), "key"), Unauthorised)
        late = caught(partial(sessions.refresh, attempt_key="key"), token_of(pair))
        assert isinstance(late, RefreshOvertaken)
        world.clock.advance(WINDOW)
        error = caught(partial(sessions.refresh, attempt_key="key"), token_of(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == "older"
        assert isinstance(error_of(sessions, token_of(third)), Unauthorised)

    @pytest.mark.parametrize(
        ("first", "second"), [("key", None), ("key", "another"), (None, "key")], ids=["none", "another", "new"]
    )
    def test_another_attempt_key_is_theft_at_the_second_collision_in_a_row(
        self, world: World, first: str | None, second: str | None
    ) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        successor = sessions.refresh(token_of(pair), attempt_key=first)
        world.clock.advance(MINUTE)
        again = sessions.refresh(token_of(pair), attempt_key=second)
        assert again.refresh_token == successor.refresh_token
        sessions.refresh(token_of(successor), attempt_key=first)
        world.clock.advance(MINUTE)
        error = caught(partial(sessions.refresh, attempt_key=second), token_of(successor))
        assert isinstance(error, TokenTheftDetected)

    def test_another_attempt_key_in_the_race_window_is_met_kindly(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        for n in range(9):
            successor = sessions.refresh(token_of(pair), attempt_key=f"tab-{n}")
            sessions.check(successor.claims)
            world.clock.advance(WINDOW - 1)
            again = sessions.refresh(token_of(pair), attempt_key="another-tab")
            assert again.refresh_token == successor.refresh_token
            pair = successor
        assert world.events.named(EventName.TOKEN_THEFT) == []

    @pytest.mark.parametrize("unfit", ["", "k" * 257, "with space", "k\u00e9", "k\n", "\ud800"])
    def test_what_cannot_be_an_attempt_key_counts_as_absent(self, world: World, unfit: str) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        collisions = 0
        while True:
            successor = sessions.refresh(token_of(pair), attempt_key=unfit)
            world.clock.advance(MINUTE)
            collisions += 1
            if caught(partial(sessions.refresh, attempt_key=unfit), token_of(pair)) is not None:
                break
            pair = successor
        assert collisions == 3

    def test_collisions_in_consecutive_generations_add_up_however_far_apart_they_are(
        self, world: World
    ) -> None:
        sessions = world.sessions(refresh_token_validity=7 * 24 * 60)
        pair = sessions.create("user")
        for _ in range(2):
            successor = sessions.refresh(token_of(pair))
            world.clock.advance(MINUTE)
            assert (sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token
            world.clock.advance(3 * DAY)
            pair = successor
        sessions.refresh(token_of(pair))
        world.clock.advance(MINUTE)
        assert isinstance(error_of(sessions, token_of(pair)), TokenTheftDetected)

    def test_two_parties_in_step_are_told_at_the_third_generation(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        for generation in range(1, 6):
            world.clock.advance(HOUR)
            successor = sessions.refresh(token_of(pair), caller=OWNER)
            for _ in range(3):
                sessions.refresh(token_of(pair), caller=THIEF)
            pair = successor
            assert len(world.events.named(EventName.SESSION_IN_STEP)) == max(0, generation - 2)
        event = world.events.named(EventName.SESSION_IN_STEP)[0]
        assert (event.session_handle, event.user_id) == (pair.claims.sid, "user")
        assert (event.device, event.other_device) == (THIEF.device, OWNER.device)
        assert event.at == world.clock.wall() - 2 * HOUR

    def test_a_generation_without_a_replay_ends_the_streak(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        for generation in range(12):
            world.clock.advance(HOUR)
            successor = sessions.refresh(token_of(pair))
            if generation % 3:
                sessions.refresh(token_of(pair))
            pair = successor
        assert world.events.named(EventName.SESSION_IN_STEP) == []
