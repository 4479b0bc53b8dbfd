"""The ``act`` claim: who acts for a user stays in the payload, and nobody else gets in."""

from __future__ import annotations

import pytest

from reseal import InvalidInput
from reseal.core import actor, payload
from reseal.core.actor import Actor

SUPPORT = Actor("support-1", "their-session")
PRESENT = payload.encode("jwt_payload", {"role": "reader", **SUPPORT.claim()})
OWN = payload.encode("jwt_payload", {"role": "reader"})


@pytest.mark.parametrize("claim", [None, "support-1", {}, {"sub": "support-1"}, {"sub": 1, "sid": "their-session"}])
def test_only_a_user_and_a_session_make_an_actor(claim):
    assert actor.actor_of({actor.CLAIM: claim}) is None
    assert actor.actor_of({}) is None
    assert actor.actor_of(SUPPORT.claim()) == SUPPORT


def test_a_payload_of_the_caller_names_no_actor():
    actor.refuse(None)
    actor.refuse({"role": "reader"})
    with pytest.raises(InvalidInput, match="impersonate"):
        actor.refuse(SUPPORT.claim())


def test_an_update_neither_removes_nor_replaces_the_actor():
    wanted = payload.encode("jwt_payload", {"role": "writer"})
    assert payload.decode(actor.kept(PRESENT, wanted)) == {"role": "writer", **SUPPORT.claim()}
    assert payload.decode(actor.kept(PRESENT, PRESENT)) == payload.decode(PRESENT)
    with pytest.raises(InvalidInput):
        actor.kept(PRESENT, payload.encode("jwt_payload", SUPPORT._replace(user_id="support-2").claim()))


def test_a_session_without_an_actor_takes_any_payload_without_one():
    assert actor.kept(OWN, OWN) is OWN
    unrelated = payload.encode("jwt_payload", {actor.CLAIM: "in a play"})
    assert actor.kept(OWN, unrelated) is unrelated
    with pytest.raises(InvalidInput):
        actor.kept(OWN, PRESENT)
