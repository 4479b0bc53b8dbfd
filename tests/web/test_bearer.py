from __future__ import annotations

import json

import msgspec
import pytest

from reseal.core.keys import b64url
from reseal.web import bearer
from reseal.web.bearer import BODY_LIMIT
from tests.web.material import request, settings, tokens

TOKENS = tokens(settings())
ACCESS, REFRESH = TOKENS.access_token, TOKENS.refresh_token
FOREIGN = ".".join(
    b64url(json.dumps(part).encode())
    for part in ({"alg": "RS256", "kid": "k", "typ": "at+jwt"}, {"iss": "https://idp.example", "sub": "a"}, {})
)
JSON = ("content-type", "application/json")


def body_request(body: bytes, *headers: tuple[str, str]):
    return msgspec.structs.replace(request(*headers), body=body)


@pytest.mark.parametrize(
    ("lines", "read"),
    [
        ([f"Bearer {ACCESS}"], ACCESS),
        ([f"Bearer  {ACCESS}\t "], ACCESS),
        ([f"bearer {ACCESS}"], ACCESS),
        ([f"BEARER {ACCESS}"], ACCESS),
        ([f"Bearer{ACCESS}"], None),
        ([f"Bearer\t{ACCESS}"], None),
        ([f"Bearer {ACCESS}\xa0"], None),
        ([ACCESS], None),
        (["Bearer "], None),
        (["Bearer"], None),
        ([""], None),
        ([], None),
        (["Basic dTpw"], None),
        ([f"Bearer {ACCESS}", f"Bearer {ACCESS}"], None),
        (["Basic dTpw", f"Bearer {ACCESS}"], None),
        ([f"Bearer {ACCESS}, Bearer {ACCESS}"], None),
        ([f"Bearer {FOREIGN}"], None),
        ([f"Bearer {REFRESH}"], None),
        (["Bearer a.b.c"], None),
        (["Bearer \xe9.\xff.c"], None),
        (["Bearer " + "x" * 9000], None),
        ([f"Bearer {ACCESS}{'x' * 9000}"], None),
    ],
)
def test_only_one_bearer_of_our_make_is_an_access_token(lines, read):
    assert bearer.read_access(request(*[("Authorization", line) for line in lines]).credentials[0]) == read


def test_a_forged_token_of_our_make_counts_as_ours_so_that_it_is_refused_and_not_passed_over():
    forged = ACCESS[:-4] + "AAAA"
    assert bearer.read_access([f"Bearer {forged}".encode()]) == forged


@pytest.mark.parametrize(
    ("credential", "read"), [(REFRESH, REFRESH), (ACCESS, None), (FOREIGN, None), (REFRESH[:-1], None), ("r1.a", None)]
)
def test_only_a_refresh_token_of_our_make_is_one(credential, read):
    assert bearer.read_refresh([f"Bearer {credential}".encode()]) == read


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", " Application/JSON ", "application/json;"]
)
def test_a_json_body_may_carry_the_refresh_token_and_other_members(media_type):
    body = json.dumps({"grant_type": "refresh_token", "refresh_token": REFRESH, "scope": None}).encode()
    assert bearer.read_body(body_request(body, ("content-type", media_type))) == REFRESH


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b"{",
        b"\xff\xfe",
        b"[" * 16000,
        b'{"refresh_token": 1}',
        b'{"refresh_token": null}',
        b'{"refresh_token": "\xff"}',
        b'{"refresh_token": "\\ud800"}',
        json.dumps({"refresh_token": ACCESS}).encode(),
        json.dumps({"Refresh_Token": REFRESH}).encode(),
        json.dumps([REFRESH]).encode(),
        json.dumps({"refresh_token": REFRESH, "more": "x" * BODY_LIMIT}).encode(),
    ],
)
def test_any_other_body_is_passed_over(body):
    assert bearer.read_body(body_request(body, JSON)) is None


@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", "application/jsonx", ""]
)
def test_what_a_plain_form_can_send_carries_no_token(media_type):
    body = json.dumps({"refresh_token": REFRESH}).encode()
    assert bearer.read_body(body_request(body, ("content-type", media_type))) is None
    assert bearer.read_body(body_request(body)) is None
    assert bearer.read_body(body_request(body, JSON, JSON)) is None


@pytest.mark.parametrize(
    ("length", "read"),
    [("1", True), (str(BODY_LIMIT), True), (str(BODY_LIMIT + 1), False), ("0", True), ("9" * 30, False)]
    + [(odd, False) for odd in ("", "-1", "+1", "1.0", "0x1", " 1", "\xb2", "1, 1")],
)
def test_a_body_is_read_only_if_its_stated_length_is_within_bounds(length, read):
    assert bearer.may_have_body(request(JSON, ("content-length", length))) is read
    assert not bearer.may_have_body(request(JSON))
    assert not bearer.may_have_body(request(("content-length", length)))


def test_the_answer_is_that_of_the_token_endpoint():
    answer = bearer.answer(TOKENS, (TOKENS.claims.exp - 7) * 1000 + 500)
    expected = {"access_token": ACCESS, "refresh_token": REFRESH, "token_type": "Bearer", "expires_in": 7}
    assert answer == expected
    assert bearer.answer(TOKENS, (TOKENS.claims.exp + 7) * 1000)["expires_in"] == 0
