# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Ends."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import pytest

from reseal._async.not_before import AT_ONCE
from reseal.core.errors import (
    InvalidInput,
    Refusal,
    TokenTheftDetected,
    Unauthorised,
)
from reseal.core.events import EventName
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason
from reseal.testing._async.session_suites.base import (
    SECOND,
    THIEF,
    AsyncSessionTests,
    error_of,
    family_of,
    refusal_of,
    token_of,
)
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import HOUR, MINUTE


class AsyncEndingSuite(AsyncSessionTests):
    async def test_after_an_acknowledged_revoke_nothing_succeeds(self, world: AsyncWorld) -> None:
        sessions, elsewhere = await world.sessions(), await world.sessions()
        pair = await sessions.create("user")
        line = await family_of(sessions, pair, 2)
        other = await sessions.create("user")
        assert await sessions.revoke([pair.claims.sid], EndReason.SIGNED_OUT) == (pair.claims.sid,)
        assert await sessions.revoke([pair.claims.sid]) == ()
        for side in (sessions, elsewhere):
            for token in line:
                assert await refusal_of(side, token) is Refusal.SIGNED_OUT
            with pytest.raises(Unauthorised):
                await side.check(pair.claims)
            with pytest.raises(Unauthorised):
                await side.update(pair.claims.sid, session_data={})
        await sessions.check(other.claims)
        world.clock.advance(HOUR)
        assert await refusal_of(sessions, line[-1]) is Refusal.SIGNED_OUT
        assert len(world.events.named(EventName.SESSION_REVOKED)) == 1
        assert world.events.named(EventName.TOKEN_THEFT) == []

    async def test_revoking_a_user_names_exactly_the_sessions_that_it_ended(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pairs = {user: [await sessions.create(user) for _ in range(5)] for user in "abc"}
        handles = {user: {pair.claims.sid for pair in of_user} for user, of_user in pairs.items()}
        keep = pairs["b"][2].claims.sid
        await sessions.revoke([pairs["b"][0].claims.sid])
        assert set(await sessions.revoke_user("b", keep=keep)) == handles["b"] - {keep, pairs["b"][0].claims.sid}
        assert [r.handle for r in await sessions.list_user("b")] == [keep]
        assert await sessions.revoke_user("b") == (keep,)
        assert await sessions.revoke_user("b") == ()
        assert await refusal_of(sessions, token_of(pairs["b"][2])) is Refusal.USER_REVOKED
        for user in "ac":
            assert {r.handle for r in await sessions.list_user(user)} == handles[user]

    async def test_everything_begun_or_refreshed_before_a_moment_ends_and_stays_so(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        old, refreshed, other = [await sessions.create(user) for user in ("alice", "alice", "bob")]
        world.clock.advance(MINUTE)
        moment = world.clock.wall()
        refreshed = await sessions.refresh(token_of(refreshed))
        new = await sessions.create("alice")
        assert await sessions.end_before(moment, user_id="alice") == 1
        ended = world.events.named(EventName.SESSION_REVOKED)
        assert [(e.session_handle, e.user_id, e.reason) for e in ended] == [(old.claims.sid, "alice", "not_before")]
        with pytest.raises(Unauthorised) as error:
            await sessions.refresh(token_of(old))
        assert error.value.reason is Refusal.NOT_BEFORE
        assert await sessions.why_ended([old.claims.sid]) == {old.claims.sid: Refusal.NOT_BEFORE}
        for pair in (refreshed, new, other):
            await sessions.check(pair.claims)
        assert await sessions.end_before(moment) == 1
        assert await sessions.end_before(moment) == 0
        with pytest.raises(InvalidInput, match="moment: is still to come"):
            await sessions.end_before(world.clock.wall() + HOUR)
        assert await sessions.end_before(world.clock.wall() + SECOND, all_tenants=True) == 2
        assert await sessions.list_user("alice") == ()

    async def test_more_sessions_than_go_at_once_end_before_a_moment(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for n in range(AT_ONCE + 1):
            await sessions.create(f"user {n % 3}")
        world.clock.advance(SECOND)
        assert await sessions.end_before(world.clock.wall()) == AT_ONCE + 1

    async def test_only_the_tenants_that_are_meant_lose_their_sessions(self, world: AsyncWorld) -> None:
        one = await world.sessions(app_id="a", tenant_id="public")
        two = await world.sessions(app_id="a", tenant_id="b")
        other = await world.sessions(app_id="b", tenant_id="public")
        for sessions in (one, two, other):
            await sessions.create("user")
        world.clock.advance(SECOND)
        assert await one.end_before(world.clock.wall()) == 1
        assert await one.end_before(world.clock.wall(), user_id="user", all_tenants=True) == 1
        assert len(await other.list_user("user")) == 1

    async def test_a_revoke_that_meets_a_refresh_wins(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for _ in range(20):
            pair = await sessions.create("user")
            calls: list[Callable[[], Awaitable[object]]] = [
                partial(sessions.refresh, token_of(pair)),
                partial(sessions.revoke, [pair.claims.sid]),
            ]
            _, ended = await together(calls)
            assert ended == (pair.claims.sid,)
            assert await refusal_of(sessions, token_of(pair)) is Refusal.REVOKED

    async def test_refreshing_does_not_move_the_absolute_end(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=10, session_absolute_timeout=1)
        pair = await sessions.create("user")
        end = world.clock.wall() + MINUTE
        for _ in range(11):
            world.clock.advance(5 * SECOND)
            pair = await sessions.refresh(token_of(pair))
            assert pair.session_expires_at == end
            assert (await sessions.get(pair.claims.sid)).expires_at == end
        world.clock.advance(5 * SECOND - 1)
        pair = await sessions.refresh(token_of(pair))
        world.clock.advance(1)
        assert await refusal_of(sessions, token_of(pair)) is Refusal.ABSOLUTE_TIMEOUT
        with pytest.raises(Unauthorised):
            await sessions.check(pair.claims)

    async def test_an_idle_session_ends_and_a_refreshed_one_lives_on(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=5, refresh_token_validity=1)
        pair = await sessions.create("user")
        for _ in range(5):
            world.clock.advance(MINUTE - 1)
            pair = await sessions.refresh(token_of(pair))
            assert pair.session_expires_at == world.clock.wall() + MINUTE
        world.clock.advance(MINUTE)
        assert await refusal_of(sessions, token_of(pair)) is Refusal.EXPIRED
        assert await sessions.list_user("user") == ()
        world.clock.jump(-HOUR)
        assert await refusal_of(sessions, token_of(pair)) is Refusal.EXPIRED

    async def test_a_theft_from_one_visitor_ends_no_session_of_another(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="revoke_user")
        victim, other = await sessions.create(ANONYMOUS), await sessions.create(ANONYMOUS)
        line = await family_of(sessions, victim, 2)
        assert isinstance(await error_of(sessions, line[0], THIEF), TokenTheftDetected)
        assert set(await sessions.why_ended([victim.claims.sid, other.claims.sid])) == {victim.claims.sid}
