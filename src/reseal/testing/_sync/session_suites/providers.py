# Generated from src/reseal/testing/_async/session_suites/providers.py by tools/unasync.py; edit that file instead.
"""Logouts that an identity provider tells."""

from __future__ import annotations

from reseal.core.errors import Refusal
from reseal.core.events import EventName
from reseal.core.providers import ProviderEnd, ProviderSession, logout
from reseal.testing._sync.session_suites.base import OWNER, SessionTests, refusal_of, token_of
from reseal.testing._sync.world import World

ISSUER = "https://login.example"


class ProviderLogoutSuite(SessionTests):
    def test_a_logout_ends_the_sessions_that_began_with_it_and_tells_why(self, world: World) -> None:
        sessions, elsewhere = world.sessions(), world.sessions()
        mine = sessions.create("user", caller=OWNER, provider=ProviderSession(ISSUER, "alice", "s1"))
        second = elsewhere.create("user", provider=ProviderSession(ISSUER, "alice", "s1"))
        other = sessions.create("user", provider=ProviderSession(ISSUER, "alice", "s2"))
        plain = sessions.create("user")
        mine = sessions.refresh(token_of(mine))
        told = logout(ISSUER, None, "s1", "1", world.clock.wall())
        done = elsewhere.end_by_provider(told)
        assert sorted(done.ended) == sorted([mine.claims.sid, second.claims.sid])
        for pair in (mine, second):
            assert refusal_of(sessions, token_of(pair)) is Refusal.PROVIDER_LOGOUT
        for pair in (other, plain):
            sessions.check(pair.claims)
        assert [event.reason for event in world.events.named(EventName.SESSION_REVOKED)] == ["provider_logout"] * 2
        assert sessions.end_by_provider(told) == ProviderEnd(is_replayed=True)
        assert (sessions.list_ended("user", 1000))[0].end_reason == "provider_logout"

    def test_a_logout_of_another_user_ends_nothing(self, world: World) -> None:
        sessions = world.sessions()
        pair = sessions.create("user", provider=ProviderSession(ISSUER, "alice", "s1"))
        told = logout(ISSUER, "bob", "s1", "1", world.clock.wall())
        assert sessions.end_by_provider(told) == ProviderEnd(is_of_another=True)
        sessions.check(pair.claims)
