"""A session bound to a device, in any order of refreshes, lost answers, parallel tabs and thieves without the key."""

from __future__ import annotations

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from reseal import Engine, Event, EventName, MemoryStore, Settings, Unauthorised
from reseal.core.errors import ProofDemanded
from reseal.core.tokens import TokenPair
from reseal.testing import ManualClock
from tests.support.device import Device

MINUTE = 60_000
DAY = 24 * 60 * MINUTE
OWN, FOREIGN = Device(), Device()


class BoundSession(RuleBasedStateMachine):
    """The owner's browser holds what it got last; thieves hold what it held at any time, and another key."""

    @initialize()
    def begin(self) -> None:
        self.clock = ManualClock()
        self.events: list[Event] = []
        settings = Settings(api_domain="https://api.example.com", database_uri="memory:", device_binding="offer")
        self.engine = Engine(settings, MemoryStore(self.clock), clock=self.clock, on_event=self.events.append)
        self.engine.open()
        first = self.engine.create("alice")
        assert first.challenge is not None
        assert first.refresh_token is not None
        bound = self.engine.bind(first.refresh_token, OWN.proof(first.challenge, brings_key=True))
        assert bound.challenge is not None
        self.token, self.challenge = first.refresh_token, bound.challenge
        self.copied: list[tuple[str, str]] = []
        self.ended = False

    def exchange(self, token: str, challenge: str, device: Device) -> TokenPair:
        """Refresh as a browser does: with another challenge if this one is over."""
        try:
            return self.engine.refresh(token, proof=device.proof(challenge, brings_key=False))
        except ProofDemanded as error:
            return self.engine.refresh(token, proof=device.proof(error.challenge, brings_key=False))

    def receive(self, pair: TokenPair) -> None:
        assert pair.refresh_token is not None
        assert pair.challenge is not None
        assert pair.claims.cnf is not None
        self.token, self.challenge = pair.refresh_token, pair.challenge

    @rule(minutes=st.integers(0, 300))
    def wait(self, minutes: int) -> None:
        self.clock.advance(minutes * MINUTE)

    @precondition(lambda self: not self.ended)
    @rule()
    def refresh(self) -> None:
        self.receive(self.exchange(self.token, self.challenge, OWN))

    @precondition(lambda self: not self.ended)
    @rule()
    def refresh_and_lose_the_answer(self) -> None:
        self.exchange(self.token, self.challenge, OWN)

    @precondition(lambda self: not self.ended)
    @rule(tabs=st.integers(2, 4))
    def refresh_in_parallel(self, tabs: int) -> None:
        token, challenge = self.token, self.challenge
        pairs = [self.exchange(token, challenge, OWN) for _ in range(tabs)]
        assert len({pair.refresh_token for pair in pairs}) == 1
        self.receive(pairs[0])

    @rule()
    def copy(self) -> None:
        self.copied.append((self.token, self.challenge))

    @precondition(lambda self: self.copied)
    @rule(which=st.integers(0, 100), how=st.sampled_from(["none", "foreign", "another challenge"]))
    def steal(self, which: int, how: str) -> None:
        token, challenge = self.copied[which % len(self.copied)]
        proofs = {
            "none": None,
            "foreign": FOREIGN.proof(challenge, brings_key=False),
            "another challenge": FOREIGN.proof("c1.0.1." + "x" * 43, brings_key=False),
        }
        before = self.engine.store.get(self.engine.settings.scope, self.handle).record
        try:
            self.engine.refresh(token, proof=proofs[how])
        except Unauthorised:
            assert self.engine.store.get(self.engine.settings.scope, self.handle).record == before
        else:
            raise AssertionError("a thief without the key was given tokens")

    @precondition(lambda self: self.copied)
    @rule(which=st.integers(0, 100))
    def bind_to_another_key(self, which: int) -> None:
        token, challenge = self.copied[which % len(self.copied)]
        try:
            self.engine.bind(token, FOREIGN.proof(challenge, brings_key=True))
        except Unauthorised:
            return
        raise AssertionError("a bound session was bound to another key")

    @rule()
    def end(self) -> None:
        self.engine.revoke_user("alice")
        self.ended = True

    @property
    def handle(self) -> str:
        return self.token.split(".")[1]

    @invariant()
    def nobody_is_accused(self) -> None:
        assert EventName.TOKEN_THEFT not in {event.name for event in self.events}


BoundSession.TestCase.settings = hypothesis_settings(max_examples=200, stateful_step_count=30, deadline=None)
TestBoundSession = BoundSession.TestCase
