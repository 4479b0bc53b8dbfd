"""Claim checks: what passes, what does not, and that nothing passes by accident."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from reseal import INVALID_CLAIMS, FreshClaim, HasClaim, InvalidClaims, Reseal, SessionHeaders
from reseal.core.claims import check_claims
from reseal.web.facts import RequestFacts
from tests.security.material import App

NOW = 1_000_000


@pytest.mark.parametrize("value", [True, 1, 1.0, "admin", None, ["a"], {"a": 1}, ""], ids=repr)
def test_a_claim_passes_with_its_value(value):
    assert HasClaim("role", value).failure({"role": value}, NOW) is None


@pytest.mark.parametrize(
    ("wanted", "actual"),
    [
        (True, 1),
        (True, 1.0),
        (True, "true"),
        (True, False),
        (1, True),
        (1, 1.0),
        (1, "1"),
        (0, False),
        (0, None),
        (None, False),
        ("", None),
        ("admin", "Admin"),
        ("admin", ["admin"]),
        ("admin", "admin "),
        ([], {}),
        ([1], (1,)),
        ([1], [True]),
        ({"a": 1}, {"a": 1.0}),
    ],
)
def test_a_value_that_is_merely_alike_does_not_pass(wanted, actual):
    assert HasClaim("role", wanted).failure({"role": actual}, NOW) == {"message": "wrong value"}


def test_an_absent_claim_does_not_pass():
    for wanted in (True, False, None, ""):
        assert HasClaim("role", wanted).failure({}, NOW) == {"message": "value does not exist"}
        assert HasClaim("role", wanted).failure({"Role": wanted}, NOW) is not None


@pytest.mark.parametrize(("at", "passes"), [(NOW, True), (NOW - 500, True), (NOW - 501, False), (NOW + 1, False)])
def test_a_fresh_claim_is_neither_too_old_nor_from_the_future(at, passes):
    check = FreshClaim("mfa", 500)
    assert (check.failure({"mfa": at}, NOW) is None) is passes
    assert (check.failure({"mfa": float(at)}, NOW) is None) is passes


@pytest.mark.parametrize("at", [None, True, False, "1000000", [NOW], {}, float("nan"), float("inf"), -1, 0], ids=repr)
def test_what_is_no_moment_is_not_fresh(at):
    assert FreshClaim("mfa", 500).failure({"mfa": at}, NOW) is not None
    assert FreshClaim("mfa", 500).failure({}, NOW) is not None


def test_every_failure_is_told():
    checks = (HasClaim("a"), HasClaim("b"), FreshClaim("c", 5), HasClaim("d"))
    with pytest.raises(InvalidClaims, match="invalid claim: a, c, d") as caught:
        check_claims(checks, {"b": True}, NOW)
    assert caught.value.code == INVALID_CLAIMS == 5000
    assert [(failure.id, failure.reason) for failure in caught.value.failures] == [
        ("a", {"message": "value does not exist"}),
        ("c", {"message": "value does not exist"}),
        ("d", {"message": "value does not exist"}),
    ]


def test_a_failure_does_not_show_the_value():
    with pytest.raises(InvalidClaims) as caught:
        check_claims([HasClaim("a", "wanted-canary")], {"a": "actual-canary"}, NOW)
    error = caught.value
    shown = f"{error!s}{error!r}{error.args}{[(f.id, f.reason, repr(f)) for f in error.failures]}"
    assert "canary" not in shown


def test_no_demands_are_met_by_anything():
    assert check_claims((), {}, NOW) is None


# -- S96: a check that breaks does not let through ------------------------------------------------------------------


@dataclass
class Breaking:
    id: str = "breaking"

    def failure(self, payload, now):
        raise ZeroDivisionError


@dataclass
class Meddling:
    id: str = "meddling"

    def failure(self, payload, now):
        payload["role"] = "admin"


class Falsy:
    """A reason that is false in a condition is a reason all the same."""

    def __init__(self, reason):
        self.id, self.reason = "falsy", reason

    def failure(self, payload, now):
        return self.reason


def test_an_exception_in_a_check_is_no_pass():
    with pytest.raises(ZeroDivisionError):
        check_claims([Breaking()], {}, NOW)
    with pytest.raises(ZeroDivisionError):
        check_claims([HasClaim("a"), Breaking()], {"a": True}, NOW)


@pytest.mark.parametrize("reason", ["", 0, False, [], {}], ids=repr)
def test_any_reason_but_none_is_a_failure(reason):
    with pytest.raises(InvalidClaims):
        check_claims([Falsy(reason)], {}, NOW)


def test_a_request_whose_claim_check_breaks_gets_no_session():
    app = App()
    reseal = Reseal(app.settings, sessions=app.engine, clock=app.clock)
    name = app.settings.access_cookie_name
    request = RequestFacts.of("GET", "/", [("cookie", f"{name}={app.pair.access_token}")])
    assert reseal.get_session(request, SessionHeaders(), claims=[HasClaim("role", "reader")]).get_user_id() == "user-1"
    with pytest.raises(ZeroDivisionError):
        reseal.get_session(request, SessionHeaders(), claims=[Breaking()])
    with pytest.raises(InvalidClaims):
        reseal.get_session(request, SessionHeaders(), claims=[HasClaim("role", "admin")])


def test_a_check_cannot_change_the_payload_of_the_session():
    app = App()
    reseal = Reseal(app.settings, sessions=app.engine, clock=app.clock)
    name = app.settings.access_cookie_name
    request = RequestFacts.of("GET", "/", [("cookie", f"{name}={app.pair.access_token}")])
    session = reseal.get_session(request, SessionHeaders(), claims=[Meddling()])
    assert session.get_jwt_payload() == {"role": "reader"}
    with pytest.raises(InvalidClaims):
        reseal.get_session(request, SessionHeaders(), claims=[HasClaim("role", "admin")])
