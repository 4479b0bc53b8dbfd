"""Every order of two tabs, or of an owner and a thief, once the session is bound to a device, by either kind of proof.

The thief has each token and each challenge, and not the key.
"""

from __future__ import annotations

from itertools import product

import pytest

from reseal.core.dpop import Shown
from reseal.core.errors import ProofDemanded, Unauthorised
from reseal.core.events import EventName
from reseal.testing.material import HOUR
from tests.sessions.test_interleavings import Server, explored
from tests.support.device import Device
from tests.support.program import proof

URL = "https://api.example.com/session/refresh"
OWN, FOREIGN = Device(), Device()


class BoundServer(Server):
    """What an API does with sessions of which each is bound, and what clients with a key send to it."""

    fine = False

    def __init__(self, policy, kind, age=0):
        super().__init__(policy, device_binding="offer", access_token_signing_algorithm="ES256")
        self.kind = kind
        self.age = age
        self.challenges = {}
        self.line = {}

    def create(self):
        pair = self.engine.create("user", proof=self.proof(OWN, None) if self.kind == "dpop" else None)
        if self.kind == "dbsc":
            self.engine.bind(pair.refresh_token, OWN.proof(pair.challenge, brings_key=True))
        self.clock.advance(self.age)
        self.challenges, self.line = {}, {}
        return self._received(pair)

    def refresh(self, presented, attempt_key=None, device=OWN):
        """Refresh with the challenge that came with this token, or, after a refusal, with the one that came then."""
        try:
            pair = self.engine.refresh(presented, attempt_key=attempt_key, proof=self.proof(device, presented))
        except ProofDemanded as error:
            self.challenges[presented] = error.challenge
            raise
        assert pair.claims.cnf is not None
        return self._received(pair)

    def proof(self, device, presented):
        if device is None:
            return None
        if self.kind == "dbsc":
            return device.proof(self.challenges[presented], brings_key=False)
        return Shown(proof(device, "POST", URL, self.clock.wall() // 1000), "POST", URL)

    def _received(self, pair):
        """Demand that a generation has one token, whoever asks for it."""
        assert self.line.setdefault(pair.claims.gen, pair.refresh_token) == pair.refresh_token
        self.challenges[pair.refresh_token] = pair.challenge
        return pair

    def persisted(self, presented):
        return self.engine.store.get(self.engine.settings.scope, presented.split(".")[1]).record


SERVERS = {
    "dbsc, graceful": ("graceful", "dbsc"),
    "dbsc, classic": ("classic", "dbsc"),
    "dbsc, challenges are over": ("graceful", "dbsc", 2 * HOUR),
    "dpop, graceful": ("graceful", "dpop"),
    "dpop, classic": ("classic", "dpop"),
}


@pytest.fixture
def server(request):
    made = BoundServer(*SERVERS[request.param])
    yield made
    made.close()


@pytest.mark.parametrize("server", SERVERS, indirect=True)
def test_two_tabs_of_a_bound_session_and_a_lost_response_never_end_in_theft_or_logout(server):
    orders, failed = explored(server)
    print(f"\n{orders} orders, {len(failed)} with an error")  # noqa: T201 - the number is the result
    assert orders >= 100
    assert failed == []
    for name in (EventName.TOKEN_THEFT, EventName.REFRESH_REFUSED, EventName.BINDING_REFUSED):
        assert server.named(name) == []


def owner(server, jar, *, is_lost):
    server.clock.advance(HOUR // 2)
    try:
        pair = server.refresh(jar["own"])
    except ProofDemanded:
        pair = server.refresh(jar["own"])
    if not is_lost:
        jar["own"] = pair.refresh_token


def thief(server, presented, *, has_proof):
    """Try it once, and be refused; the session stays as it is."""
    before = server.persisted(presented)
    with pytest.raises(Unauthorised):
        server.refresh(presented, device=FOREIGN if has_proof else None)
    assert server.persisted(presented) == before


STEPS = {
    "O": lambda server, jar: owner(server, jar, is_lost=False),
    "L": lambda server, jar: owner(server, jar, is_lost=True),
    "F": lambda server, jar: thief(server, jar["first"], has_proof=True),
    "C": lambda server, jar: thief(server, jar["own"], has_proof=True),
    "N": lambda server, jar: thief(server, jar["own"], has_proof=False),
}
"""The owner refreshes (O), or loses the answer (L); the thief comes with the first token (F) or with the current one
(C) and a proof of another key, or without a proof (N). A browser that has no challenge begins as N does."""


@pytest.mark.parametrize(
    "server", ["dbsc, graceful", "dbsc, classic", "dpop, graceful", "dpop, classic"], indirect=True
)
def test_a_thief_without_the_key_gets_nothing_and_ends_nothing_in_any_order(server):
    for order in product(STEPS, repeat=4):
        server.events.forget()
        first = server.create().refresh_token
        jar = {"own": first, "first": first}
        for step in order:
            STEPS[step](server, jar)
        owner(server, jar, is_lost=False)
        tries = [step for step in order if step in ("FC" if server.kind == "dbsc" else "FCN")]
        assert len(server.named(EventName.BINDING_REFUSED)) == len(tries), order
        assert server.named(EventName.TOKEN_THEFT) == [], order
