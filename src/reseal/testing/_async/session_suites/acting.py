"""Sessions in which a user acts as another one: they live no longer than that user's own session."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from reseal._async.ports import AsyncSessions
from reseal.core.errors import InvalidInput, Refusal, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.holding import SessionHeld
from reseal.core.model import EndReason
from reseal.core.session_policy import SessionPolicy
from reseal.core.tokens import TokenPair
from reseal.testing._async.session_suites.base import THIEF, AsyncSessionTests, caught, error_of, reason_of, token_of
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR, MINUTE

IDLE = 2 * HOUR
SETTINGS: dict[str, Any] = {"refresh_token_validity": IDLE // MINUTE, "theft_response": "revoke_session"}


def act(own: TokenPair, **more: Any) -> dict[str, Any]:
    return {"act": {"sub": own.claims.sub, "sid": own.claims.sid} | more}


async def acted(sessions: AsyncSessions, own: TokenPair, user_id: str = "alice", **options: Any) -> TokenPair:
    return await sessions.create(user_id, {"role": "customer", **act(own)}, **options)


async def opened(world: AsyncWorld, **changes: Any) -> AsyncSessions:
    return await world.sessions(**SETTINGS, **changes)


class Signed(NamedTuple):
    """A user who is signed in, and acts as others."""

    world: AsyncWorld
    sessions: AsyncSessions
    own: TokenPair


async def signed_out(staff: Signed) -> None:
    await staff.sessions.revoke((staff.own.claims.sid,), EndReason.SIGNED_OUT)


async def all_ended(staff: Signed) -> None:
    await staff.sessions.revoke_user("sam")


async def stolen(staff: Signed) -> None:
    own = staff.own
    for _ in range(2):
        own = await staff.sessions.refresh(token_of(own))
    assert isinstance(await error_of(staff.sessions, token_of(staff.own), THIEF), TokenTheftDetected)


async def by_an_operator(staff: Signed) -> None:
    staff.world.clock.advance(1)
    await staff.sessions.end_before(staff.world.clock.wall(), user_id="sam")


async def over_the_limit(staff: Signed) -> None:
    await staff.sessions.create("sam", policy=SessionPolicy(max_sessions=1))


End = Callable[[Signed], Awaitable[None]]
ENDS: dict[End, Refusal] = {
    signed_out: Refusal.SIGNED_OUT,
    all_ended: Refusal.USER_REVOKED,
    stolen: Refusal.THEFT,
    by_an_operator: Refusal.NOT_BEFORE,
    over_the_limit: Refusal.LIMIT,
}


class Acting(NamedTuple):
    """An impersonation, and the actor's own session."""

    session: TokenPair
    own: TokenPair


