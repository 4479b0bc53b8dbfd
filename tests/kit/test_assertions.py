"""Assertions whose failures say what happened."""

import pytest

from reseal.testing import (
    Browser,
    CookieJar,
    ManualClock,
    Recorder,
    assert_cookies_within,
    assert_no_theft,
    assert_refreshes,
    assert_signed_in,
    assert_signed_out,
    assert_theft_detected,
)
from tests.kit.homemade import HomeMade, asgi
from tests.kit.shop import HOUR, SITE, fastapi_shop


def test_a_failure_names_request_answer_and_cookies():
    clock = ManualClock()
    app, _ = fastapi_shop(clock)
    with Browser(app, SITE, clock=clock) as alice:
        with pytest.raises(AssertionError) as failure:
            assert_signed_in(alice)
        told = 'GET /me answered 401 ({"message":"unauthorised","reason":"no_token"}); cookies: none'
        assert str(failure.value) == f"the client is not signed in: {told}"
        assert_signed_out(alice)
        alice.sign_in()
        with pytest.raises(
            AssertionError, match=r'is signed in: GET /me answered 200 \("alice"\); cookies: __Host-sAcc'
        ):
            assert_signed_out(alice)
        with pytest.raises(AssertionError, match=r"was not refreshed: .*if its access token is still valid, advance"):
            assert_refreshes(alice)
        clock.advance(2 * HOUR)
        assert assert_refreshes(alice).json() == "alice"


def test_a_client_without_a_site_has_to_name_the_page():
    with pytest.raises(TypeError, match="name the page that demands a session"):
        assert_signed_in(object())


def test_a_theft_that_was_or_was_not_detected():
    clock, events = ManualClock(), Recorder()
    app, _ = fastapi_shop(clock, events)
    with Browser(app, SITE, clock=clock) as alice:
        alice.sign_in()
        thief = alice.thief()
        assert_no_theft(events)
        with pytest.raises(
            AssertionError, match="no theft was detected; events so far: key_published, session_created"
        ):
            assert_theft_detected(events)
        for each in alice, alice, thief:
            clock.advance(HOUR)
            each.refresh()
    assert assert_theft_detected(events).user_id == "alice"
    assert assert_theft_detected(events, "alice").reason == "older"
    with pytest.raises(AssertionError, match="no theft of 'bob' was detected"):
        assert_theft_detected(events, "bob")
    with pytest.raises(AssertionError, match=r"a theft was detected, of: alice \(older\)"):
        assert_no_theft(events)


def test_cookies_have_a_budget():
    with Browser(asgi(HomeMade("same"))) as alice:
        alice.jar.keep("https://app.example.com/", [f"large={'x' * 300}; Path=/", "small=1; Path=/"])
        assert_cookies_within(alice)
        assert_cookies_within(alice, 305, total=311)
        with pytest.raises(AssertionError, match="cookies are larger than 304 bytes: large 305, small 6"):
            assert_cookies_within(alice, 304)
        with pytest.raises(
            AssertionError, match="all cookies together have 311 bytes, more than 310: large 305, small 6"
        ):
            assert_cookies_within(alice, total=310)
        alice.jar.keep("https://app.example.com/", [f"huge={'x' * 5000}"])
        with pytest.raises(
            AssertionError, match="the browser did not keep huge: 5004 bytes of name and value are more"
        ):
            assert_cookies_within(alice)


def test_an_access_token_in_a_session_of_reseal_is_within_the_budget():
    app, _ = fastapi_shop()
    with Browser(app, SITE) as alice:
        alice.sign_in()
        assert_cookies_within(alice, 1024, total=2048)
        assert isinstance(alice.jar, CookieJar)
