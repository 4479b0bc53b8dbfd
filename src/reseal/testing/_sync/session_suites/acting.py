# Generated from src/reseal/testing/_async/session_suites/acting.py by tools/unasync.py; edit that file instead.
"""Sessions in which a user acts as another one: they live no longer than that user's own session."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from reseal._sync.ports import Sessions
from reseal.core.errors import InvalidInput, Refusal, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.holding import SessionHeld
from reseal.core.model import EndReason
from reseal.core.session_policy import SessionPolicy
from reseal.core.tokens import TokenPair
from reseal.testing._sync.session_suites.base import THIEF, SessionTests, caught, error_of, reason_of, token_of
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import World
from reseal.testing.material import DAY, HOUR, MINUTE

IDLE = 2 * HOUR
SETTINGS: dict[str, Any] = {"refresh_token_validity": IDLE // MINUTE, "theft_response": "revoke_session"}


def act(own: TokenPair, **more: Any) -> dict[str, Any]:
    return {"act": {"sub": own.claims.sub, "sid": own.claims.sid} | more}


def acted(sessions: Sessions, own: TokenPair, user_id: str = "alice", **options: Any) -> TokenPair:
    return sessions.create(user_id, {"role": "customer", **act(own)}, **options)


def opened(world: World, **changes: Any) -> Sessions:
    return world.sessions(**SETTINGS, **changes)


class Signed(NamedTuple):
    """A user who is signed in, and acts as others."""

    world: World
    sessions: Sessions
    own: TokenPair


def signed_out(staff: Signed) -> None:
    staff.sessions.revoke((staff.own.claims.sid,), EndReason.SIGNED_OUT)


def all_ended(staff: Signed) -> None:
    staff.sessions.revoke_user("sam")


def stolen(staff: Signed) -> None:
    own = staff.own
    for _ in range(2):
        own = staff.sessions.refresh(token_of(own))
    assert isinstance(error_of(staff.sessions, token_of(staff.own), THIEF), TokenTheftDetected)


def by_an_operator(staff: Signed) -> None:
    staff.world.clock.advance(1)
    staff.sessions.end_before(staff.world.clock.wall(), user_id="sam")


def over_the_limit(staff: Signed) -> None:
    staff.sessions.create("sam", policy=SessionPolicy(max_sessions=1))


End = Callable[[Signed], None]
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


class ActingSuite(SessionTests):
    @pytest.mark.parametrize("end", ENDS, ids=lambda end: end.__name__)
    def test_it_is_over_for_every_call_once_the_actor_s_own_session_is(self, world: World, end: End) -> None:
        sessions = opened(world)
        own = sessions.create("sam")
        world.clock.advance(HOUR)
        pairs = [acted(sessions, own) for _ in range(7)]
        tickets = [sessions.issue_ticket(pair.claims, "/live") for pair in pairs]
        end(Signed(world, sessions, own))
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
            assert reason_of(call) is ENDS[end]
        assert set(sessions.why_ended(sids)) == set(sids)
        assert sessions.list_user("alice") == ()

    def test_what_ends_it_is_reported_once_with_the_reason(self, world: World) -> None:
        sessions, elsewhere = opened(world), opened(world)
        own = sessions.create("sam")
        pair = acted(sessions, own)
        sessions.check(pair.claims)
        assert world.events.named(EventName.IMPERSONATION_ENDED) == []
        stolen(Signed(world, elsewhere, own))
        for side in (sessions, elsewhere):
            for _ in range(2):
                assert isinstance(caught(side.check, pair.claims), Unauthorised)
                assert side.list_user("alice") == ()
        [event] = world.events.named(EventName.IMPERSONATION_ENDED)
        assert (event.session_handle, event.user_id, event.by) == (pair.claims.sid, "alice", "sam")
        assert event.reason == "theft"
        [ended] = [each for each in sessions.list_ended("alice", DAY) if each.handle == pair.claims.sid]
        assert ended.end_reason is EndReason.SIGNED_OUT

    def test_the_end_of_the_one_is_the_end_of_the_other_also_after_a_crash_between_the_two(
        self, world: World
    ) -> None:
        sessions = opened(world)
        own = sessions.create("sam")
        pair = acted(sessions, own)
        signed_out(Signed(world, sessions, own))
        sessions = world.restart(**SETTINGS)
        assert reason_of(sessions.check, pair.claims) is Refusal.SIGNED_OUT
        other = sessions.create("sam")
        pair = acted(sessions, other)
        signed_out(Signed(world, sessions, other))
        world.store.refuse("end")
        assert not isinstance(caught(sessions.check, pair.claims), Unauthorised | None)
        assert reason_of(sessions.check, pair.claims) is Refusal.SIGNED_OUT

    def test_while_the_actor_s_own_session_is_held_nobody_acts_in_it(self, world: World) -> None:
        sessions = world.sessions(theft_response="hold", theft_cases=1)
        own = sessions.create("sam")
        pair, token = acted(sessions, own), token_of(own)
        for _ in range(2):
            own = sessions.refresh(token_of(own))
        assert isinstance(error_of(sessions, token, THIEF), SessionHeld)
        for call in (partial(sessions.check, pair.claims), partial(acted, sessions, own, "bob")):
            assert isinstance(caught(call), SessionHeld)
        assert [each.handle for each in sessions.list_user("alice")] == [pair.claims.sid]

    def test_it_may_begin_while_the_own_session_ends_but_nobody_acts_in_it(self, world: World) -> None:
        sessions = opened(world)
        for round_ in range(8):
            own = sessions.create("sam")
            begin, end = partial(acted, sessions, own), partial(sessions.revoke, (own.claims.sid,))
            calls: list[Any] = [begin, end] if round_ % 2 else [end, begin]
            begun = (together(calls))[calls.index(begin)]
            if isinstance(begun, TokenPair):
                assert reason_of(sessions.check, begun.claims) is Refusal.REVOKED
            else:
                assert isinstance(begun, Unauthorised)
        assert sessions.list_user("alice") == ()

    def test_it_ends_alone_and_leaves_the_actor_s_own_session(self, world: World) -> None:
        sessions = opened(world)
        own = sessions.create("sam")
        pair, other = acted(sessions, own), acted(sessions, own, "bob")
        sessions.revoke_user("alice")
        assert reason_of(sessions.check, pair.claims) is Refusal.USER_REVOKED
        sessions.check(own.claims)
        sessions.check(other.claims)
        assert [each.handle for each in sessions.list_user("bob")] == [other.claims.sid]

    def test_it_ends_no_later_than_the_actor_s_own_session(self, world: World) -> None:
        sessions = opened(world)
        own = sessions.create("sam")
        world.clock.advance(IDLE - 10 * MINUTE)
        for lifetime in (None, HOUR, 5 * MINUTE):
            pair = acted(sessions, own, lifetime_ms=lifetime)
            left = min(10 * MINUTE, lifetime or IDLE)
            assert pair.claims.exp == (world.clock.wall() + left) // 1000
            assert pair.session_expires_at == world.clock.wall() + left

    def test_only_a_live_session_of_the_actor_s_own_acts(self, world: World) -> None:
        sessions = opened(world)
        own, other = sessions.create("sam"), sessions.create("bob")
        first = acted(sessions, own)
        for members in (act(own, sub="bob"), act(other, sub="sam"), act(first), act(first, sub="sam")):
            assert isinstance(caught(sessions.create, "carol", members), InvalidInput)
        assert isinstance(caught(sessions.create, "carol", act(own, sid="absent")), Unauthorised)
        signed_out(Signed(world, sessions, own))
        assert reason_of(acted, sessions, own, "carol") is Refusal.SIGNED_OUT
        assert sessions.list_user("carol") == ()

    def test_a_claim_that_only_bears_the_name_is_one_of_the_application_s(self, world: World) -> None:
        sessions = opened(world)
        pair = sessions.create("alice", {"act": "one", "role": '"act"'})
        assert (sessions.check(pair.claims)).user_id == "alice"
        assert [each.handle for each in sessions.list_user("alice")] == [pair.claims.sid]

    def test_pages_of_a_list_are_whole_though_some_of_their_sessions_end(self, world: World) -> None:
        sessions = opened(world)
        own = sessions.create("sam")
        kept = []
        for number in range(220):
            pair = (acted(sessions, own) if number % 3 else sessions.create("alice"))
            kept += [] if number % 3 else [pair.claims.sid]
        signed_out(Signed(world, sessions, own))
        assert {each.handle for each in sessions.list_user("alice")} == set(kept)

    @pytest.mark.parametrize("seed", range(6))
    def test_whatever_happens_an_impersonation_lives_only_beside_its_actor_s_session(
        self, world: World, seed: int
    ) -> None:
        chance = random.Random(seed)  # noqa: S311 - a test that can be repeated
        sessions = opened(world)
        own: dict[str, TokenPair] = {}
        acting: list[Acting] = []
        over: set[str] = set()
        for _ in range(40):
            staff = chance.choice(("sam", "kim"))
            step = chance.randrange(8)
            if staff not in own or own[staff].claims.sid in over:
                own[staff] = sessions.create(staff)
            match step:
                case 0 | 1 | 2:
                    user_id = chance.choice(("alice", "bob"))
                    acting.append(Acting(acted(sessions, own[staff], user_id), own[staff]))
                case 3:
                    own[staff] = sessions.refresh(token_of(own[staff]))
                case 4:
                    chance.choice((signed_out, stolen))(Signed(world, sessions, own[staff]))
                    over.add(own[staff].claims.sid)
                case 5 if acting:
                    one = chance.choice(acting).session.claims.sid
                    sessions.revoke((one,))
                    over.add(one)
                case 6:
                    user_id = chance.choice(("alice", "sam"))
                    over |= set(sessions.revoke_user(user_id))
                case _:
                    sessions = world.restart(
                        refresh_token_validity=IDLE // MINUTE, theft_response="revoke_session"
                    )
            live = {
                each.session.claims.sid for each in acting if not {each.session.claims.sid, each.own.claims.sid} & over
            }
            everyone = [each.session.claims.sid for each in acting]
            some = [each for each in acting if chance.randrange(3) == 0]
            for each in some:
                error = caught(sessions.check, each.session.claims)
                assert (error is None) == (each.session.claims.sid in live)
            assert everyone == [] or set(everyone) - set(sessions.why_ended(everyone)) == live
            shown = [record for user in ("alice", "bob") for record in sessions.list_user(user)]
            assert {record.handle for record in shown} == live
