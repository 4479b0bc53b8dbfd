# ruff: noqa: PLR2004 - the numbers of a test stand where they are meant
"""One line of tokens."""

from __future__ import annotations

import random
from functools import partial

import pytest

from reseal.core.errors import (
    Refusal,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
)
from reseal.core.events import EventName
from reseal.core.tokens import TokenPair
from reseal.testing._async.session_suites.base import (
    OWNER,
    THIEF,
    WINDOW,
    AsyncSessionTests,
    error_of,
    errors_in,
    family_of,
    mutated,
    refusal_of,
    token_of,
)
from reseal.testing._async.waiting import together
from reseal.testing._async.world import AsyncWorld


class AsyncRotationSuite(AsyncSessionTests):
    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    async def test_64_refreshes_of_one_token_at_once_are_one_step_with_one_successor(
        self, world: AsyncWorld, policy: str
    ) -> None:
        sides = [await world.sessions(rotation_policy=policy), await world.sessions(rotation_policy=policy)]
        pair = await sides[0].create("user")
        for generation in range(1, 9):
            results = await together(partial(sides[n % 2].refresh, token_of(pair)) for n in range(64))
            assert errors_in(results) == []
            pairs = [r for r in results if isinstance(r, TokenPair)]
            assert {token_of(p) for p in pairs} == {token_of(pairs[0])} != {token_of(pair)}
            assert {p.claims.gen for p in pairs} == {generation}
            assert (await sides[1].get(pair.claims.sid)).generation == generation
            pair = pairs[-1]
        assert world.events.named(EventName.TOKEN_THEFT) == []
        assert len(world.events.named(EventName.SESSION_REFRESHED)) == 8

    async def test_many_refreshes_give_as_many_tokens_and_each_old_one_is_theft(self, world: AsyncWorld) -> None:
        sessions = await world.sessions(theft_response="report")
        steps = world.trials // 10
        line = await family_of(sessions, await sessions.create("user"), steps)
        assert len(set(line)) == steps + 1
        world.clock.advance(WINDOW)
        await sessions.check((await sessions.refresh(line[-1])).claims)
        world.clock.advance(WINDOW)
        for token in line:
            assert isinstance(await error_of(sessions, token), TokenTheftDetected)
        assert len(world.events.named(EventName.TOKEN_THEFT)) == steps + 1

    async def test_any_used_token_ends_its_session_and_no_other(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        bystander = await sessions.create("user")
        generations = min(50, world.trials // 50)
        for generation in range(generations):
            pair = await sessions.create("user")
            line = await family_of(sessions, pair, generations)
            newest = await sessions.refresh(line[-1])
            await sessions.check(newest.claims)
            world.clock.advance(WINDOW)
            error = await error_of(sessions, line[generation], THIEF)
            assert isinstance(error, TokenTheftDetected)
            assert (error.user_id, error.session_handle, error.subtype) == ("user", pair.claims.sid, "older")
            assert await refusal_of(sessions, token_of(newest)) is Refusal.THEFT
            with pytest.raises(Unauthorised):
                await sessions.check(newest.claims)
            assert [r.handle for r in await sessions.list_user("user")] == [bystander.claims.sid]
        assert len(world.events.named(EventName.TOKEN_THEFT)) == generations
        await sessions.refresh(token_of(bystander))

    @pytest.mark.parametrize("subtype", ["previous", "older"])
    @pytest.mark.parametrize("response", ["report", "revoke_session", "revoke_user"])
    async def test_theft_is_answered_as_configured_and_told_once_without_a_secret(
        self, world: AsyncWorld, response: str, subtype: str
    ) -> None:
        sessions = await world.sessions(theft_response=response)
        pair = await sessions.create("user", {"private": "canary"}, {"private": "canary"}, caller=OWNER)
        other, stranger = await sessions.create("user"), await sessions.create("stranger")
        line = [token_of(pair)]
        for _ in range(3):
            pair = await sessions.refresh(line[-1], caller=OWNER)
            line.append(token_of(pair))
        await sessions.check(pair.claims)
        world.clock.advance(WINDOW)
        presented = line[-2] if subtype == "previous" else line[-3]
        error = await error_of(sessions, presented, THIEF)
        assert isinstance(error, TokenTheftDetected)
        assert (error.user_id, error.session_handle, error.subtype) == ("user", pair.claims.sid, subtype)
        live = {r.handle for user in ("user", "stranger") for r in await sessions.list_user(user)}
        gone = {
            "report": set(),
            "revoke_session": {pair.claims.sid},
            "revoke_user": {pair.claims.sid, other.claims.sid},
        }
        assert live == {pair.claims.sid, other.claims.sid, stranger.claims.sid} - gone[response]
        (event,) = world.events.named(EventName.TOKEN_THEFT)
        assert (event.session_handle, event.user_id, event.reason) == (pair.claims.sid, "user", subtype)
        assert (event.at, event.correlation_id) == (world.clock.wall(), "request-2")
        assert (event.device, event.other_device) == (THIEF.device, OWNER.device)
        told = repr(world.events.all) + repr(error) + str(error)
        secrets = [part for token in line for part in token.split(".")[3:]] + ["canary"]
        assert [secret for secret in secrets if secret in told] == []
        if response != "report":
            assert await refusal_of(sessions, line[-1]) is Refusal.THEFT
            assert await refusal_of(sessions, line[0]) is Refusal.THEFT

    async def test_theft_met_by_many_at_once_is_told_once(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        line = await family_of(sessions, await sessions.create("user"), 2)
        results = await together([partial(sessions.refresh, line[0])] * 16)
        assert all(isinstance(r, TokenTheftDetected | Unauthorised) for r in results)
        assert any(isinstance(r, TokenTheftDetected) for r in results)
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1

    async def test_garbage_that_names_a_session_accuses_nobody(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        line = await family_of(sessions, await sessions.create("victim"), 2)
        randomness = random.Random(37)  # noqa: S311 - a repeatable test
        for _ in range(world.trials):
            garbage = mutated(randomness, line[randomness.randrange(3)])
            if garbage in line:
                continue
            assert await refusal_of(sessions, garbage) is Refusal.MALFORMED
        assert world.events.named(EventName.TOKEN_THEFT) == []
        await sessions.check((await sessions.refresh(line[-1])).claims)

    async def test_a_token_of_another_app_or_tenant_is_not_ours(self, world: AsyncWorld) -> None:
        scopes = [{"app_id": "a"}, {"app_id": "b"}, {"app_id": "a", "tenant_id": "b"}]
        sides = [await world.sessions(**scope) for scope in scopes]
        pairs = [await side.create("user") for side in sides]
        for n, side in enumerate(sides):
            for m, pair in enumerate(pairs):
                if n == m:
                    side.verify(pair.access_token)
                    continue
                assert await refusal_of(side, token_of(pair)) is Refusal.MALFORMED
                with pytest.raises(TryRefreshToken):
                    side.verify(pair.access_token)
                with pytest.raises(Unauthorised):
                    await side.get(pair.claims.sid)

    async def test_of_several_cookies_the_newest_genuine_one_of_each_session_counts(self, world: AsyncWorld) -> None:
        sessions = await world.sessions()
        line = await family_of(sessions, await sessions.create("user"), 3)
        other = token_of(await sessions.create("user"))
        assert sessions.newest([line[1], "garbage", line[3], other, line[0]]) == (line[3], other)
        assert sessions.newest(["garbage", ""]) == ()
