# Generated from src/reseal/testing/_async/session_suites/anti_csrf.py by tools/unasync.py; edit that file instead.
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Anti-CSRF."""

from __future__ import annotations

import pytest

from reseal.core.errors import (
    Refusal,
    TryRefreshToken,
    Unauthorised,
)
from reseal.testing._sync.session_suites.base import SessionTests, caught, refusal_of, token_of
from reseal.testing._sync.world import World


class AntiCsrfSuite(SessionTests):
    def test_anti_csrf_tokens_are_unique_bound_and_changed_at_each_refresh(self, world: World) -> None:
        sessions = world.sessions(enable_anti_csrf=True)
        mine, other = sessions.create("user"), sessions.create("user")
        seen = {mine.anti_csrf, other.anti_csrf}
        pair = mine
        for _ in range(200):
            following = sessions.refresh(token_of(pair), anti_csrf=pair.anti_csrf, require_anti_csrf=True)
            assert following.anti_csrf not in seen
            assert len(following.anti_csrf or "") == 43
            seen.add(following.anti_csrf)
            assert sessions.check_anti_csrf(following.claims, following.anti_csrf)
            assert not sessions.check_anti_csrf(following.claims, pair.anti_csrf)
            assert not sessions.check_anti_csrf(following.claims, other.anti_csrf)
            pair = following
        for wrong in (None, "", mine.anti_csrf, other.anti_csrf, pair.claims.sid, pair.refresh_token, "ü", "\ud800"):
            assert not sessions.check_anti_csrf(pair.claims, wrong)
            error = caught(sessions.refresh, token_of(pair), anti_csrf=wrong, require_anti_csrf=True)
            assert isinstance(error, Unauthorised)
            assert error.reason is Refusal.ANTI_CSRF
        sessions.refresh(token_of(pair), anti_csrf=pair.anti_csrf, require_anti_csrf=True)

    def test_a_replay_gives_the_same_anti_csrf_token(self, world: World) -> None:
        sessions = world.sessions(enable_anti_csrf=True)
        pair = sessions.create("user")
        first, second = [sessions.refresh(token_of(pair), anti_csrf=pair.anti_csrf) for _ in range(2)]
        assert first.anti_csrf == second.anti_csrf != pair.anti_csrf

    def test_a_handle_is_no_credential(self, world: World) -> None:
        sessions = world.sessions(enable_anti_csrf=True)
        pair = sessions.create("user")
        assert refusal_of(sessions, pair.claims.sid) is Refusal.MALFORMED
        with pytest.raises(TryRefreshToken):
            sessions.verify(pair.claims.sid)
        sessions.check(pair.claims)
