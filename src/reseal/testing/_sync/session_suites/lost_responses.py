# Generated from src/reseal/testing/_async/session_suites/lost_responses.py by tools/unasync.py; edit that file instead.
"""Lost responses."""

from __future__ import annotations

import pytest

from reseal.core.errors import (
    TokenTheftDetected,
)
from reseal.core.events import EventName
from reseal.testing._sync.session_suites.base import SECOND, WINDOW, SessionTests, caught, error_of, token_of
from reseal.testing._sync.world import World
from reseal.testing.material import HOUR, MINUTE


class LostResponseSuite(SessionTests):
    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize("later", [0, WINDOW - SECOND, WINDOW + SECOND, 10 * MINUTE])
    def test_who_lost_a_response_gets_the_same_successor_until_it_is_seen_in_use(
        self, world: World, later: int, policy: str
    ) -> None:
        sessions = world.sessions(rotation_policy=policy, theft_response="revoke_session")
        pair = sessions.create("user")
        lost = sessions.refresh(token_of(pair))
        world.clock.advance(later)
        for _ in range(5):
            again = sessions.refresh(token_of(pair))
            assert (again.refresh_token, again.claims.gen) == (lost.refresh_token, 1)
            sessions.verify(again.access_token)
        sessions.check(again.claims)
        world.clock.advance(WINDOW)
        assert isinstance(error_of(sessions, token_of(pair)), TokenTheftDetected)

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize("use", ["check", "update", "refresh"])
    def test_any_use_of_the_successor_closes_the_window(self, world: World, use: str, policy: str) -> None:
        sessions = world.sessions(rotation_policy=policy)
        pair = sessions.create("user")
        successor = sessions.refresh(token_of(pair))
        world.clock.advance(WINDOW)
        claims = sessions.verify(successor.access_token)
        match use:
            case "check":
                sessions.check(claims)
            case "update":
                sessions.update(claims.sid, session_data={}, seen=claims)
            case "refresh":
                sessions.refresh(token_of(successor))
        error = error_of(sessions, token_of(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == ("older" if use == "refresh" else "previous")

    def test_within_the_race_window_a_confirmed_successor_is_given_again(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        successor = sessions.refresh(token_of(pair))
        sessions.check(successor.claims)
        world.clock.advance(WINDOW - 1)
        assert (sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token
        world.clock.advance(1)
        assert isinstance(error_of(sessions, token_of(pair)), TokenTheftDetected)

    def test_a_write_counts_from_the_record_that_a_check_or_a_change_returned(self, world: World) -> None:
        sessions = world.sessions()
        record = sessions.check((sessions.create("user")).claims)
        for count in range(3):
            data = {"count": count}
            record = sessions.update(record.handle, session_data=data, expected_version=record.version)
        assert (sessions.get(record.handle)).version == record.version

    def test_an_access_token_of_an_earlier_generation_confirms_nothing(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        successor = sessions.refresh(token_of(pair))
        sessions.check(pair.claims)
        world.clock.advance(WINDOW)
        assert (sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token

    def test_the_lost_response_window_ends(self, world: World) -> None:
        sessions = world.sessions(lost_response_window=60)
        for late_by, found in ((-1, False), (0, True)):
            pair = sessions.create("user")
            sessions.refresh(token_of(pair))
            world.clock.advance(MINUTE + late_by)
            error = caught(sessions.refresh, token_of(pair))
            assert isinstance(error, TokenTheftDetected) is found

    def test_without_windows_the_rotation_is_strict(self, world: World) -> None:
        sessions = world.sessions(refresh_token_rotation_grace_period=0, lost_response_window=0)
        pair = sessions.create("user")
        sessions.refresh(token_of(pair))
        error = error_of(sessions, token_of(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == "previous"

    def test_the_third_collision_in_a_row_is_theft_however_often_each_was_repeated(
        self, world: World
    ) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        for _ in range(2):
            successor = sessions.refresh(token_of(pair))
            world.clock.advance(HOUR)
            for _ in range(4):
                assert (sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token
            pair = successor
        sessions.refresh(token_of(pair))
        world.clock.advance(HOUR)
        assert isinstance(error_of(sessions, token_of(pair)), TokenTheftDetected)

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    def test_lost_answers_here_and_there_accuse_nobody(self, world: World, policy: str) -> None:
        sessions = world.sessions(rotation_policy=policy)
        pair = sessions.create("user")
        for n in range(120):
            successor = sessions.refresh(token_of(pair))
            world.clock.advance(MINUTE)
            if n % 6 == 0:
                assert (sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token
            pair = successor
        assert world.events.named(EventName.TOKEN_THEFT) == []

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize(("every", "found_at"), [(1, 3), (2, 4), (3, 7), (4, 7)])
    def test_collisions_that_are_not_scattered_are_theft(
        self, world: World, every: int, found_at: int, policy: str
    ) -> None:
        sessions = world.sessions(rotation_policy=policy)
        pair = sessions.create("user")
        collisions = 0
        for n in range(10 * every):
            successor = sessions.refresh(token_of(pair))
            world.clock.advance(MINUTE)
            if n % every == 0:
                collisions += 1
                if caught(sessions.refresh, token_of(pair)) is not None:
                    break
            pair = successor
        assert collisions == found_at
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
