from __future__ import annotations

import json
import math
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.errors import InvalidInput
from reseal.web.front_token import encode

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)


def decode(token: str) -> dict:
    return json.loads(b64decode(token, validate=True))


@given(st.text(), st.integers(), st.dictionaries(st.text(), JSON, max_size=3))
def test_every_payload_comes_back(user_id, expires, payload):
    token = encode(user_id, expires, payload)
    assert decode(token) == {"uid": user_id, "ate": expires, "up": payload, "ik": 1}
    assert token.isascii()
    assert token.isprintable()


def test_the_members_are_compact_and_in_order():
    text = b64decode(encode("u1", 1700, {"z": 1, "a": [2]}))
    assert text == b'{"uid":"u1","ate":1700,"up":{"z":1,"a":[2]},"ik":1}'


def test_other_alphabets_travel_as_utf_8():
    assert "Žofie 🍎".encode() in b64decode(encode("Žofie 🍎", 0, {}))


def test_half_a_surrogate_pair_travels_as_an_escape():
    assert b'"\\ud83c"' in b64decode(encode("\ud83c", 0, {}))


@pytest.mark.parametrize("user_id", ["a\r\nSet-Cookie: b=1", "a;b,c", "\x00", "\u2028", "x" * 8192])
def test_no_user_id_can_split_a_header(user_id):
    token = encode(user_id, 0, {})
    assert not set(token) & set("\r\n;,\x00 ")
    assert decode(token)["uid"] == user_id


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), {1, 2}, b"bytes"])
def test_what_a_page_could_not_parse_is_refused(value):
    with pytest.raises(InvalidInput):
        encode("u1", 0, {"a": value})


def test_a_payload_that_contains_itself_is_refused():
    payload: dict = {}
    payload["self"] = payload
    with pytest.raises(InvalidInput):
        encode("u1", 0, payload)
