# Generated from src/reseal/testing/_async/session_suites/holds.py by tools/unasync.py; edit that file instead.
"""Sessions that are held after a theft: nobody refreshes them, and nobody is signed out, until somebody confirms."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from reseal._sync.ports import Sessions
from reseal.core.cases import HOLDS, Case, StepKind
from reseal.core.errors import Refusal, TokenTheftDetected, Unauthorised
from reseal.core.events import EventName
from reseal.core.holding import SessionHeld
from reseal.core.ids import ANONYMOUS
from reseal.core.session_policy import SessionPolicy
from reseal.core.tokens import TokenPair
from reseal.testing._sync.session_suites.base import (
    OWNER,
    SECOND,
    THIEF,
    WINDOW,
    SessionTests,
    caught,
    error_of,
    refusal_of,
    token_of,
)
from reseal.testing._sync.session_suites.cases import Kept, case_of, used
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import World
from reseal.testing.material import HOUR

GOLD = {"acr": "gold"}


def opened(world: World, response: str = "step_up", **changes: Any) -> Kept:
    return Kept(world.sessions(**({"theft_cases": 90, "theft_response": response} | changes)))


def held(world: World, reseal: Kept, user_id: str = "user") -> tuple[list[str], TokenPair]:
    """Have a thief come with the previous token of a session, which is held then."""
    line, pair = used(world, reseal, user_id)
    world.clock.advance(HOUR)
    error = caught(reseal.backend.refresh, line[-2], caller=THIEF)
    assert isinstance(error, SessionHeld)
    assert (error.user_id, error.session_handle, error.subtype) == (user_id, pair.claims.sid, "previous")
    return line, pair


def elevated(sessions: Sessions, pair: TokenPair) -> TokenPair:
    return sessions.elevate(pair.claims, GOLD, HOUR, caller=OWNER)


class HoldSuite(SessionTests):
    @pytest.mark.parametrize("response", ["hold", "step_up"])
    def test_of_a_held_session_every_token_is_refused_and_nobody_is_signed_out(
        self, world: World, response: str
    ) -> None:
        reseal = opened(world, response)
        other = reseal.backend.create("user")
        line, pair = held(world, reseal)
        for token, caller in ((line[-1], OWNER), (line[-2], THIEF), (line[0], THIEF), (line[-1], OWNER)):
            error = caught(reseal.backend.refresh, token, caller=caller)
            assert isinstance(error, SessionHeld)
            assert (error.reason, error.subtype) == (response, "")
        assert isinstance(caught(reseal.backend.check, pair.claims), SessionHeld)
        assert reseal.backend.why_ended([pair.claims.sid]) == {}
        assert (reseal.backend.refresh(token_of(other))).claims.gen == 1
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
        assert [event.reason for event in world.events.named(EventName.REFRESH_REFUSED)] == ["held"] * 4

    def test_a_ticket_of_a_held_session_opens_nothing(self, world: World) -> None:
        reseal = opened(world)
        line, pair = used(world, reseal)
        ticket = reseal.backend.issue_ticket(pair.claims, "/socket")
        assert isinstance(caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld)
        assert isinstance(caught(reseal.backend.redeem_ticket, ticket, "/socket"), SessionHeld)

    def test_whoever_elevates_the_session_goes_on_alone(self, world: World) -> None:
        reseal = opened(world)
        line, pair = held(world, reseal)
        own = elevated(reseal.backend, pair)
        for token in (line[-1], *line[:-1]):  # also the one that would be that of a lost answer, within the window
            assert refusal_of(reseal.backend, token) is Refusal.THEFT
        own = reseal.backend.refresh(token_of(own), caller=OWNER)
        assert (reseal.backend.check(own.claims)).user_id == "user"
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1
        case = case_of(reseal, pair)
        assert case.response == "step_up"
        assert [(step.kind, step.by) for step in case.timeline if step.kind is StepKind.RELEASED] == [
            (StepKind.RELEASED, "the user")
        ]
        assert [step.outcome for step in case.timeline if step.kind is StepKind.PRESENTED] == [
            HOLDS, *["refused; the token is from before the session was confirmed"] * 3
        ]  # fmt: skip

    def test_a_confirmed_session_that_is_stolen_again_is_held_again(self, world: World) -> None:
        reseal = opened(world)
        _, pair = held(world, reseal)
        first = elevated(reseal.backend, pair)
        pair = reseal.backend.refresh(token_of(first), caller=OWNER)
        reseal.backend.check(pair.claims)
        world.clock.advance(WINDOW + SECOND)
        assert isinstance(caught(reseal.backend.refresh, token_of(first), caller=THIEF), SessionHeld)
        own = elevated(reseal.backend, pair)
        assert refusal_of(reseal.backend, token_of(pair)) is Refusal.THEFT
        assert (reseal.backend.refresh(token_of(own))).claims.gen == own.claims.gen + 1

    def test_elevating_does_not_end_a_hold_that_is_an_administrators(self, world: World) -> None:
        reseal = opened(world, "hold")
        line, pair = held(world, reseal)
        assert isinstance(caught(reseal.backend.elevate, pair.claims, GOLD, HOUR), SessionHeld)
        case = reseal.close_case(pair.claims.sid, note="a proxy repeated a request", by="ops")
        assert case is not None
        assert isinstance(caught(reseal.backend.refresh, line[-1]), SessionHeld)
        reseal.close_case(pair.claims.sid, note="", by="ops", release=True)
        assert (reseal.backend.refresh(line[-1], caller=OWNER)).claims.gen == pair.claims.gen + 1
        released = [step for step in (case_of(reseal, pair)).timeline if step.kind is StepKind.RELEASED]
        assert [step.by for step in released] == ["ops"]

    def test_after_a_release_a_thief_is_met_again(self, world: World) -> None:
        reseal = opened(world, "hold")
        line, pair = held(world, reseal)
        reseal.close_case(pair.claims.sid, note="", by="ops", release=True)
        reseal.backend.refresh(line[-1], caller=OWNER)
        error = caught(reseal.backend.refresh, line[-2], caller=THIEF)
        assert isinstance(error, SessionHeld)
        assert error.subtype == "older"
        assert (case_of(reseal, pair)).is_open

    def test_a_release_of_what_is_not_held_changes_nothing(self, world: World) -> None:
        reseal = opened(world, "revoke_session")
        line, pair = used(world, reseal)
        assert isinstance(error_of(reseal.backend, line[0], THIEF), TokenTheftDetected)
        case = reseal.close_case(pair.claims.sid, note="", by="ops", release=True)
        assert case is not None
        assert [step.kind for step in case.timeline].count(StepKind.RELEASED) == 0
        assert refusal_of(reseal.backend, line[-1]) is Refusal.THEFT
        assert reseal.close_case("unknown", note="", by="ops", release=True) is None

    def test_a_held_session_keeps_its_policy_and_ends_as_it_says(self, world: World) -> None:
        reseal = opened(world, "report")
        for policy in (SessionPolicy(theft_response="step_up", idle_ms=2 * HOUR), SessionPolicy(theft_response="hold")):  # type: ignore[arg-type]
            begun = reseal.backend.create("user", policy=policy)
            pair = reseal.backend.refresh(token_of(begun))
            reseal.backend.check(pair.claims)
            world.clock.advance(HOUR)
            error = caught(reseal.backend.refresh, token_of(begun), caller=THIEF)
            assert isinstance(error, SessionHeld)
            assert error.reason == policy.theft_response
            if policy.idle_ms:
                own = elevated(reseal.backend, pair)
                assert own.session_expires_at == world.clock.wall() + 2 * HOUR
                world.clock.advance(2 * HOUR)
                assert refusal_of(reseal.backend, token_of(own)) is Refusal.EXPIRED

    def test_a_held_session_can_be_ended_and_says_so(self, world: World) -> None:
        reseal = opened(world)
        line, pair = held(world, reseal)
        reseal.backend.revoke([pair.claims.sid])
        assert refusal_of(reseal.backend, line[-1]) is Refusal.REVOKED
        assert isinstance(caught(reseal.backend.elevate, pair.claims, GOLD, HOUR), Unauthorised)

    def test_a_visitor_whom_nobody_could_confirm_is_not_held(self, world: World) -> None:
        reseal = opened(world)
        line, _ = used(world, reseal, ANONYMOUS)
        assert isinstance(error_of(reseal.backend, line[0], THIEF), TokenTheftDetected)
        assert refusal_of(reseal.backend, line[-1]) is Refusal.THEFT

    def test_the_handler_of_thefts_is_called_when_a_session_is_held_and_not_again(
        self, world: World
    ) -> None:
        reseal = opened(world)
        told: list[Case] = []
        reseal.on_theft(told.append)
        line, _ = held(world, reseal)
        caught(reseal.backend.refresh, line[-1])
        assert [case.response for case in told] == ["step_up"]

    def test_without_cases_sessions_are_held_as_well(self, world: World) -> None:
        reseal = opened(world, theft_cases=0)
        line, pair = held(world, reseal)
        assert isinstance(caught(reseal.backend.refresh, line[-1]), SessionHeld)
        own = elevated(reseal.backend, pair)
        assert (reseal.backend.refresh(token_of(own))).claims.gen == own.claims.gen + 1

    def test_a_store_that_fails_while_a_session_is_held_loses_neither_the_theft_nor_the_session(
        self, world: World
    ) -> None:
        reseal = opened(world, theft_cases=0)
        line, pair = used(world, reseal)
        world.store.refuse("replace")
        assert not isinstance(caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld | TokenPair)
        assert isinstance(caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld)
        assert (elevated(reseal.backend, pair)).claims.gen == pair.claims.gen + 1

    def test_a_refresh_in_the_middle_of_a_theft_does_not_escape_it(self, world: World) -> None:
        reseal = opened(world, theft_cases=0)
        line, pair = used(world, reseal)
        came_first: list[TokenPair] = []

        def refresh() -> None:
            came_first.append(reseal.backend.refresh(line[-1], caller=OWNER))

        world.store.before("replace", refresh)
        assert isinstance(caught(reseal.backend.refresh, line[0], caller=THIEF), SessionHeld)
        assert isinstance(caught(reseal.backend.refresh, token_of(came_first[0])), SessionHeld)
        own = elevated(reseal.backend, pair)
        assert own.claims.gen == came_first[0].claims.gen + 1

    def test_whoever_comes_at_once_with_a_theft_gets_nothing_that_outlives_the_confirmation(
        self, world: World
    ) -> None:
        reseal = opened(world)
        for _ in range(5):
            line, pair = used(world, reseal)
            sessions, theft = reseal.backend, partial(reseal.backend.refresh, line[0], caller=THIEF)
            done = together([theft, partial(sessions.refresh, line[-1], caller=THIEF), theft])
            assert any(isinstance(each, SessionHeld) for each in done)
            stolen = [token_of(each) for each in done if isinstance(each, TokenPair)]
            own = elevated(sessions, pair)
            for token in (*line, *stolen):
                assert refusal_of(sessions, token) is Refusal.THEFT
            assert (sessions.refresh(token_of(own), caller=OWNER)).claims.gen == own.claims.gen + 1

    @pytest.mark.parametrize("seed", range(8))
    def test_whatever_happens_no_token_from_before_a_confirmation_is_exchanged(
        self, world: World, seed: int
    ) -> None:
        """Random steps of an owner, who can authenticate, and a thief, who has copies of tokens, but cannot."""
        reseal = opened(world)
        sessions = reseal.backend
        chance = random.Random(seed)  # noqa: S311 - a repeatable test
        own = sessions.create("user", caller=OWNER)
        copies, confirmed = [own], 0
        for _ in range(40):
            world.clock.advance(chance.choice([0, SECOND, WINDOW, HOUR]))
            try:
                match chance.choice(["refresh", "refresh", "copy", "steal", "use", "confirm"]):
                    case "refresh":
                        own = sessions.refresh(token_of(own), caller=OWNER)
                    case "copy":
                        copies.append(own)
                    case "use":
                        sessions.check(own.claims)
                    case "confirm":
                        was_held = isinstance(caught(sessions.check, own.claims), SessionHeld)
                        own = elevated(sessions, own)
                        confirmed = own.claims.gen if was_held else confirmed
                    case "steal":
                        copy = chance.choice(copies)
                        copies.append(sessions.refresh(token_of(copy), caller=THIEF))
                        assert copy.claims.gen >= confirmed
            except (SessionHeld, Unauthorised, TokenTheftDetected):
                continue
