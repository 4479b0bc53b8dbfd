# Generated from tests/_async/test_part_done.py by tools/unasync.py; edit that file instead.
"""A store may end some sessions of a call and fail before the others: a repetition ends the rest."""

from __future__ import annotations

import pytest

from reseal._sync.forwarding import ForwardingStore
from reseal._sync.stores.memory import MemoryStore
from reseal.core.errors import Refusal, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.model import Scope
from reseal.core.selection import PAGE, UserPlace
from reseal.testing._sync.world import World
from reseal.testing.material import MINUTE

SCOPE = Scope()


class PartlyEnding(ForwardingStore):
    """Ends the first two sessions of its first call about several, and fails."""

    has_failed = False

    def end(self, scope, handles, reason, reports=(), note=None):
        handles = list(handles)
        self._fail_after(handles[:2], reason, several=len(handles) > 2)
        return super().end(scope, handles, reason, reports, note)

    def end_user(self, scope, user_id, reason, keep=None, reports=()):
        theirs = [
            record.handle for record in self.list_user(scope, user_id, UserPlace(), PAGE) if record.handle != keep
        ]
        self._fail_after(theirs[:2], reason, several=len(theirs) > 2)
        return super().end_user(scope, user_id, reason, keep, reports)

    def _fail_after(self, handles, reason, *, several):
        if several and not self.has_failed:
            self.has_failed = True
            self.inner.end(SCOPE, handles, reason)
            raise StoreUnavailable


@pytest.fixture
def world():
    with World(lambda clock: PartlyEnding(MemoryStore(clock))) as world:
        yield world


def test_a_repeated_revocation_ends_the_sessions_that_were_left(world):
    sessions = world.sessions()
    handles = [(sessions.create("user")).claims.sid for _ in range(5)]
    with pytest.raises(StoreUnavailable):
        sessions.revoke(handles)
    assert sessions.revoke(handles) == tuple(handles[2:])
    assert sessions.why_ended(handles) == dict.fromkeys(handles, Refusal.REVOKED)


def test_a_repeated_revocation_of_a_user_ends_the_sessions_that_were_left(world):
    sessions = world.sessions()
    keep, *others = [(sessions.create("user")).claims.sid for _ in range(5)]
    with pytest.raises(StoreUnavailable):
        sessions.revoke_user("user", keep=keep)
    rest = sessions.revoke_user("user", keep=keep)
    assert len(rest) == 2
    assert set(rest) < set(others)
    assert [record.handle for record in sessions.list_user("user")] == [keep]


def test_a_theft_is_met_again_until_every_session_of_the_user_has_ended(world):
    sessions = world.sessions(theft_response="revoke_user")
    for _ in range(4):
        sessions.create("user")
    stolen = sessions.create("user")
    sessions.refresh((sessions.refresh(stolen.refresh_token)).refresh_token)
    world.clock.advance(MINUTE)
    with pytest.raises(StoreUnavailable):
        sessions.refresh(stolen.refresh_token)
    assert len(sessions.list_user("user")) == 3
    with pytest.raises(TokenTheftDetected):
        sessions.refresh(stolen.refresh_token)
    assert sessions.list_user("user") == ()
    assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
    with pytest.raises(Unauthorised):
        sessions.refresh(stolen.refresh_token)


def test_a_walk_over_old_sessions_that_failed_goes_on_when_it_is_called_again(world):
    sessions = world.sessions()
    for _ in range(5):
        sessions.create("user")
    world.clock.advance(MINUTE)
    moment = world.clock.wall()
    with pytest.raises(StoreUnavailable):
        sessions.end_before(moment)
    assert sessions.end_before(moment) == 3
    assert sessions.list_user("user") == ()
