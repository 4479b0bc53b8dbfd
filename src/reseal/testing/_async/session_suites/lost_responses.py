"""Lost responses."""

from __future__ import annotations

import pytest

from reseal.core.errors import (
    TokenTheftDetected,
)
from reseal.core.events import EventName
from reseal.testing._async.session_suites.base import SECOND, WINDOW, AsyncSessionTests, caught, error_of, token_of
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import HOUR, MINUTE


class AsyncLostResponseSuite(AsyncSessionTests):
    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize("later", [0, WINDOW - SECOND, WINDOW + SECOND, 10 * MINUTE])
    async def test_who_lost_a_response_gets_the_same_successor_until_it_is_seen_in_use(
        self, world: AsyncWorld, later: int, policy: str
    ) -> None:
        sessions = await world.sessions(rotation_policy=policy, theft_response="revoke_session")
        pair = await sessions.create("user")
        lost = await sessions.refresh(token_of(pair))
        world.clock.advance(later)
        for _ in range(5):
            again = await sessions.refresh(token_of(pair))
            assert (again.refresh_token, again.claims.gen) == (lost.refresh_token, 1)
            sessions.verify(again.access_token)
        await sessions.check(again.claims)
        world.clock.advance(WINDOW)
        assert isinstance(await error_of(sessions, token_of(pair)), TokenTheftDetected)

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize("use", ["check", "update", "refresh"])
    async def test_any_use_of_the_successor_closes_the_window(self, world: AsyncWorld, use: str, policy: str) -> None:
        sessions = await world.sessions(rotation_policy=policy)
        pair = await sessions.create("user")
        successor = await sessions.refresh(token_of(pair))
        world.clock.advance(WINDOW)
        claims = sessions.verify(successor.access_token)
        match use:
            case "check":
                await sessions.check(claims)
            case "update":
                await sessions.update(claims.sid, session_data={}, seen=claims)
            case "refresh":
                await sessions.refresh(token_of(successor))
        error = await error_of(sessions, token_of(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == ("older" if use == "refresh" else "previous")

    async def test_within_the_race_window_a_confirmed_successor_is_given_again(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        successor = await sessions.refresh(token_of(pair))
        await sessions.check(successor.claims)
        world.clock.advance(WINDOW - 1)
        assert (await sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token
        world.clock.advance(1)
        assert isinstance(await error_of(sessions, token_of(pair)), TokenTheftDetected)

    async def test_a_write_counts_from_the_record_that_a_check_or_a_change_returned(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        record = await sessions.check((await sessions.create("user")).claims)
        for count in range(3):
            data = {"count": count}
            record = await sessions.update(record.handle, session_data=data, expected_version=record.version)
        assert (await sessions.get(record.handle)).version == record.version

    async def test_an_access_token_of_an_earlier_generation_confirms_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        successor = await sessions.refresh(token_of(pair))
        await sessions.check(pair.claims)
        world.clock.advance(WINDOW)
        assert (await sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token

    async def test_the_lost_response_window_ends(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(lost_response_window=60)
        for late_by, found in ((-1, False), (0, True)):
            pair = await sessions.create("user")
            await sessions.refresh(token_of(pair))
            world.clock.advance(MINUTE + late_by)
            error = await caught(sessions.refresh, token_of(pair))
            assert isinstance(error, TokenTheftDetected) is found

    async def test_without_windows_the_rotation_is_strict(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(refresh_token_rotation_grace_period=0, lost_response_window=0)
        pair = await sessions.create("user")
        await sessions.refresh(token_of(pair))
        error = await error_of(sessions, token_of(pair))
        assert isinstance(error, TokenTheftDetected)
        assert error.subtype == "previous"

    async def test_the_third_collision_in_a_row_is_theft_however_often_each_was_repeated(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        for _ in range(2):
            successor = await sessions.refresh(token_of(pair))
            world.clock.advance(HOUR)
            for _ in range(4):
                assert (await sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token
            pair = successor
        await sessions.refresh(token_of(pair))
        world.clock.advance(HOUR)
        assert isinstance(await error_of(sessions, token_of(pair)), TokenTheftDetected)

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    async def test_lost_answers_here_and_there_accuse_nobody(self, world: AsyncWorld, policy: str) -> None:
        sessions = await world.sessions(rotation_policy=policy)
        pair = await sessions.create("user")
        for n in range(120):
            successor = await sessions.refresh(token_of(pair))
            world.clock.advance(MINUTE)
            if n % 6 == 0:
                assert (await sessions.refresh(token_of(pair))).refresh_token == successor.refresh_token
            pair = successor
        assert world.events.named(EventName.TOKEN_THEFT) == []

    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    @pytest.mark.parametrize(("every", "found_at"), [(1, 3), (2, 4), (3, 7), (4, 7)])
    async def test_collisions_that_are_not_scattered_are_theft(
        self, world: AsyncWorld, every: int, found_at: int, policy: str
    ) -> None:
        sessions = await world.sessions(rotation_policy=policy)
        pair = await sessions.create("user")
        collisions = 0
        for n in range(10 * every):
            successor = await sessions.refresh(token_of(pair))
            world.clock.advance(MINUTE)
            if n % every == 0:
                collisions += 1
                if await caught(sessions.refresh, token_of(pair)) is not None:
                    break
            pair = successor
        assert collisions == found_at
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
