"""A session bound by DPoP, in any order of refreshes, lost answers, parallel calls and thieves without the key."""

from __future__ import annotations

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reseal import Engine, Event, EventName, MemoryStore, Settings, Unauthorised
from reseal.core.dpop import Shown
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock
from tests.support.device import Device
from tests.support.program import proof

MINUTE = 60_000
URL = "https://api.example.com/session/refresh"
OWN, FOREIGN = Device(), Device()


class BoundByDpop(RuleBasedStateMachine):
    """The owner holds what it got last, and its key; thieves hold what it held at any time, and another key."""

    @initialize(at_once=st.booleans())
    def begin(self, at_once: bool) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        settings = Settings(api_domain="https://api.example.com", database_uri="memory:", device_binding="offer")
        self.engine = Engine(settings, MemoryStore(self.clock), clock=self.clock, on_event=self.events.append)
        self.engine.open()
        pair = self.engine.create("alice", proof=self.shown(OWN)) if at_once else self.engine.create("alice")
        if not at_once:
            assert pair.refresh_token is not None
            pair = self.engine.refresh(pair.refresh_token, proof=self.shown(OWN))
        self.copied: list[str] = []
        self.ended = False
        self.receive(pair)

    def shown(self, device: Device) -> Shown:
        return Shown(proof(device, "POST", URL, self.clock.wall() // 1000), "POST", URL)

    def receive(self, pair: TokenPair) -> None:
        assert pair.refresh_token is not None
        assert (pair.claims.scheme, pair.claims.cnf is not None) == ("DPoP", True)
        self.token = pair.refresh_token

    @rule(minutes=st.integers(0, 300))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes * MINUTE)

    @precondition(lambda self: not self.ended)
    @rule(calls=st.integers(1, 4), is_lost=st.booleans())
    def refresh(self, calls: int, is_lost: bool) -> None:
        token = self.token
        pairs = [self.engine.refresh(token, proof=self.shown(OWN)) for _ in range(calls)]
        assert len({pair.refresh_token for pair in pairs}) == 1
        if not is_lost:
            self.receive(pairs[0])

    @rule()
    def copy(self) -> None:
        self.copied.append(self.token)

    @precondition(lambda self: self.copied)
    @rule(which=st.integers(0, 100), has_proof=st.booleans())
    def steal(self, which: int, has_proof: bool) -> None:
        handle = self.token.split(".")[1]
        before = self.engine.store.get(self.engine.settings.scope, handle).record
        try:
            self.engine.refresh(self.copied[which % len(self.copied)], proof=self.shown(FOREIGN) if has_proof else None)
        except Unauthorised:
            assert self.engine.store.get(self.engine.settings.scope, handle).record == before
        else:
            raise AssertionError("a thief without the key was given tokens")

    @rule()
    def end(self) -> None:
        self.engine.revoke_user("alice")
        self.ended = True

    @invariant()
    def nobody_is_accused(self) -> None:
        assert EventName.TOKEN_THEFT not in {event.name for event in self.events}


BoundByDpop.TestCase.settings = hypothesis_settings(max_examples=100, stateful_step_count=25, deadline=None)
TestBoundByDpop = BoundByDpop.TestCase
