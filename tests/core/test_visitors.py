"""What a sign-in takes over of the session of a visitor, as a table."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from reseal.core import payload
from reseal.core.actor import Actor
from reseal.core.ids import ANONYMOUS
from reseal.core.model import EndReason, Found, SessionRecord
from reseal.core.policies import graceful
from reseal.core.rotation import begun, ended
from reseal.core.session_policy import Lifetimes, Policies, SessionLimit, SessionPolicy
from reseal.core.visitors import taken_over
from reseal.testing.material import HOUR, new_session

NOW = 1_900_000_000_000
WINDOW = 30_000


def session(user_id: str, **data: object) -> SessionRecord:
    return replace(begun(new_session("held", user_id), NOW), session_data=payload.encode("session_data", data))


def taken(record: SessionRecord | None, user_id: str = "alice", at: int = NOW) -> tuple[object, SessionRecord | None]:
    new = replace(new_session("new", user_id), session_data=payload.encode("session_data", {"seen": 2}))
    taking, over = taken_over(new, Found(record, at), WINDOW)
    assert (taking.handle, taking.user_id, taking.token_hash) == ("new", user_id, new.token_hash)
    return payload.decode(taking.session_data), over


VISITOR = session(ANONYMOUS, cart=[1], seen=1)
TAKEN = taken(VISITOR)[1]
OWN = session("alice", cart=[1])
ACTED = replace(OWN, jwt_payload=payload.encode("jwt_payload", Actor("support", "their-handle").claim()))


def test_the_data_goes_on_and_the_visitor_s_session_ends() -> None:
    data, over = taken(VISITOR)
    assert data == {"cart": [1], "seen": 2}
    assert over is not None
    assert (over.handle, over.user_id, over.version) == ("held", ANONYMOUS, VISITOR.version)
    assert (over.end_reason, over.ended_at, over.successor_sealed) == (EndReason.REPLACED, NOW, None)


def test_of_the_user_s_own_new_session_too() -> None:
    data, over = taken(OWN, at=NOW + WINDOW)
    assert data == {"cart": [1], "seen": 2}
    assert over == ended(OWN, EndReason.REPLACED, NOW + WINDOW)


@pytest.mark.parametrize("record", [TAKEN, ended(OWN, EndReason.REPLACED, NOW)])
def test_what_the_same_user_has_taken_is_given_again_and_nothing_ends(record: SessionRecord | None) -> None:
    assert record is not None
    assert taken(record, at=NOW + 1) == ({"cart": [1], "seen": 2}, None)


@pytest.mark.parametrize(
    ("record", "user_id", "at"),
    [
        (None, "alice", NOW),
        (VISITOR, "alice", NOW + HOUR),
        (ended(VISITOR, EndReason.SIGNED_OUT, NOW), "alice", NOW),
        (ended(VISITOR, EndReason.REPLACED, NOW), "alice", NOW),
        (TAKEN, "mallory", NOW),
        (OWN, "mallory", NOW),
        (OWN, "alice", NOW + WINDOW + 1),
        (ACTED, "alice", NOW),
    ],
    ids=["absent", "expired", "signed-out", "replaced", "taken", "another-user", "older", "acted"],
)
def test_nothing_else_gives_anything(record: SessionRecord | None, user_id: str, at: int) -> None:
    assert taken(record, user_id, at) == ({"seen": 2}, None)


def test_without_a_limit_no_session_is_ended() -> None:
    assert SessionLimit(None, evicts=True).evicted([OWN]) == ()


def test_visitors_have_the_policy_of_their_name_if_there_is_one() -> None:
    rotation, lifetimes = graceful(WINDOW, HOUR), Lifetimes(HOUR, None)
    named = (SessionPolicy(name="default"), SessionPolicy(name="anonymous"))
    both, one = Policies(rotation, lifetimes, named), Policies(rotation, lifetimes, named[:1])
    assert [both.chosen(None, None, user) for user in (ANONYMOUS, "alice")] == ["anonymous", "default"]
    assert one.chosen(None, None, ANONYMOUS) == "default"
    assert both.chosen("default", None, ANONYMOUS) == "default"
