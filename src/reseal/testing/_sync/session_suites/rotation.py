# Generated from src/reseal/testing/_async/session_suites/rotation.py by tools/unasync.py; edit that file instead.
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
from reseal.testing._sync.session_suites.base import (
    OWNER,
    THIEF,
    WINDOW,
    SessionTests,
    error_of,
    errors_in,
    family_of,
    mutated,
    refusal_of,
    token_of,
)
from reseal.testing._sync.waiting import together
from reseal.testing._sync.world import World


class RotationSuite(SessionTests):
    @pytest.mark.parametrize("policy", ["graceful", "classic"])
    def test_64_refreshes_of_one_token_at_once_are_one_step_with_one_successor(
        self, world: World, policy: str
    ) -> None:
        sides = [world.sessions(rotation_policy=policy), world.sessions(rotation_policy=policy)]
        pair = sides[0].create("user")
        for generation in range(1, 9):
            results = together(partial(sides[n % 2].refresh, token_of(pair)) for n in range(64))
            assert errors_in(results) == []
            pairs = [r for r in results if isinstance(r, TokenPair)]
            assert {token_of(p) for p in pairs} == {token_of(pairs[0])} != {token_of(pair)}
            assert {p.claims.gen for p in pairs} == {generation}
            assert (sides[1].get(pair.claims.sid)).generation == generation
            pair = pairs[-1]
        assert world.events.named(EventName.TOKEN_THEFT) == []
        assert len(world.events.named(EventName.SESSION_REFRESHED)) == 8

    def test_many_refreshes_give_as_many_tokens_and_each_old_one_is_theft(self, world: World) -> None:
        sessions = world.sessions(theft_response="report")
        steps = world.trials // 10
        line = family_of(sessions, sessions.create("user"), steps)
        assert len(set(line)) == steps + 1
        world.clock.advance(WINDOW)
        sessions.check((sessions.refresh(line[-1])).claims)
        world.clock.advance(WINDOW)
        for token in line:
            assert isinstance(error_of(sessions, token), TokenTheftDetected)
        assert len(world.events.named(EventName.TOKEN_THEFT)) == steps + 1

    def test_any_used_token_ends_its_session_and_no_other(self, world: World) -> None:
        sessions = world.sessions()
        bystander = sessions.create("user")
        generations = min(50, world.trials // 50)
        for generation in range(generations):
            pair = sessions.create("user")
            line = family_of(sessions, pair, generations)
            newest = sessions.refresh(line[-1])
            sessions.check(newest.claims)
            world.clock.advance(WINDOW)
            error = error_of(sessions, line[generation], THIEF)
            assert isinstance(error, TokenTheftDetected)
            assert (error.user_id, error.session_handle, error.subtype) == ("user", pair.claims.sid, "older")
            assert refusal_of(sessions, token_of(newest)) is Refusal.THEFT
            with pytest.raises(Unauthorised):
                sessions.check(newest.claims)
            assert [r.handle for r in sessions.list_user("user")] == [bystander.claims.sid]
        assert len(world.events.named(EventName.TOKEN_THEFT)) == generations
        sessions.refresh(token_of(bystander))

    @pytest.mark.parametrize("subtype", ["previous", "older"])
    @pytest.mark.parametrize("response", ["report", "revoke_session", "revoke_user"])
    def test_theft_is_answered_as_configured_and_told_once_without_a_secret(
        self, world: World, response: str, subtype: str
    ) -> None:
        sessions = world.sessions(theft_response=response)
        pair = sessions.create("user", {"private": "canary"}, {"private": "canary"}, caller=OWNER)
        other, stranger = sessions.create("user"), sessions.create("stranger")
        line = [token_of(pair)]
        for _ in range(3):
            pair = sessions.refresh(line[-1], caller=OWNER)
            line.append(token_of(pair))
        sessions.check(pair.claims)
        world.clock.advance(WINDOW)
        presented = line[-2] if subtype == "previous" else line[-3]
        error = error_of(sessions, presented, THIEF)
        assert isinstance(error, TokenTheftDetected)
        assert (error.user_id, error.session_handle, error.subtype) == ("user", pair.claims.sid, subtype)
        live = {r.handle for user in ("user", "stranger") for r in sessions.list_user(user)}
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
            assert refusal_of(sessions, line[-1]) is Refusal.THEFT
            assert refusal_of(sessions, line[0]) is Refusal.THEFT

    def test_theft_met_by_many_at_once_is_told_once(self, world: World) -> None:
        sessions = world.sessions()
        line = family_of(sessions, sessions.create("user"), 2)
        results = together([partial(sessions.refresh, line[0])] * 16)
        assert all(isinstance(r, TokenTheftDetected | Unauthorised) for r in results)
        assert any(isinstance(r, TokenTheftDetected) for r in results)
        assert len(world.events.named(EventName.TOKEN_THEFT)) == 1

    def test_garbage_that_names_a_session_accuses_nobody(self, world: World) -> None:
        sessions = world.sessions()
        line = family_of(sessions, sessions.create("victim"), 2)
        randomness = random.Random(37)  # noqa: S311 - a repeatable test
        for _ in range(world.trials):
            garbage = mutated(randomness, line[randomness.randrange(3)])
            if garbage in line:
                continue
            assert refusal_of(sessions, garbage) is Refusal.MALFORMED
        assert world.events.named(EventName.TOKEN_THEFT) == []
        sessions.check((sessions.refresh(line[-1])).claims)

    def test_a_token_of_another_app_or_tenant_is_not_ours(self, world: World) -> None:
        scopes = [{"app_id": "a"}, {"app_id": "b"}, {"app_id": "a", "tenant_id": "b"}]
        sides = [world.sessions(**scope) for scope in scopes]
        pairs = [side.create("user") for side in sides]
        for n, side in enumerate(sides):
            for m, pair in enumerate(pairs):
                if n == m:
                    side.verify(pair.access_token)
                    continue
                assert refusal_of(side, token_of(pair)) is Refusal.MALFORMED
                with pytest.raises(TryRefreshToken):
                    side.verify(pair.access_token)
                with pytest.raises(Unauthorised):
                    side.get(pair.claims.sid)

    def test_of_several_cookies_the_newest_genuine_one_of_each_session_counts(self, world: World) -> None:
        sessions = world.sessions()
        line = family_of(sessions, sessions.create("user"), 3)
        other = token_of(sessions.create("user"))
        assert sessions.newest([line[1], "garbage", line[3], other, line[0]]) == (line[3], other)
        assert sessions.newest(["garbage", ""]) == ()
