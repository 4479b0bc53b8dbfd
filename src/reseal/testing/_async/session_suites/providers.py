"""Logouts that an identity provider tells."""

from __future__ import annotations

from reseal.core.errors import Refusal
from reseal.core.events import EventName
from reseal.core.providers import ProviderEnd, ProviderSession, logout
from reseal.testing._async.session_suites.base import OWNER, AsyncSessionTests, refusal_of, token_of
from reseal.testing._async.world import AsyncWorld

ISSUER = "https://login.example"


class AsyncProviderLogoutSuite(AsyncSessionTests):
    async def test_a_logout_ends_the_sessions_that_began_with_it_and_tells_why(self, world: AsyncWorld) -> None:
        sessions, elsewhere = await world.sessions(), await world.sessions()
        mine = await sessions.create("user", caller=OWNER, provider=ProviderSession(ISSUER, "alice", "s1"))
        second = await elsewhere.create("user", provider=ProviderSession(ISSUER, "alice", "s1"))
        other = await sessions.create("user", provider=ProviderSession(ISSUER, "alice", "s2"))
        plain = await sessions.create("user")
        mine = await sessions.refresh(token_of(mine))
        told = logout(ISSUER, None, "s1", "1", world.clock.wall())
        done = await elsewhere.end_by_provider(told)
        assert sorted(done.ended) == sorted([mine.claims.sid, second.claims.sid])
        for pair in (mine, second):
            assert await refusal_of(sessions, token_of(pair)) is Refusal.PROVIDER_LOGOUT
        for pair in (other, plain):
            await sessions.check(pair.claims)
        assert [event.reason for event in world.events.named(EventName.SESSION_REVOKED)] == ["provider_logout"] * 2
        assert await sessions.end_by_provider(told) == ProviderEnd(is_replayed=True)
        assert (await sessions.list_ended("user", 1000))[0].end_reason == "provider_logout"

    async def test_a_logout_of_another_user_ends_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", provider=ProviderSession(ISSUER, "alice", "s1"))
        told = logout(ISSUER, "bob", "s1", "1", world.clock.wall())
        assert await sessions.end_by_provider(told) == ProviderEnd(is_of_another=True)
        await sessions.check(pair.claims)