class AsyncActingSuite(AsyncSessionTests):
    @pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
    async def test_it_is_over_for_every_call_once_the_actor_s_own_session_is(self, world: AsyncWorld, end: End) -> None:
        sessions = await opened(world)
        own = await sessions.create("sam")
        world.clock.advance(HOUR)
        pairs = [await acted(sessions, own) for _ in range(7)]
        tickets = [await sessions.issue_ticket(pair.claims, "/live") for pair in pairs]
        await end(Signed(world, sessions, own))
        sids = [pair.claims.sid for pair in pairs]
        calls: list[Any] = [
            partial(sessions.check, pairs[0].claims),
            partial(sessions.get, sids[1]),
            partial(sessions.update, sids[2], session_data={}),
            partial(sessions.rename, sids[3], "name"),
            partial(sessions.issue_ticket, pairs[4].claims, "/live"),
            partial(sessions.redeem_ticket, tickets[5], "/live"),
        ]
        for call in calls:
            assert await reason_of(call) is ENDS[end]
        assert set(await sessions.why_ended(sids)) == set(sids)
        assert await sessions.list_user("alice") == ()

    async def test_what_ends_it_is_reported_once_with_the_reason(self, world: AsyncWorld) -> None:
        sessions, elsewhere = await opened(world), await opened(world)
        own = await sessions.create("sam")
        pair = await acted(sessions, own)
        await sessions.check(pair.claims)
        assert world.events.named(EventName.IMPERSONATION_ENDED) == []
        await stolen(Signed(world, elsewhere, own))
        for side in (sessions, elsewhere):
            for _ in range(2):
                assert isinstance(await caught(side.check, pair.claims), Unauthorised)
                assert await side.list_user("alice") == ()
        [event] = world.events.named(EventName.IMPERSONATION_ENDED)
        assert (event.session_handle, event.user_id, event.by) == (pair.claims.sid, "alice", "sam")
        assert event.reason == "theft"
        [ended] = [each for each in await sessions.list_ended("alice", DAY) if each.handle == pair.claims.sid]
        assert ended.end_reason is EndReason.SIGNED_OUT

    async def test_the_end_of_the_one_is_the_end_of_the_other_also_after_a_crash_between_the_two(
        self, world: AsyncWorld
    ) -> None:
        sessions = await opened(world)
        own = await sessions.create("sam")
        pair = await acted(sessions, own)
        await signed_out(Signed(world, sessions, own))
        sessions = await world.restart(**SETTINGS)
        assert await reason_of(sessions.check, pair.claims) is Refusal.SIGNED_OUT
        other = await sessions.create("sam")
        pair = await acted(sessions, other)
        await signed_out(Signed(world, sessions, other))
        world.store.refuse("end")
        assert not isinstance(await caught(sessions.check, pair.claims), Unauthorised | None)
        assert await reason_of(sessions.check, pair.claims) is Refusal.SIGNED_OUT

    async def test_while_the_actor_s_own_session_is_held_nobody_acts_in_it(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="hold", theft_cases=1)
        own = await sessions.create("sam")
        pair, token = await acted(sessions, own), token_of(own)
        for _ in range(2):
            own = await sessions.refresh(token_of(own))
        assert isinstance(await error_of(sessions, token, THIEF), SessionHeld)
        for call in (partial(sessions.check, pair.claims), partial(acted, sessions, own, "bob")):
            assert isinstance(await caught(call), SessionHeld)
        assert [each.handle for each in await sessions.list_user("alice")] == [pair.claims.sid]

    async def test_it_may_begin_while_the_own_session_ends_but_nobody_acts_in_it(self, world: AsyncWorld) -> None:
        sessions = await opened(world)
        for round_ in range(8):
            own = await sessions.create("sam")
            begin, end = partial(acted, sessions, own), partial(sessions.revoke, (own.claims.sid,))
            calls: list[Any] = [begin, end] if round_ % 2 else [end, begin]
            begun = (await together(calls))[calls.index(begin)]
            if isinstance(begun, TokenPair):
                assert await reason_of(sessions.check, begun.claims) is Refusal.REVOKED
            else:
                assert isinstance(begun, Unauthorised)
        assert await sessions.list_user("alice") == ()

    async def test_it_ends_alone_and_leaves_the_actor_s_own_session(self, world: AsyncWorld) -> None:
        sessions = await opened(world)
        own = await sessions.create("sam")
        pair, other = await acted(sessions, own), await acted(sessions, own, "bob")
        await sessions.revoke_user("alice")
        assert await reason_of(sessions.check, pair.claims) is Refusal.USER_REVOKED
        await sessions.check(own.claims)
        await sessions.check(other.claims)
        assert [each.handle for each in await sessions.list_user("bob")] == [other.claims.sid]

    async def test_it_ends_no_later_than_the_actor_s_own_session(self, world: AsyncWorld) -> None:
        sessions = await opened(world)
        own = await sessions.create("sam")
        world.clock.advance(IDLE - 10 * MINUTE)
        for lifetime in (None, HOUR, 5 * MINUTE):
            pair = await acted(sessions, own, lifetime_ms=lifetime)
            left = min(10 * MINUTE, lifetime or IDLE)
            assert pair.claims.exp == (world.clock.wall() + left) // 1000
            assert pair.session_expires_at == world.clock.wall() + left

    async def test_only_a_live_session_of_the_actor_s_own_acts(self, world: AsyncWorld) -> None:
        sessions = await opened(world)
        own, other = await sessions.create("sam"), await sessions.create("bob")
        first = await acted(sessions, own)
        for members in (act(own, sub="bob"), act(other, sub="sam"), act(first), act(first, sub="sam")):
            assert isinstance(await caught(sessions.create, "carol", members), InvalidInput)
        assert isinstance(await caught(sessions.create, "carol", act(own, sid="absent")), Unauthorised)
        await signed_out(Signed(world, sessions, own))
        assert await reason_of(acted, sessions, own, "carol") is Refusal.SIGNED_OUT
        assert await sessions.list_user("carol") == ()

    async def test_a_claim_that_only_bears_the_name_is_one_of_the_application_s(self, world: AsyncWorld) -> None:
        sessions = await opened(world)
        pair = await sessions.create("alice", {"act": "one", "role": '"act"'})
        assert (await sessions.check(pair.claims)).user_id == "alice"
        assert [each.handle for each in await sessions.list_user("alice")] == [pair.claims.sid]

    async def test_pages_of_a_list_are_whole_though_some_of_their_sessions_end(self, world: AsyncWorld) -> None:
        sessions = await opened(world)
        own = await sessions.create("sam")
        kept = []
        for number in range(220):
            pair = await (acted(sessions, own) if number % 3 else sessions.create("alice"))
            kept += [] if number % 3 else [pair.claims.sid]
        await signed_out(Signed(world, sessions, own))
        assert {each.handle for each in await sessions.list_user("alice")} == set(kept)

    @pytest.mark.parametrize("seed", range(6))
    async def test_whatever_happens_an_impersonation_lives_only_beside_its_actor_s_session(
        self, world: AsyncWorld, seed: int
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
        sessions = await opened(world)
        own: dict[str, TokenPair] = {}
        acting: list[Acting] = []
        over: set[str] = set()
        for _ in range(40):
            staff = chance.choice(("sam", "kim"))
            step = chance.randrange(8)
            if staff not in own or own[staff].claims.sid in over:
                own[staff] = await sessions.create(staff)
            match step:
                case 0 | 1 | 2:
                    user_id = chance.choice(("alice", "bob"))
                    acting.append(Acting(await acted(sessions, own[staff], user_id), own[staff]))
                case 3:
                    own[staff] = await sessions.refresh(token_of(own[staff]))
                case 4:
                    await chance.choice((signed_out, stolen))(Signed(world, sessions, own[staff]))
                    over.add(own[staff].claims.sid)
                case 5 if acting:
                    one = chance.choice(acting).session.claims.sid
                    await sessions.revoke((one,))
                    over.add(one)
                case 6:
                    user_id = chance.choice(("alice", "sam"))
                    over |= set(await sessions.revoke_user(user_id))
                case _:
                    sessions = await world.restart(
                        refresh_token_validity=IDLE // MINUTE, theft_response="revoke_session"
                    )
            live = {
                each.session.claims.sid for each in acting if not {each.session.claims.sid, each.own.claims.sid} & over
            }
            everyone = [each.session.claims.sid for each in acting]
            some = [each for each in acting if chance.randrange(3) == 0]
            for each in some:
                error = await caught(sessions.check, each.session.claims)
                assert (error is None) == (each.session.claims.sid in live)
            assert everyone == [] or set(everyone) - set(await sessions.why_ended(everyone)) == live
            shown = [record for user in ("alice", "bob") for record in await sessions.list_user(user)]
            assert {record.handle for record in shown} == live
