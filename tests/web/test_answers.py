from __future__ import annotations

import json

import pytest

from reseal.core.errors import (
    AccessTokenTooLarge,
    ClaimFailure,
    ConfigurationError,
    GeneralError,
    InvalidClaims,
    InvalidInput,
    Refusal,
    ResealError,
    StoreUnavailable,
    TokenTheftDetected,
    TryRefreshToken,
    Unauthorised,
    WrongMethod,
)
from reseal.core.holding import SessionHeld
from reseal.web.answers import Answer, answer, clears_session
from tests.web.material import settings

SETTINGS = settings()
CANARY = "canary-7f3c"
THEFT = TokenTheftDetected("user", "handle", "older")
CLAIMS = InvalidClaims((ClaimFailure("2fa", {"message": "missing"}), ClaimFailure("role", None)))

ANSWERS = [
    (TryRefreshToken(CANARY), 401, {"message": "try refresh token"}, ()),
    (Unauthorised(Refusal.NO_TOKEN), 401, {"message": "unauthorised", "reason": "no_token"}, ()),
    (Unauthorised(Refusal.NOT_SIGNED_IN), 403, {"message": "unauthorised", "reason": "not_signed_in"}, ()),
    (TokenTheftDetected(CANARY, CANARY, CANARY), 401, {"message": "token theft detected"}, ()),
    (
        CLAIMS,
        403,
        {
            "message": "invalid claim",
            "claimValidationErrors": [
                {"id": "2fa", "reason": {"message": "missing"}},
                {"id": "role", "reason": None},
            ],
        },
        (),
    ),
    (
        StoreUnavailable(CANARY),
        503,
        {"message": "session store unavailable, try again"},
        (("Retry-After", "1"),),
    ),
    (
        WrongMethod(),
        405,
        {"message": "A session is refreshed or ended only by a POST request."},
        (("Allow", "POST"),),
    ),
    (SessionHeld("step_up", CANARY, CANARY, CANARY), 403, {"message": "session held", "reason": "step_up"}, ()),
    (InvalidInput("user_id", "is empty"), 400, {"message": "user_id: is empty"}, ()),
    (GeneralError(CANARY), 500, {"message": "internal error"}, ()),
    (ConfigurationError((CANARY,)), 500, {"message": "internal error"}, ()),
    (ResealError(CANARY), 500, {"message": "internal error"}, ()),
]

SAID = {
    Refusal.NO_TOKEN,
    Refusal.NOT_SIGNED_IN,
    Refusal.EXPIRED,
    Refusal.ABSOLUTE_TIMEOUT,
    Refusal.REVOKED,
    Refusal.SIGNED_OUT,
    Refusal.USER_REVOKED,
    Refusal.REPLACED,
    Refusal.THEFT,
    Refusal.NOT_BEFORE,
    Refusal.LIMIT,
    Refusal.PROVIDER_LOGOUT,
}
KEEPING = {
    Refusal.NO_TOKEN,
    Refusal.NOT_SIGNED_IN,
    Refusal.ANTI_CSRF,
    Refusal.CROSS_SITE,
    Refusal.OTHER_SESSION,
    Refusal.BINDING,
    Refusal.TICKET,
    Refusal.OVERTAKEN,
    Refusal.REPLACED,
}


@pytest.mark.parametrize(
    ("error", "status", "body", "headers"), ANSWERS, ids=[type(row[0]).__name__ for row in ANSWERS]
)
def test_each_error_has_its_answer(error, status, body, headers):
    assert answer(error, SETTINGS) == Answer(status, body, headers)


@pytest.mark.parametrize("row", ANSWERS, ids=lambda row: type(row[0]).__name__)
def test_no_internal_text_reaches_the_page(row):
    given = answer(row[0], SETTINGS)
    assert CANARY not in json.dumps([given.body, given.headers])


@pytest.mark.parametrize("reason", list(Refusal))
def test_a_reason_is_told_only_if_it_helps_no_attacker(reason):
    expected = {"message": "unauthorised"} | ({"reason": reason.value} if reason in SAID else {})
    assert answer(Unauthorised(reason), SETTINGS).body == expected


@pytest.mark.parametrize("error", [TryRefreshToken("expired"), Unauthorised(Refusal.EXPIRED), THEFT])
def test_the_session_expired_status_can_be_chosen(error):
    assert answer(error, settings(session_expired_status_code=440)).status == 440


def test_a_token_that_is_too_large_names_the_member_to_move():
    given = answer(AccessTokenTooLarge(5000, 4084, "avatar"), SETTINGS)
    assert given.status == 400
    assert "avatar" in given.body["message"]


@pytest.mark.parametrize("reason", list(Refusal))
def test_only_a_dead_session_is_cleared(reason):
    assert clears_session(Unauthorised(reason)) is (reason not in KEEPING)


def test_theft_clears_the_session():
    assert clears_session(THEFT)


@pytest.mark.parametrize(
    "error",
    [
        TryRefreshToken("expired"),
        CLAIMS,
        StoreUnavailable(),
        WrongMethod(),
        InvalidInput("a", "b"),
        GeneralError(),
        ConfigurationError(("a",)),
        ResealError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_other_error_signs_anybody_out(error):
    assert not clears_session(error)


def test_an_answer_can_be_sent_as_json():
    for error, *_ in ANSWERS:
        json.dumps(answer(error, SETTINGS).body)
