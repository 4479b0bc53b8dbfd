from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core.model import ADDRESS_MAX, USER_AGENT_MAX
from reseal.web.facts import RequestFacts


def facts(*headers, client_ip=None):
    return RequestFacts.of("post", "/feed", headers, client_ip)


def test_asgi_bytes_and_wsgi_text_give_the_same_facts():
    asgi = facts((b"X-Name", b"caf\xe9"))
    wsgi = facts(("X-Name", "caf\xe9"))
    assert asgi == wsgi
    assert asgi.method == "POST"
    assert asgi.headers == (("x-name", "caf\xe9"),)


def test_an_absent_header_is_none_and_an_empty_one_is_empty():
    assert facts().header("origin") is None
    assert facts(("Origin", "")).header("origin") == ""


def test_a_repeated_header_is_joined_or_listed_in_order():
    repeated = facts(("A", "1"), ("b", "x"), ("a", "2"))
    assert repeated.header("a") == "1, 2"
    assert repeated.all("a") == ("1", "2")
    assert repeated.all("c") == ()


def test_facts_do_not_change():
    with pytest.raises(AttributeError):
        facts().method = "GET"


def test_the_device_has_the_address_and_a_printable_user_agent():
    device = facts(("User-Agent", "Fire\x00fox\r\n\x1b[31m\x85/1"), client_ip="192.0.2.7").device
    assert device == ("192.0.2.7", "Firefox[31m/1")


@pytest.mark.parametrize("sent", [(), (("user-agent", ""),), (("user-agent", "\x00\x1f"),)])
def test_a_user_agent_with_nothing_to_print_is_none(sent):
    assert facts(*sent).device == (None, None)


@given(st.text())
def test_a_user_agent_is_short_and_can_be_stored_as_utf_8(sent):
    user_agent = facts(("user-agent", sent)).device.user_agent or ""
    assert len(user_agent) <= USER_AGENT_MAX
    assert user_agent.isprintable() or not sent.isascii()
    user_agent.encode()


def test_a_long_user_agent_is_cut():
    assert facts(("user-agent", "x" * 9000)).device.user_agent == "x" * USER_AGENT_MAX


def test_an_address_that_a_proxy_made_up_is_cut_and_printable():
    assert facts(client_ip="1\n" * 9000).device.ip == "1" * ADDRESS_MAX


@pytest.mark.parametrize("sent", ["a", "7f3c.9-A_b", "x" * 128])
def test_a_plain_identifier_is_the_correlation_id(sent):
    assert facts(("X-Request-Id", sent)).correlation_id == sent


@pytest.mark.parametrize("sent", ["", "x" * 129, "a b", "a\n", "a\r\nset-cookie: x", "é", "١", "a,b"])
def test_anything_else_is_no_correlation_id(sent):
    assert facts(("x-request-id", sent)).correlation_id is None


def test_two_request_ids_are_no_correlation_id():
    assert facts(("x-request-id", "a"), ("x-request-id", "b")).correlation_id is None


@given(st.lists(st.tuples(st.binary(max_size=20), st.binary(max_size=40))))
def test_no_bytes_in_headers_raise(headers):
    read = facts(*headers)
    assert [value.encode("latin-1") for _, value in read.headers] == [value for _, value in headers]


def test_a_body_is_kept_as_it_came_and_never_shown():
    facts = RequestFacts.of("post", "/session/refresh", [], body=b'{"refresh_token": "secret"}')
    assert facts.body == b'{"refresh_token": "secret"}'
    assert "secret" not in repr(facts)
    assert RequestFacts.of("post", "/", []).body == b""
