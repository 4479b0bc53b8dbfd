# Generated from src/reseal/testing/_async/session_suites/classic.py by tools/unasync.py; edit that file instead.
"""The classic policy."""

from __future__ import annotations

from reseal.core.errors import (
    TokenTheftDetected,
)
from reseal.core.events import EventName
from reseal.testing._sync.session_suites.base import WINDOW, SessionTests, error_of, family_of, token_of
from reseal.testing._sync.world import World


class ClassicSuite(SessionTests):
    def test_classic_marks_the_tokens_of_a_refresh_until_one_has_come_to_the_store(
        self, world: World
    ) -> None:
        sessions = world.sessions(rotation_policy="classic")
        pair = sessions.create("user")
        assert not pair.claims.unconfirmed
        successor = sessions.refresh(token_of(pair))
        claims = sessions.verify(successor.access_token)
        assert claims.unconfirmed
        assert sessions.verify((sessions.refresh(token_of(pair))).access_token).unconfirmed
        record = sessions.check(claims)
        plain = sessions.reissue(claims, record)
        assert not sessions.verify(plain.access_token).unconfirmed
        world.clock.advance(WINDOW)
        assert isinstance(error_of(sessions, token_of(pair)), TokenTheftDetected)

    def test_classic_reports_theft_and_leaves_the_session_to_the_application(self, world: World) -> None:
        sessions = world.sessions(rotation_policy="classic")
        line = family_of(sessions, sessions.create("user"), 2)
        for n in range(1, 4):
            assert isinstance(error_of(sessions, line[0]), TokenTheftDetected)
            assert len(world.events.named(EventName.TOKEN_THEFT)) == n
        newest = sessions.refresh(line[-1])
        sessions.check(newest.claims)

    def test_graceful_marks_no_token(self, world: World) -> None:
        sessions = world.sessions()
        successor = sessions.refresh(token_of(sessions.create("user")))
        assert not sessions.verify(successor.access_token).unconfirmed
