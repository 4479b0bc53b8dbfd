# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""Anti-CSRF."""

from __future__ import annotations

import pytest

from reseal.core.errors import (
    Refusal,
    TryRefreshToken,
    Unauthorised,
)
from reseal.testing._async.session_suites.base import AsyncSessionTests, caught, refusal_of, token_of
from reseal.testing._async.world import AsyncWorld


class AsyncAntiCsrfSuite(AsyncSessionTests):
    async def test_anti_csrf_tokens_are_unique_bound_and_changed_at_each_refresh(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(enable_anti_csrf=True)
        mine, other = await sessions.create("user"), await sessions.create("user")
        seen = {mine.anti_csrf, other.anti_csrf}
        pair = mine
        for _ in range(200):
            following = await sessions.refresh(token_of(pair), anti_csrf=pair.anti_csrf, require_anti_csrf=True)
            assert following.anti_csrf not in seen
            assert len(following.anti_csrf or "") == 43
            seen.add(following.anti_csrf)
            assert sessions.check_anti_csrf(following.claims, following.anti_csrf)
            assert not sessions.check_anti_csrf(following.claims, pair.anti_csrf)
            assert not sessions.check_anti_csrf(following.claims, other.anti_csrf)
            pair = following
        for wrong in (None, "", mine.anti_csrf, other.anti_csrf, pair.claims.sid, pair.refresh_token, "ü", "\ud800"):
            assert not sessions.check_anti_csrf(pair.claims, wrong)
            error = await caught(sessions.refresh, token_of(pair), anti_csrf=wrong, require_anti_csrf=True)
            assert isinstance(error, Unauthorised)
            assert error.reason is Refusal.ANTI_CSRF
        await sessions.refresh(token_of(pair), anti_csrf=pair.anti_csrf, require_anti_csrf=True)

    async def test_a_replay_gives_the_same_anti_csrf_token(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(enable_anti_csrf=True)
        pair = await sessions.create("user")
        first, second = [await sessions.refresh(token_of(pair), anti_csrf=pair.anti_csrf) for _ in range(2)]
        assert first.anti_csrf == second.anti_csrf != pair.anti_csrf

    async def test_a_handle_is_no_credential(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(enable_anti_csrf=True)
        pair = await sessions.create("user")
        assert await refusal_of(sessions, pair.claims.sid) is Refusal.MALFORMED
        with pytest.raises(TryRefreshToken):
            sessions.verify(pair.claims.sid)
        await sessions.check(pair.claims)
