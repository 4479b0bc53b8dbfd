"""Policies of single sessions."""
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant

from __future__ import annotations

import dataclasses
from functools import partial

import pytest
from msgspec.structs import replace

from reseal._async.ports import AsyncSessions
from reseal._async.session_policies import AsyncSessionPolicies, SignIn
from reseal.core.errors import InvalidInput, Refusal, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.holding import SessionHeld
from reseal.core.ids import ANONYMOUS
from reseal.core.model import TheftResponse
from reseal.core.session_policy import Replaced, SessionPolicy, TooManySessions
from reseal.core.tokens import TokenPair
from reseal.devices import DeviceKind
from reseal.settings.policies import policies
from reseal.testing._async.session_suites.base import (
    OWNER,
    SECOND,
    THIEF,
    AsyncSessionTests,
    caught,
    errors_in,
    family_of,
    refusal_of,
    token_of,
)
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR, MINUTE


class Chosen(AsyncSessionPolicies):
    def __init__(self, backend: AsyncSessions) -> None:
        self.backend, self.settings = backend, backend.settings


class AsyncPolicySuite(AsyncSessionTests):
    async def test_a_session_follows_the_idle_limit_of_its_policy(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", policy=SessionPolicy(idle_ms=HOUR))
        assert pair.session_expires_at == world.clock.wall() + HOUR
        for _ in range(3):
            world.clock.advance(HOUR - SECOND)
            pair = await sessions.refresh(token_of(pair), caller=OWNER)
            assert pair.session_expires_at == world.clock.wall() + HOUR
        world.clock.advance(HOUR)
        assert await refusal_of(sessions, token_of(pair)) is Refusal.EXPIRED

    async def test_a_longer_idle_limit_than_that_of_the_settings_is_followed_too(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(refresh_token_validity=120)
        pair = await sessions.create("user", policy=SessionPolicy(idle_ms=30 * DAY))
        for _ in range(2):
            world.clock.advance(29 * DAY)
            pair = await sessions.refresh(token_of(pair), caller=OWNER)
        assert pair.claims.gen == 2

    async def test_no_refresh_moves_the_absolute_limit_of_a_policy(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", policy=SessionPolicy(absolute_ms=2 * HOUR))
        end = world.clock.wall() + 2 * HOUR
        world.clock.advance(HOUR)
        pair = await sessions.refresh(token_of(pair), caller=OWNER)
        assert pair.session_expires_at == end
        world.clock.advance(HOUR)
        assert await refusal_of(sessions, token_of(pair)) is Refusal.ABSOLUTE_TIMEOUT

    async def test_the_access_tokens_of_a_session_live_as_long_as_its_policy_says(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", policy=SessionPolicy(access_token_ms=MINUTE))
        record = await sessions.get(pair.claims.sid)
        pairs = [pair, await sessions.refresh(token_of(pair)), await sessions.reissue(pair.claims, record)]
        assert [each.claims.exp - each.claims.iat for each in pairs] == [60, 60, 60]

    async def test_no_policy_makes_access_tokens_outlive_the_keys(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=600)
        pair = await sessions.create("user", policy=SessionPolicy(access_token_ms=DAY))
        assert pair.claims.exp - pair.claims.iat == 600

    async def test_access_tokens_end_at_different_times_and_each_token_always_at_the_same(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions(access_token_validity=1000, access_token_validity_jitter=0.25)
        pairs = [await sessions.create("user") for _ in range(8)]
        short = await sessions.create("user", policy=SessionPolicy(access_token_ms=100 * SECOND))
        for pair, longest in [*((each, 1000) for each in pairs), (short, 100)]:
            later = await sessions.refresh(token_of(pair))
            again = await sessions.refresh(token_of(pair))
            reissued = await sessions.reissue(later.claims, await sessions.get(pair.claims.sid))
            assert later.claims.exp == again.claims.exp == reissued.claims.exp
            assert all(0.75 * longest - 1 <= each.claims.exp - each.claims.iat <= longest for each in (pair, later))
        assert len({pair.claims.exp - pair.claims.iat for pair in pairs}) > 2

    async def test_no_jitter_makes_a_token_that_is_over_at_once(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(access_token_validity=1, access_token_validity_jitter=0.25)
        pairs = [await sessions.create("user") for _ in range(8)]
        assert {pair.claims.exp - pair.claims.iat for pair in pairs} == {1}

    async def test_every_answer_says_whether_the_browser_keeps_the_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for policy in (SessionPolicy(persistent=False), SessionPolicy(), None):
            is_kept = policy is None or policy.persistent
            pair = await sessions.create("user", policy=policy)
            record = await sessions.get(pair.claims.sid)
            later = await sessions.refresh(token_of(pair))
            again = await sessions.refresh(token_of(pair))
            reissued = await sessions.reissue(pair.claims, record)
            assert {each.persistent for each in (pair, later, again, reissued)} == {is_kept}

    async def test_many_tabs_of_a_session_with_a_policy_get_one_successor(self, world: AsyncWorld) -> None:
        sessions = [await world.sessions() for _ in range(3)]
        pair = await sessions[0].create("user", policy=SessionPolicy(idle_ms=HOUR))
        results = await together(partial(each.refresh, token_of(pair), caller=OWNER) for each in sessions * 4)
        assert not errors_in(results)
        assert len({each.refresh_token for each in results if isinstance(each, TokenPair)}) == 1

    async def test_a_thief_of_a_session_with_a_policy_is_found_and_answered_as_it_says(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        for response in TheftResponse:
            other = await sessions.create("user")
            pair = await sessions.create("user", policy=SessionPolicy(theft_response=response))
            line = await family_of(sessions, pair, 2)
            error = await caught(sessions.refresh, line[0], caller=THIEF)
            assert isinstance(error, SessionHeld if response in {"hold", "step_up"} else TokenTheftDetected)
            ended = await sessions.why_ended([pair.claims.sid, other.claims.sid])
            assert len(ended) == {"revoke_session": 1, "revoke_user": 2}.get(response.value, 0)
            await sessions.revoke_user("user")

    async def test_a_session_may_follow_the_classic_rotation(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(lost_response_window=0)
        for policy, is_theft in ((SessionPolicy(rotation="classic"), False), (SessionPolicy(), True)):
            pair = await sessions.create("user", policy=policy)
            await sessions.refresh(token_of(pair), caller=OWNER)
            world.clock.advance(HOUR)
            outcome = await caught(sessions.refresh, token_of(pair), caller=OWNER)
            assert isinstance(outcome, TokenTheftDetected) is is_theft

    async def test_a_store_that_was_put_back_does_not_lose_the_policy(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", policy=SessionPolicy(idle_ms=HOUR))
        before = await world.store.get(sessions.settings.scope, pair.claims.sid)
        newer = await sessions.refresh(token_of(pair), caller=OWNER)
        there = await world.store.get(sessions.settings.scope, pair.claims.sid)
        assert before.record is not None
        assert there.record is not None
        await world.store.replace(sessions.settings.scope, replace(before.record, version=there.record.version))
        continued = await sessions.refresh(token_of(newer), caller=OWNER)
        assert (continued.claims.gen, continued.session_expires_at) == (2, world.clock.wall() + HOUR)
        assert len(world.events.named(EventName.STORE_ROLLED_BACK)) == 1

    async def test_sessions_of_other_policies_are_not_affected(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        short = await sessions.create("user", policy=SessionPolicy(idle_ms=MINUTE))
        plain = await sessions.create("user")
        world.clock.advance(MINUTE)
        assert isinstance(await caught(sessions.refresh, token_of(short)), Unauthorised)
        assert (await sessions.refresh(token_of(plain))).claims.gen == 1

    async def test_a_name_that_the_settings_do_not_have_begins_nothing(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        error = await caught(sessions.create, "user", policy="unheard-of")
        assert isinstance(error, InvalidInput)
        assert error.field == "policy"
        assert await sessions.list_user("user") == ()

    async def test_a_changed_policy_reaches_living_sessions_at_their_next_refresh(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(policies={"staff": {"refresh_token_validity": 600}})
        first, second = [await sessions.create("user", policy="staff") for _ in range(2)]
        world.clock.advance(HOUR)
        changed = {"refresh_token_validity": 90, "session_absolute_timeout": 120, "access_token_validity": 60}
        sessions = await world.restart(policies={"staff": {**changed, "persistent": False}})
        pair = await sessions.refresh(token_of(first), caller=OWNER)
        assert pair.session_expires_at == world.clock.wall() + HOUR
        assert (pair.claims.exp - pair.claims.iat, pair.persistent) == (60, False)
        world.clock.advance(30 * MINUTE)
        assert await refusal_of(sessions, token_of(second)) is Refusal.EXPIRED
        sessions = await world.restart(policies={"staff": {"refresh_token_validity": 600}})
        pair = await sessions.refresh(token_of(pair), caller=OWNER)
        assert pair.session_expires_at == world.clock.wall() + 10 * HOUR

    async def test_as_many_sessions_end_as_the_preview_of_a_change_said(self, world: AsyncWorld) -> None:
        table = {"staff": {"refresh_token_validity": 600}, "other": {"session_absolute_timeout": 600}}
        reseal = Chosen(await world.sessions(policies=table))
        pairs = [
            await reseal.backend.create("user", policy=name) for name in ("staff", "staff", "staff", "other", None)
        ]
        ended = await reseal.backend.create("user", policy="staff")
        await reseal.backend.revoke([ended.claims.sid])
        world.clock.advance(HOUR)
        pairs[0] = await reseal.backend.refresh(token_of(pairs[0]), caller=OWNER)
        changed = {"staff": {"refresh_token_validity": 60}, "other": table["other"]}
        planned = dataclasses.replace(reseal.settings, policies=policies(changed))
        assert await reseal.preview_policies(planned) == (5, 2)
        assert await reseal.preview_policies(reseal.settings) == (5, 0)
        assert len(await reseal.backend.list_user("user")) == 5
        sessions = await world.restart(policies=changed)
        outcomes = [await caught(sessions.refresh, token_of(pair), caller=OWNER) for pair in pairs]
        assert len(errors_in(outcomes)) == 2

    async def test_a_session_whose_policy_is_gone_gets_no_longer_life_by_it(self, world: AsyncWorld) -> None:
        limits = {"refresh_token_validity": 60, "session_absolute_timeout": 120}
        sessions = await world.sessions(policies={"kiosk": limits})
        pair = await sessions.create("user", policy="kiosk")
        end = world.clock.wall() + 2 * HOUR
        sessions = await world.restart()
        pair = await sessions.refresh(token_of(pair), caller=OWNER)
        assert (pair.session_expires_at, pair.persistent) == (end, False)
        sessions = await world.restart(refresh_token_validity=90, session_absolute_timeout=100)
        pair = await sessions.refresh(token_of(pair), caller=OWNER)
        assert pair.session_expires_at == world.clock.wall() + 90 * MINUTE

    async def test_a_session_for_which_nobody_chooses_follows_the_policy_called_default(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions(policies={"default": {"refresh_token_validity": 60}})
        assert (await sessions.create("user")).session_expires_at == world.clock.wall() + HOUR

    async def test_no_policy_moves_the_end_of_a_session_that_has_one_of_its_own(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(policies={"default": {"refresh_token_validity": 600, "max_sessions": 1}})
        first = await sessions.create("user")
        pair = await sessions.create("user", lifetime_ms=HOUR)
        end = world.clock.wall() + HOUR
        for _ in range(2):
            pair = await sessions.refresh(token_of(pair), caller=OWNER)
            assert pair.session_expires_at == end
        pair = await sessions.elevate(pair.claims, {"acr": "gold"}, 2 * HOUR)
        assert (pair.session_expires_at, pair.claims.exp) == (end, end // 1000)
        assert await sessions.why_ended([first.claims.sid]) == {}
        error = await caught(sessions.create, "user", lifetime_ms=HOUR, policy=SessionPolicy())
        assert isinstance(error, InvalidInput)

    async def test_an_elevation_follows_the_changed_policy_as_a_refresh_does(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(policies={"staff": {"refresh_token_validity": 600}})
        pairs = [await sessions.create("user", policy="staff") for _ in range(3)]
        world.clock.advance(30 * MINUTE)
        for limits, reason in (
            ({"refresh_token_validity": 20}, Refusal.EXPIRED),
            ({"session_absolute_timeout": 20}, Refusal.ABSOLUTE_TIMEOUT),
        ):
            sessions = await world.restart(policies={"staff": limits})
            error = await caught(sessions.elevate, pairs.pop().claims, {"acr": "gold"}, HOUR)
            assert isinstance(error, Unauthorised)
            assert error.reason is reason
        sessions = await world.restart(policies={"staff": {"refresh_token_validity": 60}})
        pair = await sessions.elevate(pairs.pop().claims, {"acr": "gold"}, HOUR)
        assert pair.session_expires_at == world.clock.wall() + HOUR

    async def test_a_function_of_the_application_chooses_policies(self, world: AsyncWorld) -> None:
        asked = []

        def choose(sign_in: SignIn) -> SessionPolicy | str | None:
            asked.append(sign_in)
            return "staff" if sign_in.claims.get("role") == "admin" else None

        reseal = Chosen(await world.sessions(policies={"staff": {"refresh_token_validity": 60}}))
        assert reseal.choose_policy(choose) is choose
        now = world.clock.wall()
        pairs = [
            await reseal.backend.create("alice", {"role": "admin"}, caller=OWNER),
            await reseal.backend.create("bob"),
            await reseal.backend.create("bob", policy=SessionPolicy(idle_ms=MINUTE)),
        ]
        assert [each.session_expires_at - now for each in pairs] == [HOUR, reseal.settings.idle_ms, MINUTE]
        assert asked == [
            SignIn("alice", "public", {"role": "admin"}, DeviceKind.OTHER),
            SignIn("bob", "public", {}, DeviceKind.OTHER),
        ]

    @pytest.mark.parametrize("most", [1, 3])
    async def test_of_many_sign_ins_at_once_exactly_as_many_live_as_the_policy_allows(
        self, world: AsyncWorld, most: int
    ) -> None:
        several = [await world.sessions() for _ in range(2)]
        policy = SessionPolicy(max_sessions=most)
        results = await together(partial(several[n % 2].create, "user", policy=policy) for n in range(50))
        assert not errors_in(results)
        begun = {each.claims.sid: each for each in results if isinstance(each, TokenPair)}
        living = {record.handle for record in await several[0].list_user("user")}
        assert len(living) == most
        ended = await several[0].why_ended(begun)
        assert ended == dict.fromkeys(begun.keys() - living, Refusal.LIMIT)
        events = world.events.named(EventName.SESSION_REVOKED)
        assert sorted((e.session_handle, e.user_id, e.reason) for e in events) == sorted(
            (handle, "user", "limit") for handle in ended
        )
        gone = begun[next(iter(ended))]
        assert await refusal_of(several[0], token_of(gone)) is Refusal.LIMIT

    async def test_a_sign_in_beyond_the_limit_is_refused_or_the_user_is_to_choose(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(policies={"one": {"max_sessions": 1, "at_limit": "refuse"}})
        first = await sessions.create("user", policy="one")
        refused = await caught(sessions.create, "user", policy="one")
        asked = await caught(sessions.create, "user", policy=SessionPolicy(max_sessions=1, at_limit="ask"))
        for error, may_choose in ((refused, False), (asked, True)):
            assert isinstance(error, TooManySessions)
            assert (error.limit, error.may_choose) == (1, may_choose)
        assert [record.handle for record in await sessions.list_user("user")] == [first.claims.sid]
        assert (await sessions.create("other", policy="one")).claims.sub == "other"
        again = await sessions.create("user", policy="one", replaced=Replaced((first.claims.sid,)))
        assert again.claims.gen == 0

    async def test_visitors_who_have_not_signed_in_are_no_user_with_a_limit(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(policies={"one": {"max_sessions": 1}})
        visitors = [await sessions.create(ANONYMOUS, policy="one") for _ in range(3)]
        assert await sessions.why_ended([each.claims.sid for each in visitors]) == {}

    async def test_a_limit_counts_sessions_of_every_policy(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        plain = await sessions.create("user")
        world.clock.advance(SECOND)
        limited = await sessions.create("user", policy=SessionPolicy(max_sessions=1))
        assert await sessions.why_ended([plain.claims.sid]) == {plain.claims.sid: Refusal.LIMIT}
        assert (await sessions.get(limited.claims.sid)).handle == limited.claims.sid
