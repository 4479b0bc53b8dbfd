"""A store that fails."""

from __future__ import annotations

import pytest

from reseal.core.errors import (
    Refusal,
    StoreUnavailable,
    TokenTheftDetected,
)
from reseal.core.events import EventName
from reseal.testing._async.session_suites.base import (
    THIEF,
    WINDOW,
    AsyncSessionTests,
    all_calls,
    error_of,
    family_of,
    refusal_of,
    token_of,
)
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import MINUTE


class AsyncFailureSuite(AsyncSessionTests):
    async def test_a_silent_store_is_no_logout(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.down = True
        sessions.verify(pair.access_token)
        for call in all_calls(sessions, pair):
            with pytest.raises(StoreUnavailable):
                await call()
        world.clock.advance(MINUTE)
        await sessions.keep_fresh()
        sessions.verify(pair.access_token)
        world.store.down = False
        await sessions.check(pair.claims)
        await sessions.refresh(token_of(pair))
        assert world.events.named(EventName.TOKEN_THEFT) == []

    @pytest.mark.parametrize("method", ["rotate", "get", "replace"])
    @pytest.mark.parametrize("moment", ["refuse", "lose_acknowledgement"])
    async def test_a_refresh_at_which_the_store_fails_can_be_repeated(
        self, world: AsyncWorld, method: str, moment: str
    ) -> None:
        sessions = await world.sessions()
        first = await sessions.create("user")
        before = await sessions.refresh(token_of(first))
        world.clock.advance(WINDOW + 1)
        getattr(world.store, moment)(method)
        presented = token_of(before) if method == "rotate" else token_of(first)
        assert isinstance(await error_of(sessions, presented), StoreUnavailable)
        again = await sessions.refresh(presented)
        assert again.claims.gen == (2 if method == "rotate" else 1)
        assert (await sessions.refresh(token_of(again))).claims.gen == again.claims.gen + 1
        assert world.events.named(EventName.TOKEN_THEFT) == []
        assert world.events.named(EventName.REFRESH_REFUSED) == []

    async def test_revoked_is_only_said_if_the_store_said_so(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user")
        world.store.refuse("end")
        world.store.refuse("end_user")
        with pytest.raises(StoreUnavailable):
            await sessions.revoke([pair.claims.sid])
        with pytest.raises(StoreUnavailable):
            await sessions.revoke_user("user")
        assert world.events.named(EventName.SESSION_REVOKED) == []
        await sessions.check(pair.claims)
        assert [r.handle for r in await sessions.list_user("user")] == [pair.claims.sid]
        world.store.lose_acknowledgement("end")
        with pytest.raises(StoreUnavailable):
            await sessions.revoke([pair.claims.sid])
        assert await refusal_of(sessions, token_of(pair)) is Refusal.REVOKED

    async def test_a_session_that_could_not_be_stored_is_not_handed_out(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        world.store.refuse("insert")
        with pytest.raises(StoreUnavailable):
            await sessions.create("user")
        assert await sessions.list_user("user") == ()
        assert world.events.named(EventName.SESSION_CREATED) == []

    async def test_theft_that_cannot_be_answered_is_answered_at_the_next_try(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="revoke_user")
        for broken in ("end", "end_user"):
            pair, other = await sessions.create("user"), await sessions.create("user")
            line = await family_of(sessions, pair, 2)
            world.store.refuse(broken)
            assert isinstance(await error_of(sessions, line[0], THIEF), StoreUnavailable)
            assert isinstance(await error_of(sessions, line[0], THIEF), TokenTheftDetected)
            assert await sessions.list_user("user") == ()
            assert await refusal_of(sessions, token_of(other)) is Refusal.USER_REVOKED
            told = len(world.events.named(EventName.TOKEN_THEFT))
            assert told == (2 if broken == "end" else 1)  # told again, because the first end may have happened
            world.events.forget()
