"""A store may end some sessions of a call and fail before the others: a repetition ends the rest."""

from __future__ import annotations

import pytest

from reseal._async.forwarding import AsyncForwardingStore
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.core.errors import Refusal, StoreUnavailable, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.model import Scope
from reseal.core.selection import PAGE, UserPlace
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import MINUTE

SCOPE = Scope()


class PartlyEnding(AsyncForwardingStore):
    """Ends the first two sessions of its first call about several, and fails."""

    has_failed = False

    async def end(self, scope, handles, reason, reports=(), note=None):
        handles = list(handles)
        await self._fail_after(handles[:2], reason, several=len(handles) > 2)
        return await super().end(scope, handles, reason, reports, note)

    async def end_user(self, scope, user_id, reason, keep=None, reports=()):
        theirs = [
            record.handle for record in await self.list_user(scope, user_id, UserPlace(), PAGE) if record.handle != keep
        ]
        await self._fail_after(theirs[:2], reason, several=len(theirs) > 2)
        return await super().end_user(scope, user_id, reason, keep, reports)

    async def _fail_after(self, handles, reason, *, several):
        if several and not self.has_failed:
            self.has_failed = True
            await self.inner.end(SCOPE, handles, reason)
            raise StoreUnavailable


@pytest.fixture
async def world():
    async with AsyncWorld(lambda clock: PartlyEnding(AsyncMemoryStore(clock))) as world:
        yield world


async def test_a_repeated_revocation_ends_the_sessions_that_were_left(world):
    sessions = await world.sessions()
    handles = [(await sessions.create("user")).claims.sid for _ in range(5)]
    with pytest.raises(StoreUnavailable):
        await sessions.revoke(handles)
    assert await sessions.revoke(handles) == tuple(handles[2:])
    assert await sessions.why_ended(handles) == dict.fromkeys(handles, Refusal.REVOKED)


async def test_a_repeated_revocation_of_a_user_ends_the_sessions_that_were_left(world):
    sessions = await world.sessions()
    keep, *others = [(await sessions.create("user")).claims.sid for _ in range(5)]
    with pytest.raises(StoreUnavailable):
        await sessions.revoke_user("user", keep=keep)
    rest = await sessions.revoke_user("user", keep=keep)
    assert len(rest) == 2
    assert set(rest) < set(others)
    assert [record.handle for record in await sessions.list_user("user")] == [keep]


async def test_a_theft_is_met_again_until_every_session_of_the_user_has_ended(world):
    sessions = await world.sessions(theft_response="revoke_user")
    for _ in range(4):
        await sessions.create("user")
    stolen = await sessions.create("user")
    await sessions.refresh((await sessions.refresh(stolen.refresh_token)).refresh_token)
    world.clock.advance(MINUTE)
    with pytest.raises(StoreUnavailable):
        await sessions.refresh(stolen.refresh_token)
    assert len(await sessions.list_user("user")) == 3
    with pytest.raises(TokenTheftDetected):
        await sessions.refresh(stolen.refresh_token)
    assert await sessions.list_user("user") == ()
    assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
    with pytest.raises(Unauthorised):
        await sessions.refresh(stolen.refresh_token)


async def test_a_walk_over_old_sessions_that_failed_goes_on_when_it_is_called_again(world):
    sessions = await world.sessions()
    for _ in range(5):
        await sessions.create("user")
    world.clock.advance(MINUTE)
    moment = world.clock.wall()
    with pytest.raises(StoreUnavailable):
        await sessions.end_before(moment)
    assert await sessions.end_before(moment) == 3
    assert await sessions.list_user("user") == ()
