"""Sessions that are held, bound to a device, or both: what whoever has copied their tokens gets of them."""

from typing import Any

import pytest
from msgspec.structs import replace

from reseal import Engine, MemoryStore, Settings, TokenTheftDetected, Unauthorised
from reseal.core.errors import ProofDemanded
from reseal.core.holding import SessionHeld
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock, Recorder
from tests.support.device import Device

HOUR = 3_600_000
OWN, FOREIGN = Device(), Device()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def opened(clock: ManualClock, **changes: Any) -> Engine:
    values: dict[str, Any] = {"theft_response": "step_up", "device_binding": "offer", "access_token_validity": 3600}
    settings = Settings(api_domain="https://shop.example.com", database_uri="memory:", **values | changes)
    engine = Engine(settings, MemoryStore(clock), clock=clock, on_event=Recorder())
    engine.open()
    return engine


def held(engine: Engine, clock: ManualClock, **options: Any) -> TokenPair:
    """Hold a session; returns the current tokens."""
    first = engine.create("alice", **options)
    clock.advance(HOUR)
    newest = engine.refresh(engine.refresh(first.refresh_token or "").refresh_token or "")
    with pytest.raises(SessionHeld):
        engine.refresh(first.refresh_token or "")
    return newest


def bind(engine: Engine, tokens: TokenPair, device: Device) -> TokenPair:
    return engine.bind(tokens.refresh_token or "", device.proof(tokens.challenge or "", brings_key=True))


class TestBindingAHeldSession:
    def test_a_held_session_is_not_bound(self, clock: ManualClock) -> None:
        engine = opened(clock)
        tokens = held(engine, clock)
        with pytest.raises(SessionHeld) as refused:
            bind(engine, tokens, FOREIGN)
        assert refused.value.reason == "step_up"
        elevated = engine.elevate(tokens.claims, {"amr": ["pwd"]}, HOUR)
        assert elevated.claims.cnf is None
        assert bind(engine, elevated, OWN).claims.cnf is not None

    def test_one_that_was_bound_before_gives_no_access_tokens_by_binding_it_again(self, clock: ManualClock) -> None:
        engine = opened(clock)
        first = engine.create("alice")
        bound = bind(engine, first, OWN)
        clock.advance(HOUR)
        proof = OWN.proof(bound.challenge or "", brings_key=False)
        second = engine.refresh(first.refresh_token or "", proof=proof)
        proof = OWN.proof(second.challenge or "", brings_key=False)
        third = engine.refresh(second.refresh_token or "", proof=proof)
        clock.advance(HOUR)
        with pytest.raises(SessionHeld):
            engine.refresh(first.refresh_token or "", proof=OWN.proof(third.challenge or "", brings_key=False))
        with pytest.raises(SessionHeld):
            bind(engine, third, OWN)

    def test_a_token_from_before_the_confirmation_binds_nothing(self, clock: ManualClock) -> None:
        engine = opened(clock)
        before = held(engine, clock)
        engine.elevate(before.claims, {"amr": ["pwd"]}, HOUR)
        with pytest.raises(Unauthorised) as refused:
            bind(engine, before, FOREIGN)
        assert refused.value.reason == "theft"


class TestAThiefWhoBinds:
    """The owner's browser binds nothing, so that whoever has copied its tokens may do so first."""

    @pytest.mark.parametrize("goes_on", [True, False])
    def test_it_does_not_hide_the_theft(self, clock: ManualClock, *, goes_on: bool) -> None:
        engine = opened(clock, theft_response="revoke_session")
        owned = engine.create("alice").refresh_token or ""
        clock.advance(HOUR)
        copied = engine.refresh(owned)
        bound = bind(engine, copied, FOREIGN)
        if goes_on:
            clock.advance(HOUR)
            engine.refresh(copied.refresh_token or "", proof=FOREIGN.proof(bound.challenge or "", brings_key=False))
        clock.advance(HOUR)
        with pytest.raises(TokenTheftDetected):
            engine.refresh(owned)
        with pytest.raises(Unauthorised) as refused:
            engine.get(copied.claims.sid)
        assert refused.value.reason == "theft"

    def test_copies_of_what_the_owner_has_bound_end_nothing(self, clock: ManualClock) -> None:
        engine = opened(clock, theft_response="revoke_session")
        copied = engine.create("alice")
        bound = bind(engine, copied, OWN)
        for _ in range(2):
            clock.advance(HOUR)
            proof = OWN.proof(bound.challenge or "", brings_key=False)
            bound = engine.refresh(bound.refresh_token or copied.refresh_token or "", proof=proof)
            with pytest.raises(ProofDemanded):
                engine.refresh(copied.refresh_token or "")
        assert engine.get(copied.claims.sid).end_reason is None

    def test_a_late_answer_to_the_token_before_ends_nothing(self, clock: ManualClock) -> None:
        engine = opened(clock, theft_response="revoke_session")
        first = engine.create("alice")
        bind(engine, engine.refresh(first.refresh_token or ""), OWN)
        with pytest.raises(ProofDemanded):
            engine.refresh(first.refresh_token or "")
        assert engine.get(first.claims.sid).end_reason is None


