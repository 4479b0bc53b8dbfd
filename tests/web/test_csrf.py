from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.web.csrf import SAFE_METHODS, Trust, allows, explain, verdict
from tests.web.material import WEBSITE, request, settings

SETTINGS = settings()
FOREIGN = "https://evil.example"

T, H, U = Trust.TRUSTED, Trust.HOSTILE, Trust.UNKNOWN
ORIGINS = [None, WEBSITE, FOREIGN, "null"]
TABLE = {
    "same-origin": [T, T, H, T],
    "same-site": [H, T, H, H],
    "cross-site": [H, T, H, H],
    "none": [U, T, H, H],
    None: [U, T, H, H],
    "Same-Origin ": [U, T, H, H],
    "": [U, T, H, H],
}
CASES = [(site, origin, trust) for site, row in TABLE.items() for origin, trust in zip(ORIGINS, row, strict=True)]


def from_browser(site, origin, *more):
    sent = [("sec-fetch-site", site), ("origin", origin)]
    return request(*[(name, value) for name, value in sent if value is not None], *more)


def decide(facts, chosen, token_ok):
    return allows(verdict(facts, chosen), facts, chosen, token_ok)


def never():
    raise AssertionError("the token was asked for")


@pytest.mark.parametrize(("site", "origin", "trust"), CASES)
def test_the_browsers_word_has_one_verdict(site, origin, trust):
    assert verdict(from_browser(site, origin), SETTINGS) is trust


@pytest.mark.parametrize("token", [True, False])
@pytest.mark.parametrize(("site", "origin", "trust"), CASES)
def test_the_token_decides_only_where_the_browser_is_silent(site, origin, trust, token):
    facts = from_browser(site, origin)
    expected = token if trust is U else trust is T
    assert decide(facts, settings(enable_anti_csrf=True), lambda: token) is expected


@pytest.mark.parametrize(("site", "origin", "trust"), [case for case in CASES if case[2] is not U])
def test_the_token_is_not_asked_for_when_the_browser_spoke(site, origin, trust):
    decide(from_browser(site, origin), settings(enable_anti_csrf=True), never)


@pytest.mark.parametrize(
    ("more", "allowed"),
    [
        ([], False),
        ([("rid", "anti-csrf")], True),
        ([("rid", "session")], True),
        ([("anti-csrf", "anything")], True),
        ([("rid", "")], False),
        ([("rid", "  ")], False),
        ([("anti-csrf", "")], False),
        ([("authorization", "Bearer junk")], False),
        ([("st-auth-mode", "header")], False),
        ([("x-requested-with", "XMLHttpRequest")], False),
        ([("content-type", "application/json")], False),
    ],
)
def test_without_tokens_only_a_custom_header_stands_in(more, allowed):
    assert decide(request(*more), settings(enable_anti_csrf=False), never) is allowed


SWITCHES = [
    ("authorization", "Bearer junk"),
    ("st-auth-mode", "header"),
    ("st-auth-mode", "cookie"),
    ("rid", "other"),
    ("anti-csrf", "junk"),
    ("fdi-version", "4.2"),
    ("x-http-method-override", "GET"),
    ("x-forwarded-host", "www.example.com"),
    ("referer", WEBSITE + "/"),
]


@pytest.mark.parametrize("header", SWITCHES)
@pytest.mark.parametrize(("site", "origin", "trust"), CASES)
def test_no_other_header_changes_the_verdict(site, origin, trust, header):
    assert verdict(from_browser(site, origin, header), SETTINGS) is trust


@pytest.mark.parametrize("header", SWITCHES)
def test_no_other_header_replaces_the_token(header):
    assert not decide(request(header), settings(enable_anti_csrf=True), lambda: False)


@pytest.mark.parametrize(
    "headers",
    [
        [("origin", WEBSITE), ("origin", FOREIGN)],
        [("origin", WEBSITE), ("origin", WEBSITE)],
        [("sec-fetch-site", "same-origin"), ("sec-fetch-site", "same-origin")],
        [("origin", WEBSITE), ("sec-fetch-site", "none"), ("sec-fetch-site", "same-origin")],
    ],
)
def test_a_repeated_header_is_hostile(headers):
    facts = request(*headers)
    assert verdict(facts, SETTINGS) is H
    assert "repeats" in explain(facts, SETTINGS)


@pytest.mark.parametrize(
    "origin",
    [
        "",
        "http://www.example.com",
        "https://www.example.com/",
        "https://www.example.com:8443",
        "https://www.example.com.evil.example",
        "https://evil-www.example.com",
        "https://sub.www.example.com",
        "https://example.com",
        "https://WWW.example.com",
        "https://www.example.com, https://www.example.com",
        "https://www.example.com@evil.example",
        "https://www.example.com\x00",
    ],
)
def test_an_origin_that_only_looks_like_ours_is_hostile(origin):
    assert verdict(from_browser("same-origin", origin), SETTINGS) is H


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "", "get"])
def test_a_method_that_is_not_known_to_be_safe_changes_state(method):
    assert method not in SAFE_METHODS


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "TRACE"])
def test_a_safe_method_changes_nothing(method):
    assert method in SAFE_METHODS


def test_behind_an_unknown_proxy_the_log_says_what_to_add():
    facts = from_browser("same-origin", "https://proxy.example")
    assert not decide(facts, SETTINGS, never)
    assert "'https://proxy.example'" in explain(facts, SETTINGS)
    assert "trusted_origins" in explain(facts, SETTINGS)


def test_the_log_says_what_is_missing():
    assert "cross-site" in explain(from_browser("cross-site", None), SETTINGS)
    assert "anti-csrf token" in explain(request(), settings(enable_anti_csrf=True))
    assert "rid" in explain(request(), settings(enable_anti_csrf=False))


@given(site=st.none() | st.text(), origin=st.none() | st.text())
def test_an_explanation_is_a_short_printable_line(site, origin):
    text = explain(from_browser(site, origin), SETTINGS)
    assert text.isascii()
    assert text.isprintable()
    assert len(text) < 3000
