"""The refresh token: its text, its MAC, its successor."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.errors import Refusal, Unauthorised
from reseal.core.model import Scope
from reseal.core.refresh_token import anti_csrf, mint, newest_by_shape, newest_of_each_family, parse, successor_of

SCOPE = Scope("public", "public")
KEY = bytes(range(32))
SECRET = bytes(range(100, 132))
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

handles = st.text(ALPHABET, min_size=1, max_size=128)
generations = st.integers(0, 9_999_999_999)
secrets = st.binary(min_size=32, max_size=32)


def refused(text, scope=SCOPE, key=KEY):
    with pytest.raises(Unauthorised) as error:
        parse(scope, key, text)
    assert error.value.reason is Refusal.MALFORMED
    return True


@given(handles, generations, secrets)
def test_what_is_minted_is_read_again(handle, generation, secret):
    token = mint(SCOPE, KEY, handle, generation, secret)
    assert parse(SCOPE, KEY, token.text) == token
    assert (token.handle, token.generation) == (handle, generation)
    assert token.hash == hashlib.sha256(token.text.encode()).digest()
    assert len(urlsafe_b64decode(token.text.split(".")[3] + "=")) == 32


def test_the_text_is_as_documented_and_safe_in_a_cookie():
    token = mint(SCOPE, KEY, "handle", 7, SECRET)
    version, handle, generation, secret, mac = token.text.split(".")
    assert (version, handle, generation) == ("r1", "handle", "7")
    assert len(secret) == len(mac) == 43
    assert set(token.text) <= set(ALPHABET + ".")


def test_a_token_shows_no_secret_when_it_is_printed():
    token = mint(SCOPE, KEY, "handle", 7, SECRET)
    assert repr(token) == "RefreshToken(handle='handle', generation=7)"
    assert str(token) == repr(token) == f"{token}"


def test_every_changed_character_is_refused():
    text = mint(SCOPE, KEY, "handle", 12, SECRET).text
    for at in range(len(text)):
        for other in {*ALPHABET, "=", ".", "é"} - {text[at]}:
            assert refused(text[:at] + other + text[at + 1 :])


@pytest.mark.parametrize(
    "change",
    [
        str.upper,
        lambda t: t + "=",
        lambda t: t + "\n",
        lambda t: " " + t,
        lambda t: t + " ",
        lambda t: t + ".x",
        lambda t: t[:-1],
        lambda t: t.replace("r1", "r2"),
        lambda t: t.replace(".7.", ".07."),
        lambda t: t.replace(".7.", ".+7."),
        lambda t: t.replace(".7.", ".-7."),
        lambda t: t.replace(".7.", ".٧."),
        lambda t: t.replace(".7.", ".7_0."),
        lambda t: t.replace(".7.", ".77777777777."),
        lambda t: t.replace(".", ""),
        lambda t: "",
        lambda t: "r1....",
        lambda t: t * 100,
        lambda t: "\ud800",
        lambda t: "\0" + t,
    ],
)
def test_every_other_way_to_write_a_token_is_refused(change):
    assert refused(change(mint(SCOPE, KEY, "handle", 7, SECRET).text))


@given(st.text())
def test_text_at_large_is_refused(text):
    assert refused(text)


@pytest.mark.parametrize(
    ("scope", "key"),
    [
        (Scope("other", "public"), KEY),
        (Scope("public", "other"), KEY),
        (Scope("", "publicpublic"), KEY),
        (SCOPE, KEY[::-1]),
        (SCOPE, b""),
    ],
)
def test_a_token_of_another_app_tenant_or_key_is_refused(scope, key):
    assert refused(mint(scope, key, "handle", 7, SECRET).text)
    assert parse(scope, key, mint(scope, key, "handle", 7, SECRET).text)


SEAL = bytes(range(32))


def test_a_token_and_a_seal_have_one_successor_of_the_next_generation():
    presented = mint(SCOPE, KEY, "h", 3, SECRET)
    for pepper in (b"", b"pepper"):
        successor = successor_of(SCOPE, KEY, presented, pepper, SEAL)
        assert successor == successor_of(SCOPE, KEY, parse(SCOPE, KEY, presented.text), pepper, SEAL)
        assert successor == parse(SCOPE, KEY, successor.text)
        assert (successor.handle, successor.generation) == ("h", 4)
        assert not {successor.text.split(".")[3], successor.hash} & {presented.text.split(".")[3], presented.hash}


def test_whatever_is_different_gives_another_successor():
    presented = mint(SCOPE, KEY, "h", 3, SECRET)
    others = [
        mint(SCOPE, KEY, "h", 3, bytes(32)),
        mint(SCOPE, KEY, "h", 2, SECRET),
        mint(SCOPE, KEY, "other", 3, SECRET),
        mint(SCOPE, b"other key", "h", 3, SECRET),
        successor_of(SCOPE, KEY, presented, b"pepper", SEAL),
    ]
    changed = [SEAL[:n] + bytes([SEAL[n] ^ 1]) + SEAL[n + 1 :] for n in range(len(SEAL))]
    cut = [SEAL[:n] for n in range(len(SEAL))]
    texts = [
        successor_of(SCOPE, KEY, presented, b"pepper", SEAL).text,
        *(successor_of(SCOPE, KEY, other, b"pepper", SEAL).text for other in others),
        *(successor_of(SCOPE, KEY, presented, b"pepper", seal).text for seal in changed + cut),
        *(successor_of(SCOPE, KEY, presented, pepper, SEAL).text for pepper in (b"", b"Pepper", b"peppe")),
    ]
    assert len(set(texts)) == len(texts) == 1 + 5 + 64 + 3


def test_the_anti_csrf_token_belongs_to_one_token_and_one_key():
    tokens = [mint(SCOPE, KEY, handle, n, SECRET) for handle in ("a", "b") for n in range(100)]
    values = {anti_csrf(KEY, token) for token in tokens} | {anti_csrf(b"other", token) for token in tokens}
    assert len(values) == 2 * len(tokens)
    assert {len(value) for value in values} == {43}
    assert anti_csrf(KEY, tokens[0]) == anti_csrf(KEY, parse(SCOPE, KEY, tokens[0].text))
    assert not [value for token in tokens for value in [anti_csrf(KEY, token)] if value in token.text]


def test_of_several_tokens_the_newest_of_each_session_is_kept_in_the_order_they_came():
    a = [mint(SCOPE, KEY, "a", n, SECRET).text for n in range(12)]
    b = mint(SCOPE, KEY, "b", 1, SECRET).text
    foreign = mint(Scope("other"), KEY, "a", 99, SECRET).text
    forged = mint(SCOPE, b"guess", "a", 99, SECRET).text
    assert newest_of_each_family(SCOPE, KEY, [a[9], foreign, b, a[11], forged, "", a[10]]) == (a[11], b)
    assert newest_of_each_family(SCOPE, KEY, []) == ()


def test_without_the_key_the_newest_of_each_session_is_chosen_by_what_the_tokens_say():
    a = [mint(SCOPE, KEY, "a", n, SECRET).text for n in range(12)]
    b = mint(Scope("other"), b"unknown key", "b", 1, SECRET).text
    assert newest_by_shape([a[9], b, a[11], "no token", a[10]]) == (a[11], b)
