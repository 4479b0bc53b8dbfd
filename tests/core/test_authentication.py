"""What a session says of the authentication of its user, and demands on it."""

from __future__ import annotations

import pytest

from reseal import AuthenticatedBy, InvalidInput
from reseal.core import authentication
from reseal.core.errors import ClaimFailure

NOW = 1_700_000_000_500
S = NOW // 1000
MINUTE = 60_000


@pytest.mark.parametrize(
    ("demand", "payload"),
    [
        (AuthenticatedBy(acr=["silver", "gold"]), {"acr": "gold"}),
        (AuthenticatedBy(amr=["otp"]), {"amr": ["pwd", "otp"]}),
        (AuthenticatedBy(max_age_ms=MINUTE), {"auth_time": S}),
        (AuthenticatedBy(max_age_ms=MINUTE + 500), {"auth_time": S - 60}),
        (AuthenticatedBy(max_age_ms=0), {"auth_time": S + 10}),
    ],
)
def test_a_demand_that_is_met_passes(demand, payload):
    assert demand.failure(payload, NOW) is None


@pytest.mark.parametrize(
    ("demand", "payload"),
    [
        (AuthenticatedBy(acr=["gold"]), {}),
        (AuthenticatedBy(acr=["gold"]), {"acr": "silver"}),
        (AuthenticatedBy(acr=["gold"]), {"acr": 1}),
        (AuthenticatedBy(acr=["gold"]), {"acr": ["gold"]}),
        (AuthenticatedBy(amr=["otp", "hwk"]), {"amr": ["otp"]}),
        (AuthenticatedBy(amr=["otp"]), {"amr": "otp"}),
        (AuthenticatedBy(amr=["otp"]), {"amr": [["otp"], None]}),
        (AuthenticatedBy(max_age_ms=MINUTE), {}),
        (AuthenticatedBy(max_age_ms=MINUTE), {"auth_time": S - 60}),
        (AuthenticatedBy(max_age_ms=MINUTE), {"auth_time": S + 11}),
        (AuthenticatedBy(max_age_ms=MINUTE), {"auth_time": NOW}),
        (AuthenticatedBy(max_age_ms=MINUTE), {"auth_time": float(S)}),
        (AuthenticatedBy(max_age_ms=MINUTE), {"auth_time": True}),
    ],
)
def test_a_demand_that_is_not_met_fails(demand, payload):
    assert demand.failure(payload, NOW) is not None


def test_a_failure_says_what_is_demanded():
    demand = AuthenticatedBy(acr=["gold"], amr=("otp",), max_age_ms=5 * MINUTE)
    said = {"message": "a stronger authentication is required", "acr_values": ["gold"], "amr": ["otp"], "max_age": 300}
    assert demand.failure({}, NOW) == said
    old = demand.failure({"acr": "gold", "amr": ["otp"], "auth_time": S - 301}, NOW)
    assert old == said | {"message": "a more recent authentication is required"}


@pytest.mark.parametrize(
    "demand", [{}, {"acr": "gold"}, {"acr": ["two words"]}, {"amr": ['"']}, {"max_age_ms": -1}, {"max_age_ms": True}]
)
def test_a_demand_that_cannot_be_meant_is_refused(demand):
    with pytest.raises(InvalidInput):
        AuthenticatedBy(**demand)


@pytest.mark.parametrize(
    ("options", "claims"),
    [
        ({}, {}),
        ({"amr": None, "acr": None, "auth_time": None}, {}),
        ({"amr": ("pwd",)}, {"auth_time": S, "amr": ["pwd"]}),
        ({"acr": "gold"}, {"auth_time": S, "acr": "gold"}),
        ({"auth_time": S - 100, "acr": "urn:mace:silver"}, {"auth_time": S - 100, "acr": "urn:mace:silver"}),
    ],
)
def test_a_sign_in_states_its_authentication(options, claims):
    assert authentication.stated({"role": "reader"}, options, NOW) == {"role": "reader", **claims}
    assert (authentication.stated(None, options, NOW) or {}) == claims


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"auth_time": NOW}, "auth_time"),
        ({"auth_time": -1}, "auth_time"),
        ({"auth_time": True}, "auth_time"),
        ({"auth_time": 1.5}, "auth_time"),
        ({"amr": "pwd"}, "amr"),
        ({"amr": [1]}, "amr"),
        ({"amr": 5}, "amr"),
        ({"acr": 1}, "acr"),
        ({"acr": "gold level"}, "acr"),
        ({"acr": ""}, "acr"),
    ],
)
def test_a_sign_in_with_an_authentication_that_is_none_is_refused(options, field):
    with pytest.raises(InvalidInput) as caught:
        authentication.stated({}, options, NOW)
    assert caught.value.field == field


def test_a_payload_that_is_no_object_is_left_to_whoever_refuses_it():
    assert authentication.stated(["no object"], {"acr": "gold"}, NOW) == ["no object"]


def test_a_challenge_lists_levels_once_and_the_shortest_age():
    demands = [
        AuthenticatedBy(acr=["gold", "silver"], max_age_ms=10 * MINUTE),
        AuthenticatedBy(acr=["gold"], max_age_ms=5 * MINUTE),
        AuthenticatedBy(amr=["otp"]),
    ]
    assert authentication.challenge([ClaimFailure(each.id, each.failure({}, NOW)) for each in demands]) == (
        'Bearer error="insufficient_user_authentication", error_description="another authentication is required", '
        'acr_values="gold silver", max_age="300"'
    )


@pytest.mark.parametrize("other", [ClaimFailure("role", {"message": "wrong value"}), ClaimFailure("authentication", 5)])
def test_there_is_no_challenge_if_another_claim_is_missing_too(other):
    own = ClaimFailure("authentication", AuthenticatedBy(acr=["gold"]).failure({}, NOW))
    assert authentication.challenge([own, other]) is None
