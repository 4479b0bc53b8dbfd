"""The text of a ticket: what is in it, and that nobody else can write one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core import refresh_token, ticket
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.model import Scope

KEY, NONCE, PUBLIC = b"k" * 32, b"n" * 16, Scope()
WRITTEN = ticket.write(PUBLIC, KEY, "handle-1", 7, "/live", NONCE, until=1_795_392_030_000)


def parsed(text, *, scope=PUBLIC, key=KEY, purpose="/live"):
    return ticket.parse(scope, key, purpose, text)


def is_refused(text, **given_instead):
    with pytest.raises(Unauthorised) as caught:
        parsed(text, **given_instead)
    return caught.value.reason is Refusal.TICKET


def test_a_ticket_is_read_as_it_was_written():
    assert parsed(WRITTEN.text) == WRITTEN
    assert WRITTEN[:3] == ("handle-1", 7, 1_795_392_030_000)


def test_a_ticket_can_be_the_name_of_a_sub_protocol():
    assert set(WRITTEN.text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!#$%&'*+-.^_`|~")


def test_neither_its_text_nor_its_mac_is_shown():
    mac = WRITTEN.text.rpartition(".")[2]
    assert mac not in repr(WRITTEN)
    assert mac not in WRITTEN.claim


def test_each_ticket_has_a_claim_of_its_own():
    other = ticket.write(PUBLIC, KEY, "handle-1", 7, "/live", b"m" * 16, until=1_795_392_030_000)
    assert other.claim != WRITTEN.claim
    assert WRITTEN.claim.isascii()
    assert WRITTEN.claim.isprintable()


def test_no_single_changed_character_is_let_through():
    alphabet = "AZaz09-_. \n\0é"
    for at, was in enumerate(WRITTEN.text):
        for other in alphabet:
            if other != was:
                assert is_refused(WRITTEN.text[:at] + other + WRITTEN.text[at + 1 :])


@pytest.mark.parametrize("purpose", ["", "/", "/live/", "/LIVE", "/live\0", "\0/live", "/live\0t1", "\ud800"])
def test_another_purpose_is_refused(purpose):
    assert is_refused(WRITTEN.text, purpose=purpose)


@pytest.mark.parametrize(
    "scope", [Scope("other"), Scope("public", "other"), Scope("ticket"), Scope("", "publicpublic")]
)
def test_another_app_and_another_tenant_refuse_it(scope):
    assert is_refused(WRITTEN.text, scope=scope)


def test_another_key_refuses_it():
    assert is_refused(WRITTEN.text, key=b"l" * 32)


@given(st.text())
def test_anything_else_is_refused(text):
    assert is_refused(text)


@pytest.mark.parametrize("spelling", ["07", "+7", "-7", "7 ", "", "99999999999"])
def test_numbers_have_one_spelling(spelling):
    _, handle, _, until, nonce, mac = WRITTEN.text.split(".")
    assert is_refused(f"t1.{handle}.{spelling}.{until}.{nonce}.{mac}")


def test_a_ticket_is_no_refresh_token_and_a_refresh_token_is_no_ticket():
    token = refresh_token.mint(Scope("ticket", "public"), KEY, "handle-1", 7, b"s" * 32)
    assert is_refused(token.text, scope=Scope("ticket", "public"))
    with pytest.raises(Unauthorised):
        refresh_token.parse(PUBLIC, KEY, WRITTEN.text)
    assert not refresh_token.has_shape(WRITTEN.text)
