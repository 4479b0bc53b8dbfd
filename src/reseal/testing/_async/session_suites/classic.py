"""The classic policy."""

from __future__ import annotations

from reseal.core.errors import (
    TokenTheftDetected,
)
from reseal.core.events import EventName
from reseal.testing._async.session_suites.base import WINDOW, AsyncSessionTests, error_of, family_of, token_of
from reseal.testing._async.world import AsyncWorld


class AsyncClassicSuite(AsyncSessionTests):
    async def test_classic_marks_the_tokens_of_a_refresh_until_one_has_come_to_the_store(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions(rotation_policy="classic")
        pair = await sessions.create("user")
        assert not pair.claims.unconfirmed
        successor = await sessions.refresh(token_of(pair))
        claims = sessions.verify(successor.access_token)
        assert claims.unconfirmed
        assert sessions.verify((await sessions.refresh(token_of(pair))).access_token).unconfirmed
        record = await sessions.check(claims)
        plain = await sessions.reissue(claims, record)
        assert not sessions.verify(plain.access_token).unconfirmed
        world.clock.advance(WINDOW)
        assert isinstance(await error_of(sessions, token_of(pair)), TokenTheftDetected)

    async def test_classic_reports_theft_and_leaves_the_session_to_the_application(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(rotation_policy="classic")
        line = await family_of(sessions, await sessions.create("user"), 2)
        for n in range(1, 4):
            assert isinstance(await error_of(sessions, line[0]), TokenTheftDetected)
            assert len(world.events.named(EventName.TOKEN_THEFT)) == n
        newest = await sessions.refresh(line[-1])
        await sessions.check(newest.claims)

    async def test_graceful_marks_no_token(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        successor = await sessions.refresh(token_of(await sessions.create("user")))
        assert not sessions.verify(successor.access_token).unconfirmed
