"""A level that a session has for a while: who gets it, who does not, and when it ends."""
# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest

from reseal._async.ports import AsyncSessions
from reseal.core import elevation
from reseal.core.errors import InvalidInput, TokenTheftDetected, Unauthorised
from reseal.core.tokens import TokenPair
from reseal.testing._async.session_suites.base import OWNER, SECOND, THIEF, WINDOW, AsyncSessionTests, token_of
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld
from reseal.testing.material import DAY, HOUR, MINUTE

GOLD = {"acr": "gold", "amr": ["otp"]}
START = {"role": "reader", "acr": "silver"}


def level(pair: TokenPair) -> Any:
    return pair.claims.jwt_payload().get("acr")


async def elevated(sessions: AsyncSessions, pair: TokenPair, for_ms: int = 10 * MINUTE) -> TokenPair:
    return await sessions.elevate(pair.claims, GOLD, for_ms, caller=OWNER)


class AsyncElevationSuite(AsyncSessionTests):
    async def test_the_level_is_in_the_new_tokens_until_its_end(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", START)
        now = world.clock.wall()
        high = await elevated(sessions, pair)
        assert high.claims.jwt_payload() == START | GOLD | {"auth_time": now // 1000}
        assert high.claims.gen == pair.claims.gen + 1
        assert sessions.verify(high.access_token) == high.claims
        assert high.claims.exp == (now + 10 * MINUTE) // 1000
        world.clock.advance(5 * MINUTE)
        high = await sessions.refresh(token_of(high), caller=OWNER)
        assert (level(high), high.claims.exp) == ("gold", (now + 10 * MINUTE) // 1000)
        world.clock.advance(5 * MINUTE)
        low = await sessions.refresh(token_of(high), caller=OWNER)
        assert low.claims.jwt_payload() == START
        assert low.claims.exp > (now + 15 * MINUTE) // 1000

    async def test_the_level_outlives_no_access_token_and_no_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", START)
        high = await elevated(sessions, pair, 400 * DAY)
        assert high.claims.exp - high.claims.iat == pair.claims.exp - pair.claims.iat
        assert level(await sessions.refresh(token_of(high))) == "gold"

    async def test_a_thief_with_an_older_refresh_token_gets_no_level_and_ends_it(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="revoke_session")
        pair = await sessions.create("user", START)
        high = await elevated(sessions, pair)
        stolen = await sessions.refresh(token_of(pair), caller=THIEF)
        assert stolen.claims.jwt_payload() == START
        for token in (token_of(stolen), token_of(high)):
            assert level(await sessions.refresh(token)) == "silver"
        record = await sessions.check(high.claims)
        assert level(await sessions.reissue(high.claims, record)) == "silver"

    async def test_a_thief_who_comes_after_the_next_refresh_is_a_thief(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="revoke_session")
        pair = await sessions.create("user", START)
        await sessions.refresh(token_of(await elevated(sessions, pair)), caller=OWNER)
        with pytest.raises(TokenTheftDetected):
            await sessions.refresh(token_of(pair), caller=THIEF)

    async def test_a_thief_after_the_race_window_is_a_thief_once_the_level_was_used(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="revoke_session")
        pair = await sessions.create("user", START)
        await sessions.check((await elevated(sessions, pair)).claims)
        world.clock.advance(WINDOW + SECOND)
        with pytest.raises(TokenTheftDetected):
            await sessions.refresh(token_of(pair), caller=THIEF)

    async def test_a_thief_who_was_first_gets_no_level(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="report")
        pair = await sessions.create("user", START)
        stolen = await sessions.refresh(token_of(pair), caller=THIEF)
        high = await elevated(sessions, pair)
        assert (level(high), high.claims.gen) == ("gold", stolen.claims.gen + 1)
        assert level(await sessions.refresh(token_of(stolen), caller=THIEF)) == "silver"

    async def test_an_access_token_from_before_gets_no_level(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", START)
        ticket = await sessions.issue_ticket(pair.claims, "/socket")
        high = await elevated(sessions, pair)
        record = await sessions.check(pair.claims)
        assert level(await sessions.reissue(pair.claims, record)) == "silver"
        assert level(await sessions.redeem_ticket(ticket, "/socket")) == "silver"
        assert level(await sessions.reissue(high.claims, record)) == "gold"
        ticket = await sessions.issue_ticket(high.claims, "/socket")
        assert level(await sessions.redeem_ticket(ticket, "/socket")) == "gold"

    async def test_a_lost_response_costs_the_level_and_not_the_session(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", START)
        lost = await elevated(sessions, pair)
        world.clock.advance(HOUR)
        again = await sessions.refresh(token_of(pair), caller=OWNER)
        assert (level(again), token_of(again)) == ("silver", token_of(lost))
        high = await elevated(sessions, again)
        assert level(await sessions.refresh(token_of(high))) == "gold"

    async def test_a_lost_response_of_a_later_refresh_keeps_the_level(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        high = await elevated(sessions, await sessions.create("user", START))
        lost = await sessions.refresh(token_of(high), caller=OWNER)
        again = await sessions.refresh(token_of(high), caller=OWNER)
        assert (level(again), token_of(again)) == ("gold", token_of(lost))

    async def test_a_payload_that_is_written_back_does_not_make_the_level_last(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        high = await elevated(sessions, await sessions.create("user", START))
        carried = high.claims.jwt_payload()
        record = await sessions.update(high.claims.sid, jwt_payload={**carried, "role": "editor"}, seen=high.claims)
        assert (await sessions.reissue(high.claims, record)).claims.jwt_payload() == {**carried, "role": "editor"}
        world.clock.advance(10 * MINUTE)
        low = await sessions.refresh(token_of(high), caller=OWNER)
        assert low.claims.jwt_payload() == {"role": "editor", "acr": "silver"}

    async def test_nobody_writes_a_level_into_a_payload(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        member = {elevation.MEMBER: {"claims": {"acr": "gold"}, "until": 2**50, "generation": 0}}
        with pytest.raises(InvalidInput):
            await sessions.create("user", member)
        pair = await sessions.create("user", START)
        with pytest.raises(InvalidInput):
            await sessions.update(pair.claims.sid, jwt_payload=member)
        await elevated(sessions, pair)
        record = await sessions.update(pair.claims.sid, jwt_payload=member)
        assert level(await sessions.reissue(pair.claims, record)) == "silver"

    @pytest.mark.parametrize("for_ms", [0, 999, -1, True, 1.5, "60000"])
    async def test_a_time_that_is_none_changes_nothing(self, world: AsyncWorld, for_ms: Any) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", START)
        with pytest.raises(InvalidInput):
            await sessions.elevate(pair.claims, GOLD, for_ms)
        assert (await sessions.refresh(token_of(pair))).claims.gen == 1

    async def test_an_ended_session_is_not_elevated(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        pair = await sessions.create("user", START)
        await sessions.revoke([pair.claims.sid])
        with pytest.raises(Unauthorised):
            await elevated(sessions, pair)

    async def test_of_an_elevation_and_a_refresh_at_once_no_token_from_before_gets_the_level(
        self, world: AsyncWorld
    ) -> None:
        sessions = await world.sessions(theft_response="report")
        for _ in range(5):
            pair = await sessions.create("user", START)
            refreshing = partial(sessions.refresh, token_of(pair), caller=THIEF)
            done = await together([partial(elevated, sessions, pair), refreshing, refreshing, refreshing])
            high, *others = [each for each in done if isinstance(each, TokenPair)]  # a token two steps old is a thief's
            assert level(high) == "gold"
            assert {level(each) for each in others} == {"silver"}
            if token_of(high) in map(token_of, others):
                assert level(await sessions.refresh(token_of(high))) == "silver"

    @pytest.mark.parametrize("seed", range(12))
    async def test_whatever_happens_only_tokens_that_came_from_an_elevation_have_its_level(
        self, world: AsyncWorld, seed: int
    ) -> None:
        """Random steps of an owner and a thief, against a model: who holds what was given out at or after which step.

        The model of a token is its elevation, if it has one. A refresh passes it on, a replay of the token before may
        only lose it, and nothing else gives it.
        """
        sessions = await world.sessions(theft_response="report")
        chance = random.Random(seed)  # noqa: S311 - a repeatable test
        first = await sessions.create("user", START)
        came_from: dict[str, str | None] = {token_of(first): None}
        held = {"owner": first, "thief": first}
        for step in range(40):
            who = chance.choice(["owner", "owner", "thief"])
            pair = held[who]
            world.clock.advance(chance.choice([0, SECOND, MINUTE]))
            try:
                if who == "owner" and chance.random() < 0.3:
                    high = await sessions.elevate(pair.claims, {"acr": f"gold{step}"}, chance.choice([MINUTE, HOUR]))
                    came_from[token_of(high)] = level(high)
                    held[who] = high if chance.random() < 0.7 else pair  # or the response was lost
                    continue
                new = await sessions.refresh(token_of(pair), caller=OWNER if who == "owner" else THIEF)
            except (TokenTheftDetected, Unauthorised):
                continue
            assert level(new) in {"silver", came_from[token_of(pair)]}
            came_from.setdefault(token_of(new), came_from[token_of(pair)])
            held[who] = new if chance.random() < 0.8 else pair
        thief = held["thief"]
        assert level(await sessions.reissue(thief.claims, await sessions.get(thief.claims.sid))) in {
            "silver",
            came_from[token_of(thief)],
        }
