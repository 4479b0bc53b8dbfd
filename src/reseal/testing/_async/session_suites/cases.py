"""Theft cases."""

from __future__ import annotations

from functools import partial
from typing import Any

import msgspec
import pytest

from reseal._async.theft_cases import AsyncTheftCases
from reseal.core.cases import MOST_STEPS, Case, CaseStep, StepKind
from reseal.core.errors import ConfigurationError, InvalidInput, Refusal, TokenTheftDetected
from reseal.core.tokens import TokenPair
from reseal.testing._async.session_suites.base import (
    OWNER,
    THIEF,
    WINDOW,
    AsyncSessionTests,
    caught,
    error_of,
    family_of,
    refusal_of,
    token_of,
)
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR

BEGUN, ISSUED, CONFIRMED, PRESENTED, _, CLOSED = StepKind
ENDED = "refused; the session was ended"


class Kept(AsyncTheftCases):
    def __init__(self, backend: Any) -> None:
        self.backend = backend
        self.settings = backend.settings


async def opened(world: AsyncWorld, **changes: Any) -> Kept:
    return Kept(await world.sessions(**({"theft_cases": 90} | changes)))


async def used(world: AsyncWorld, reseal: Kept, user_id: str = "user", steps: int = 2) -> tuple[list[str], TokenPair]:
    """Begin a session and refresh it, each time an hour later; returns its tokens, the last of which is confirmed."""
    pair = await reseal.backend.create(user_id, caller=OWNER)
    line = [token_of(pair)]
    for _ in range(steps):
        world.clock.advance(HOUR)
        pair = await reseal.backend.refresh(line[-1], caller=OWNER)
        line.append(token_of(pair))
    await reseal.backend.check(pair.claims)
    return line, pair


async def stolen(world: AsyncWorld, reseal: Kept, user_id: str = "user") -> tuple[list[str], TokenPair]:
    """Have a thief come with the previous token of a session."""
    line, pair = await used(world, reseal, user_id)
    world.clock.advance(HOUR)
    assert isinstance(await error_of(reseal.backend, line[-2], THIEF), TokenTheftDetected)
    return line, pair


async def case_of(reseal: Kept, pair: TokenPair) -> Case:
    case = await reseal.read_case(pair.claims.sid)
    assert case is not None
    return case


def told(step: CaseStep) -> tuple[object, ...]:
    return step.kind, step.generation, step.device, step.outcome


