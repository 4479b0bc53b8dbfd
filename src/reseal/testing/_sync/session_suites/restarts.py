# Generated from src/reseal/testing/_async/session_suites/restarts.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Restarts and clocks."""

from __future__ import annotations

import pytest

from reseal.core.errors import (
    Refusal,
    TokenTheftDetected,
)
from reseal.core.events import EventName
from reseal.testing._sync.session_suites.base import (
    WINDOW,
    SessionTests,
    error_of,
    family_of,
    refusal_of,
    token_of,
)
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR, MINUTE


class RestartSuite(SessionTests):
    @pytest.mark.parametrize("jump", [0, -HOUR, -30 * DAY])
    def test_theft_is_found_after_a_restart_whatever_the_clock_says(self, world: World, jump: int) -> None:
        sessions = world.sessions()
        line = family_of(sessions, sessions.create("user"), 1)
        sessions.check((sessions.refresh(line[1])).claims)
        for subtype, token in (("previous", line[1]), ("older", line[0])):
            world.clock.advance(WINDOW)
            sessions = world.restart(theft_response="report")
            world.clock.jump(jump)
            sessions = world.restart(theft_response="report")
            error = error_of(sessions, token)
            assert isinstance(error, TokenTheftDetected)
            assert error.subtype == subtype

    @pytest.mark.parametrize("jump", [0, -HOUR, HOUR])
    def test_a_lost_response_is_given_again_after_a_restart(self, world: World, jump: int) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        lost = sessions.refresh(token_of(pair))
        world.clock.jump(jump)
        sessions = world.restart()
        again = sessions.refresh(token_of(pair))
        assert again.refresh_token == lost.refresh_token
        assert (sessions.refresh(token_of(again))).claims.gen == 2
        assert world.events.named(EventName.TOKEN_THEFT) == []

    def test_a_clock_moved_back_over_a_restart_revives_nothing(self, world: World) -> None:
        sessions = world.sessions(access_token_validity=5, refresh_token_validity=1)
        pair = sessions.create("user")
        world.clock.advance(MINUTE)
        assert refusal_of(sessions, token_of(pair)) is Refusal.EXPIRED
        world.stop()
        world.clock.jump(-HOUR)
        sessions = world.sessions(access_token_validity=5, refresh_token_validity=1)
        assert refusal_of(sessions, token_of(pair)) is Refusal.EXPIRED

    def test_tokens_outlive_a_restart(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user")
        sessions = world.restart()
        assert sessions.verify(pair.access_token) == pair.claims
        sessions.refresh(token_of(pair))
