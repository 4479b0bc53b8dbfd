# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Restarts and clocks."""

from __future__ import annotations

import pytest

from reseal.core.errors import (
    Refusal,
    TokenTheftDetected,
)
from reseal.core.events import EventName
from reseal.testing._async.session_suites.base import (
    WINDOW,
    AsyncSessionTests,
    error_of,
    family_of,
    refusal_of,
    token_of,
)
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR, MINUTE


class AsyncRestartSuite(AsyncSessionTests):
    @pytest.mark.parametrize("jump", [0, -HOUR, -30 * DAY])
    async def test_theft_is_found_after_a_restart_whatever_the_clock_says(self, world: AsyncWorld, jump: int) -> None:
        sessions = await world.sessions()
        line = await family_of(sessions, await sessions.create("user"), 1)
        await sessions.check((await sessions.refresh(line[1])).claims)
        for subtype, token in (("previous", line[1]), ("older", line[0])):
            world.clock.advance(WINDOW)
            sessions = await world.restart(theft_response="report")
            world.clock.jump(jump)
            sessions = await world.restart(theft_response="report")
            error = await error_of(sessions, token)
            assert isinstance(error, TokenTheftDetected)
            assert error.subtype == subtype

    @pytest.mark.parametrize("jump", [0, -HOUR, HOUR])
    async def test_a_lost_response_is_given_again_after_a_restart(self, world: AsyncWorld, jump: int) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        lost = await sessions.refresh(token_of(pair))
        world.clock.jump(jump)
        sessions = await world.restart()
        again = await sessions.refresh(token_of(pair))
        assert again.refresh_token == lost.refresh_token
        assert (await sessions.refresh(token_of(again))).claims.gen == 2
        assert world.events.named(EventName.TOKEN_THEFT) == []

    async def test_a_clock_moved_back_over_a_restart_revives_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=5, refresh_token_validity=1)
        pair = await sessions.create("user")
        world.clock.advance(MINUTE)
        assert await refusal_of(sessions, token_of(pair)) is Refusal.EXPIRED
        await world.stop()
        world.clock.jump(-HOUR)
        sessions = await world.sessions(access_token_validity=5, refresh_token_validity=1)
        assert await refusal_of(sessions, token_of(pair)) is Refusal.EXPIRED

    async def test_tokens_outlive_a_restart(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        sessions = await world.restart()
        assert sessions.verify(pair.access_token) == pair.claims
        await sessions.refresh(token_of(pair))