class AsyncCaseListSuite(AsyncSessionTests):
    async def test_a_case_tells_what_both_parties_presented_and_got(self, world: AsyncWorld) -> None:
        reseal = await opened(world, device_list=True, event_outbox="security")
        began = world.clock.wall()
        line, pair = await stolen(world, reseal)
        case = await case_of(reseal, pair)
        assert (case.id, case.user_id, case.app_id, case.tenant_id) == (pair.claims.sid, "user", "public", "public")
        assert (case.verdict, case.subtype, case.response) == ("token_theft", "previous", "revoke_session")
        assert (case.race_window, case.opened_at, case.updated_at) == (WINDOW, began + 3 * HOUR, began + 3 * HOUR)
        assert case.is_open
        assert case.clients == (OWNER.device, THIEF.device)
        assert [told(step) for step in case.timeline] == [
            (BEGUN, 0, OWNER.device, ""),
            (ISSUED, 2, OWNER.device, ""),
            (CONFIRMED, 2, (None, None), ""),
            (PRESENTED, 1, THIEF.device, ENDED),
        ]
        assert [step.at - began for step in case.timeline] == [0, 2 * HOUR, 2 * HOUR, 3 * HOUR]
        assert case.timeline[3].correlation_id == "request-2"
        world.clock.advance(HOUR)
        assert await refusal_of(reseal.backend, line[-1]) is Refusal.THEFT
        last = (await case_of(reseal, pair)).timeline[-1]
        assert told(last) == (PRESENTED, 2, OWNER.device, "refused; the session had ended")
        assert last.token_mark == case.timeline[1].token_mark != case.timeline[3].token_mark

    async def test_no_case_has_a_token_or_the_hash_of_one(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        line, pair = await stolen(world, reseal)
        case = await case_of(reseal, pair)
        text = msgspec.json.encode(case).decode()
        assert [part for token in line for part in token.split(".")[3:] if part in text] == []
        assert {len(step.token_mark) for step in case.timeline if step.token_mark} == {8}

    async def test_without_the_setting_nothing_is_written(self, world: AsyncWorld) -> None:
        reseal = await opened(world, theft_cases=0)
        await stolen(world, reseal)
        assert (await reseal.list_cases()).cases == ()
        with pytest.raises(ConfigurationError, match="theft_cases"):
            reseal.on_theft(print)

    async def test_races_and_lost_answers_open_no_case(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        pair = await reseal.backend.create("user", caller=OWNER)
        results = await together(partial(reseal.backend.refresh, token_of(pair)) for _ in range(16))
        pair = next(result for result in results if isinstance(result, TokenPair))
        await reseal.backend.refresh(token_of(pair))
        world.clock.advance(HOUR)
        await reseal.backend.refresh(token_of(pair))  # the answer was lost
        assert world.store.calls["read_case"] == world.store.calls["write_case"] == 0
        assert (await reseal.list_cases()).cases == ()

    async def test_parties_in_step_are_a_suspicion_that_a_theft_makes_certain(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        pair = await reseal.backend.create("user", caller=OWNER)
        for _ in range(3):
            world.clock.advance(HOUR)
            successor = await reseal.backend.refresh(token_of(pair), caller=OWNER)
            await reseal.backend.refresh(token_of(pair), caller=THIEF)
            before, pair = pair, successor
        case = await case_of(reseal, pair)
        assert (case.verdict, case.subtype, case.response) == ("session_in_step", None, None)
        assert case.timeline[-1].outcome.startswith("the same successor")
        await reseal.close_case(case.id, note="a proxy repeats requests", by="ops")
        await reseal.backend.check(pair.claims)
        world.clock.advance(HOUR)
        assert isinstance(await error_of(reseal.backend, token_of(before), THIEF), TokenTheftDetected)
        case = await case_of(reseal, pair)
        assert (case.verdict, case.subtype, case.response) == ("token_theft", "previous", "revoke_session")
        assert case.is_open
        assert [step.kind for step in case.timeline] == [BEGUN, ISSUED, PRESENTED, CLOSED, CONFIRMED, PRESENTED]

    async def test_a_theft_that_is_only_reported_is_one_step_for_each_token_and_client(self, world: AsyncWorld) -> None:
        reseal = await opened(world, theft_response="report")
        line, pair = await used(world, reseal)
        world.clock.advance(HOUR)
        for token, caller in ((line[0], THIEF), (line[1], THIEF), (line[1], OWNER)) * 3:
            assert isinstance(await error_of(reseal.backend, token, caller), TokenTheftDetected)
        case = await case_of(reseal, pair)
        assert case.subtype == "older"
        presented = [step for step in case.timeline if step.kind is PRESENTED]
        assert [(step.generation, step.device) for step in presented] == [
            (0, THIEF.device),
            (1, THIEF.device),
            (1, OWNER.device),
        ]
        assert {step.outcome for step in presented} == {"refused; the session goes on"}

    async def test_a_case_has_a_limit(self, world: AsyncWorld) -> None:
        reseal = await opened(world, theft_response="report")
        pair = await reseal.backend.create("user", caller=OWNER)
        line = await family_of(reseal.backend, pair, MOST_STEPS + 5)
        world.clock.advance(HOUR)
        for token in line[:-2]:
            await error_of(reseal.backend, token, THIEF)
        assert len((await case_of(reseal, pair)).timeline) == MOST_STEPS

    async def test_of_many_thieves_at_once_each_is_in_the_case(self, world: AsyncWorld) -> None:
        sides = [await opened(world), await opened(world)]
        line, pair = await used(world, sides[0], steps=5)
        world.clock.advance(HOUR)
        results = await together(
            partial(sides[n % 2].backend.refresh, token, caller=THIEF) for n, token in enumerate(line[:4])
        )
        assert not any(isinstance(result, TokenPair) for result in results)
        steps = (await case_of(sides[1], pair)).timeline
        assert {step.generation for step in steps if step.kind is PRESENTED} == {0, 1, 2, 3}

    async def test_cases_are_listed_in_pages(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        ids = [(await stolen(world, reseal, user))[1].claims.sid for user in ("a", "b", "a")]
        await reseal.close_case(ids[1], note="", by="ops")
        first = await reseal.list_cases(limit=2)
        assert [case.id for case in first.cases] == [ids[2], ids[1]]
        rest = await reseal.list_cases(limit=2, page=first.next_page)
        assert ([case.id for case in rest.cases], rest.next_page) == ([ids[0]], None)
        assert [case.id for case in (await reseal.list_cases("a")).cases] == [ids[2], ids[0]]
        assert [case.id for case in (await reseal.list_cases(open_only=True)).cases] == [ids[2], ids[0]]
        for user in ("nobody", "\0", "\ud800"):
            assert (await reseal.list_cases(user)).cases == ()
        for call in (
            partial(reseal.list_cases, 5),  # type: ignore[arg-type]
            partial(reseal.list_cases, limit=0),
            partial(reseal.list_cases, limit=501),
            partial(reseal.list_cases, page="nonsense"),
            partial(reseal.list_cases, page=f"{1 << 70}:x"),
        ):
            assert isinstance(await caught(call), InvalidInput)

    async def test_a_case_is_closed_once(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        line, pair = await stolen(world, reseal)
        closed = await reseal.close_case(pair.claims.sid, note="changed the password", by="ops")
        assert closed is not None
        assert (closed.closed_at, closed.timeline[-1].by) == (world.clock.wall(), "ops")
        assert closed.timeline[-1].note == "changed the password"
        world.clock.advance(HOUR)
        assert await reseal.close_case(pair.claims.sid, note="once more", by="another") == closed
        assert await refusal_of(reseal.backend, line[-1]) is Refusal.THEFT
        case = await case_of(reseal, pair)
        assert not case.is_open, "that the other party comes is no news"
        assert case.timeline[-1].kind is PRESENTED
        for absent in ("absent", "\0", "\ud800"):
            assert await reseal.read_case(absent) is None
            assert await reseal.close_case(absent, note="", by="") is None
        for note, by in (("x" * 257, ""), ("", "two\nlines"), (5, "")):
            assert isinstance(await caught(reseal.close_case, pair.claims.sid, note=note, by=by), InvalidInput)

    async def test_cases_are_forgotten_and_erased(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        for user in ("a", "b"):
            await stolen(world, reseal, user)
        assert await reseal.erase_cases("a") == 1
        assert [case.user_id for case in (await reseal.list_cases()).cases] == ["b"]
        for nobody in ("a", "\0", "\ud800"):
            assert await reseal.erase_cases(nobody) == 0
        world.clock.advance(90 * DAY)
        await stolen(world, reseal, "c")
        assert [case.user_id for case in (await reseal.list_cases()).cases] == ["c"]

    async def test_a_stolen_session_does_not_end_before_its_case_is_written(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        line, pair = await used(world, reseal)
        world.clock.advance(HOUR)
        seen: list[bool] = []

        async def look() -> None:
            seen.append((await reseal.backend.get(pair.claims.sid)).ended_at is None)

        world.store.before("write_case", look)
        assert isinstance(await error_of(reseal.backend, line[-2], THIEF), TokenTheftDetected)
        assert seen == [True]

    async def test_a_handler_gets_the_case_and_cannot_change_the_answer(self, world: AsyncWorld) -> None:
        reseal = await opened(world)
        told: list[Case] = []

        @reseal.on_theft
        async def handle(case: Case) -> None:
            told.append(case)
            raise ZeroDivisionError

        line, pair = await used(world, reseal)
        world.clock.advance(HOUR)
        assert isinstance(await error_of(reseal.backend, line[-2], THIEF), TokenTheftDetected)
        assert told == [await case_of(reseal, pair)]
        assert told[0].clients == (OWNER.device, THIEF.device)