class TestEndsOfTheirOwn:
    """A session with a ``lifetime_ms`` keeps no policy, and its end is that of its row."""

    def test_binding_leaves_it(self, clock: ManualClock) -> None:
        engine = opened(clock)
        tokens = engine.create("alice", lifetime_ms=2 * HOUR)
        bound = bind(engine, tokens, OWN)
        clock.advance(HOUR)
        proof = OWN.proof(bound.challenge or "", brings_key=False)
        assert engine.refresh(tokens.refresh_token or "", proof=proof).session_expires_at == clock.wall() + HOUR
        clock.advance(HOUR)
        with pytest.raises(Unauthorised):
            engine.get(tokens.claims.sid)

    def test_a_confirmation_leaves_it(self, clock: ManualClock) -> None:
        engine = opened(clock)
        tokens = held(engine, clock, lifetime_ms=3 * HOUR)
        elevated = engine.elevate(tokens.claims, {"amr": ["pwd"]}, HOUR)
        assert elevated.session_expires_at == clock.wall() + 2 * HOUR
        assert engine.refresh(elevated.refresh_token or "").session_expires_at == clock.wall() + 2 * HOUR

    def test_the_access_token_of_binding_does_not_outlive_it(self, clock: ManualClock) -> None:
        engine = opened(clock)
        tokens = engine.create("alice", lifetime_ms=HOUR)
        clock.advance(HOUR // 2)
        bound = bind(engine, tokens, OWN)
        assert bound.session_expires_at == clock.wall() + HOUR // 2
        assert bound.claims.exp * 1000 <= clock.wall() + HOUR // 2


class TestNewAccessTokensBesidesRefreshes:
    """An application that writes the payload hands out a new access token to whoever has the present one."""

    @pytest.mark.parametrize("is_held", [True, False])
    def test_they_end_with_the_present_one(self, clock: ManualClock, *, is_held: bool) -> None:
        engine = opened(clock)
        tokens = held(engine, clock) if is_held else bind(engine, engine.create("alice"), OWN)
        clock.advance(HOUR // 2)
        record = engine.update(tokens.claims.sid, jwt_payload={"plan": "pro"}, seen=tokens.claims)
        again = engine.reissue(tokens.claims, record)
        assert again.claims.jwt_payload()["plan"] == "pro"
        assert again.claims.exp == tokens.claims.exp

    def test_so_do_those_from_before_a_confirmation(self, clock: ManualClock) -> None:
        engine = opened(clock)
        before = held(engine, clock)
        after = engine.elevate(before.claims, {"amr": ["pwd"]}, 4 * HOUR)
        clock.advance(HOUR // 2)
        record = engine.update(before.claims.sid, jwt_payload={"plan": "pro"})
        assert engine.reissue(before.claims, record).claims.exp == before.claims.exp
        fresh = engine.refresh(after.refresh_token or "")
        clock.advance(HOUR // 4)
        assert engine.reissue(fresh.claims, engine.get(fresh.claims.sid)).claims.exp > fresh.claims.exp


@pytest.mark.parametrize("kept", ["!2x!", "!!!", "!h", "!zz!staff"])
def test_a_hold_of_a_later_version_is_kept(clock: ManualClock, kept: str) -> None:
    """A process that does not know how a session is held refreshes it for nobody."""
    engine = opened(clock)
    tokens = engine.create("alice")
    record = engine.get(tokens.claims.sid)
    assert engine.store.replace(engine.settings.scope, replace(record, policy=kept))
    with pytest.raises(SessionHeld):
        engine.refresh(tokens.refresh_token or "")
    with pytest.raises(SessionHeld):
        engine.check(tokens.claims)
    assert engine.get(tokens.claims.sid).policy == kept
