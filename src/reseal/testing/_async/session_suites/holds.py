"""Sessions that are held after a theft: nobody refreshes them, and nobody is signed out, until somebody confirms."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from reseal._async.ports import AsyncSessions
from reseal.core.cases import HOLDS, Case, StepKind
from reseal.core.errors import Refusal, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.holding import SessionHeld
from reseal.core.ids import ANONYMOUS
from reseal.core.session_policy import SessionPolicy
from reseal.core.tokens import TokenPair
from reseal.testing._async.session_suites.base import (
    OWNER,
    SECOND,
    THIEF,
    WINDOW,
    AsyncSessionTests,
    caught,
    error_of,
    refusal_of,
    token_of,
)
from reseal.testing._async.session_suites.cases import Kept, case_of, used
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import HOUR

GOLD = {"acr": "gold"}


async def opened(world: AsyncWorld, response: str = "step_up", **changes: Any) -> Kept:
    return Kept(await world.sessions(**({"theft_cases": 90, "theft_response": response} | changes)))


async def held(world: AsyncWorld, reseal: Kept, user_id: str = "user") -> tuple[list[str], TokenPair]:
    """Have a thief come with the previous token of a session, which is held then."""
    line, pair = await used(world, reseal, user_id)
    world.clock.advance(HOUR)
    error = await caught(reseal.backend.refresh, line[-2], caller=THIEF)
    assert isinstance(error, SessionHeld)
    assert (error.user_id, error.session_handle, error.subtype) == (user_id, pair.claims.sid, "previous")
    return line, pair


async def elevated(sessions: AsyncSessions, pair: TokenPair) -> TokenPair:
    return await sessions.elevate(pair.claims, GOLD, HOUR, caller=OWNER)


class AsyncHoldSuite(AsyncSessionTests):
    @pytest.mark.parametrize("response", ["hold", "step_up"])
    async def test_of_a_held_session_every_token_is_refused_and_nobody_is_signed_out(
        self, world: AsyncWorld, response: str
    ) -> None:
        reseal = await opened(world, response)
        other = await reseal.backend.create("user")
        line, pair = await held(world, reseal)
        for token, caller in ((line[-1], OWNER), (line[-2], THIEF), (line[0], THIEF), (line[-1], OWNER)):
            error = await caught(reseal.backend.refresh, token, caller=caller)
            assert isinstance(error, SessionHeld)
            assert (error.reason, error.subtype) == (response, "")
        assert isinstance(await caught(reseal.backend.check, pair.claims), SessionHeld)
        assert await reseal.backend.why_ended([pair.claims.sid]) == {}
        assert (await reseal.backend.refresh(token_of(other))).claims.gen == 1
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
        assert [event.reason for event in world.events.named(EventName.REFRESH_REFUSED)] == ["held"] * 4

    async def test_a_ticket_of_a_held_session_opens_nothing(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        line, pair = await used(world, reseal)
        ticket = await reseal.backend.issue_ticket(pair.claims, "/socket")
        assert isinstance(await caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld)
        assert isinstance(await caught(reseal.backend.redeem_ticket, ticket, "/socket"), SessionHeld)

    async def test_whoever_elevates_the_session_goes_on_alone(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        line, pair = await held(world, reseal)
        own = await elevated(reseal.backend, pair)
        for token in (line[-1], *line[:-1]):  # also the one that would be that of a lost answer, within the window
            assert await refusal_of(reseal.backend, token) is Refusal.THEFT
        own = await reseal.backend.refresh(token_of(own), caller=OWNER)
        assert (await reseal.backend.check(own.claims)).user_id == "user"
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
        case = await case_of(reseal, pair)
        assert case.response == "step_up"
        assert [(step.kind, step.by) for step in case.timeline if step.kind is StepKind.RELEASED] == [
            (StepKind.RELEASED, "the user")
        ]
        assert [step.outcome for step in case.timeline if step.kind is StepKind.PRESENTED] == [
            HOLDS, *["refused; the token is from before the session was confirmed"] * 3
        ]  # fmt: skip

    async def test_a_confirmed_session_that_is_stolen_again_is_held_again(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        _, pair = await held(world, reseal)
        first = await elevated(reseal.backend, pair)
        pair = await reseal.backend.refresh(token_of(first), caller=OWNER)
        await reseal.backend.check(pair.claims)
        world.clock.advance(WINDOW + SECOND)
        assert isinstance(await caught(reseal.backend.refresh, token_of(first), caller=THIEF), SessionHeld)
        own = await elevated(reseal.backend, pair)
        assert await refusal_of(reseal.backend, token_of(pair)) is Refusal.THEFT
        assert (await reseal.backend.refresh(token_of(own))).claims.gen == own.claims.gen + 1

    async def test_elevating_does_not_end_a_hold_that_is_an_administrators(self, world: AsyncWorld) -> None:
        reseal = await opened(world, "hold")
        line, pair = await held(world, reseal)
        assert isinstance(await caught(reseal.backend.elevate, pair.claims, GOLD, HOUR), SessionHeld)
        case = await reseal.close_case(pair.claims.sid, note="a proxy repeated a request", by="ops")
        assert case is not None
        assert isinstance(await caught(reseal.backend.refresh, line[-1]), SessionHeld)
        await reseal.close_case(pair.claims.sid, note="", by="ops", release=True)
        assert (await reseal.backend.refresh(line[-1], caller=OWNER)).claims.gen == pair.claims.gen + 1
        released = [step for step in (await case_of(reseal, pair)).timeline if step.kind is StepKind.RELEASED]
        assert [step.by for step in released] == ["ops"]

    async def test_after_a_release_a_thief_is_met_again(self, world: AsyncWorld) -> None:
        reseal = await opened(world, "hold")
        line, pair = await held(world, reseal)
        await reseal.close_case(pair.claims.sid, note="", by="ops", release=True)
        await reseal.backend.refresh(line[-1], caller=OWNER)
        error = await caught(reseal.backend.refresh, line[-2], caller=THIEF)
        assert isinstance(error, SessionHeld)
        assert error.subtype == "older"
        assert (await case_of(reseal, pair)).is_open

    async def test_a_release_of_what_is_not_held_changes_nothing(self, world: AsyncWorld) -> None:
        reseal = await opened(world, "revoke_session")
        line, pair = await used(world, reseal)
        assert isinstance(await error_of(reseal.backend, line[0], THIEF), TokenTheftDetected)
        case = await reseal.close_case(pair.claims.sid, note="", by="ops", release=True)
        assert case is not None
        assert [step.kind for step in case.timeline].count(StepKind.RELEASED) == 0
        assert await refusal_of(reseal.backend, line[-1]) is Refusal.THEFT
        assert await reseal.close_case("unknown", note="", by="ops", release=True) is None

    async def test_a_held_session_keeps_its_policy_and_ends_as_it_says(self, world: AsyncWorld) -> None:
        reseal = await opened(world, "report")
        for policy in (SessionPolicy(theft_response="step_up", idle_ms=2 * HOUR), SessionPolicy(theft_response="hold")):  # type: ignore[arg-type]
            begun = await reseal.backend.create("user", policy=policy)
            pair = await reseal.backend.refresh(token_of(begun))
            await reseal.backend.check(pair.claims)
            world.clock.advance(HOUR)
            error = await caught(reseal.backend.refresh, token_of(begun), caller=THIEF)
            assert isinstance(error, SessionHeld)
            assert error.reason == policy.theft_response
            if policy.idle_ms:
                own = await elevated(reseal.backend, pair)
                assert own.session_expires_at == world.clock.wall() + 2 * HOUR
                world.clock.advance(2 * HOUR)
                assert await refusal_of(reseal.backend, token_of(own)) is Refusal.EXPIRED

    async def test_a_held_session_can_be_ended_and_says_so(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        line, pair = await held(world, reseal)
        await reseal.backend.revoke([pair.claims.sid])
        assert await refusal_of(reseal.backend, line[-1]) is Refusal.REVOKED
        assert isinstance(await caught(reseal.backend.elevate, pair.claims, GOLD, HOUR), Unauthorised)

    async def test_a_visitor_whom_nobody_could_confirm_is_not_held(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        line, _ = await used(world, reseal, ANONYMOUS)
        assert isinstance(await error_of(reseal.backend, line[0], THIEF), TokenTheftDetected)
        assert await refusal_of(reseal.backend, line[-1]) is Refusal.THEFT

    async def test_the_handler_of_thefts_is_called_when_a_session_is_held_and_not_again(
        self, world: AsyncWorld
    ) -> None:
        reseal = await opened(world)
        told: list[Case] = []
        reseal.on_theft(told.append)
        line, _ = await held(world, reseal)
        await caught(reseal.backend.refresh, line[-1])
        assert [case.response for case in told] == ["step_up"]

    async def test_without_cases_sessions_are_held_as_well(self, world: AsyncWorld) -> None:
        reseal = await opened(world, theft_cases=0)
        line, pair = await held(world, reseal)
        assert isinstance(await caught(reseal.backend.refresh, line[-1]), SessionHeld)
        own = await elevated(reseal.backend, pair)
        assert (await reseal.backend.refresh(token_of(own))).claims.gen == own.claims.gen + 1

    async def test_a_store_that_fails_while_a_session_is_held_loses_neither_the_theft_nor_the_session(
        self, world: AsyncWorld
    ) -> None:
        reseal = await opened(world, theft_cases=0)
        line, pair = await used(world, reseal)
        world.store.refuse("replace")
        assert not isinstance(await caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld | TokenPair)
        assert isinstance(await caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld)
        assert (await elevated(reseal.backend, pair)).claims.gen == pair.claims.gen + 1

    async def test_a_refresh_in_the_middle_of_a_theft_does_not_escape_it(self, world: AsyncWorld) -> None:
        reseal = await opened(world, theft_cases=0)
        line, pair = await used(world, reseal)
        came_first: list[TokenPair] = []

        async def refresh() -> None:
            came_first.append(await reseal.backend.refresh(line[-1], caller=OWNER))

        world.store.before("replace", refresh)
        assert isinstance(await caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld)
        assert isinstance(await caught(reseal.backend.refresh, token_of(came_first[0])), SessionHeld)
        own = await elevated(reseal.backend, pair)
        assert own.claims.gen == came_first[0].claims.gen + 1

    async def test_whoever_comes_at_once_with_a_theft_gets_nothing_that_outlives_the_confirmation(
        self, world: AsyncWorld
    ) -> None:
        reseal = await opened(world)
        for _ in range(5):
            line, pair = await used(world, reseal)
            sessions, theft = reseal.backend, partial(reseal.backend.refresh, line[0], caller=THIEF)
            done = await together([theft, partial(sessions.refresh, line[-1], caller=THIEF), theft])
            assert any(isinstance(each, SessionHeld) for each in done)
            stolen = [token_of(each) for each in done if isinstance(each, TokenPair)]
            own = await elevated(sessions, pair)
            for token in (*line, *stolen):
                assert await refusal_of(sessions, token) is Refusal.THEFT
            assert (await sessions.refresh(token_of(own), caller=OWNER)).claims.gen == own.claims.gen + 1

    @pytest.mark.parametrize("seed", range(8))
    async def test_whatever_happens_no_token_from_before_a_confirmation_is_exchanged(
        self, world: AsyncWorld, seed: int
    ) -> None:
        """Random steps of an owner, who can authenticate, and a thief, who has copies of tokens, but cannot."""
        reseal = await opened(world)
        sessions = reseal.backend
        chance = random.Random(seed)  # noqa: S311 - a repeatable test
        own = await sessions.create("user", caller=OWNER)
        copies, confirmed = [own], 0
        for _ in range(40):
            world.clock.advance(chance.choice([0, SECOND, WINDOW, HOUR]))
            try:
                match chance.choice(["refresh", "refresh", "copy", "steal", "use", "confirm"]):
                    case "refresh":
                        own = await sessions.refresh(token_of(own), caller=OWNER)
                    case "copy":
                        copies.append(own)
                    case "use":
                        await sessions.check(own.claims)
                    case "confirm":
                        was_held = isinstance(await caught(sessions.check, own.claims), SessionHeld)
                        own = await elevated(sessions, own)
                        confirmed = own.claims.gen if was_held else confirmed
                    case "steal":
                        copy = chance.choice(copies)
                        copies.append(await sessions.refresh(token_of(copy), caller=THIEF))
                        assert copy.claims.gen >= confirmed
            except (SessionHeld, Unauthorised, TokenTheftDetected):
                continue
