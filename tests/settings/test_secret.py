import copy
import json
import pickle

import pytest

from reseal.core.secret import Secret

CANARY = "canary-9c1e"


def test_a_secret_gives_itself_away_only_when_asked():
    secret = Secret(CANARY)
    assert secret.reveal() == CANARY.encode()
    for shown in (
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>40}",
        f"{secret!r}",
        "%s" % secret,  # noqa: UP031 - one of the ways to print
        repr([secret]),
    ):
        assert CANARY not in shown
        assert "Secret(***)" in shown


def test_a_secret_of_bytes_is_those_bytes():
    assert Secret(b"\0\xff").reveal() == b"\0\xff"
    assert Secret(bytearray(b"ab")) == Secret("ab")


def test_text_that_is_no_unicode_is_held_too():
    assert Secret("\ud800") == Secret("\ud800")
    assert Secret("\ud800") != Secret("\ud801")


def test_secrets_are_compared_with_secrets():
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert Secret("a") != b"a"
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_secrets_have_no_order_and_no_bytes():
    with pytest.raises(TypeError):
        sorted([Secret("a"), Secret("b")])
    with pytest.raises(TypeError):
        bytes(Secret("a"))
    with pytest.raises(TypeError):
        json.dumps(Secret("a"))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_secret_is_not_pickled(protocol):
    with pytest.raises(TypeError, match="cannot be pickled") as caught:
        pickle.dumps(Secret(CANARY), protocol)
    assert CANARY not in str(caught.value)


def test_a_copy_of_a_secret_is_itself():
    secret = Secret(CANARY)
    assert copy.copy(secret) is secret
    assert copy.deepcopy([secret])[0] is secret
