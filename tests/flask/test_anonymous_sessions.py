"""Sessions of visitors who are not signed in."""

from __future__ import annotations

from typing import Any

import pytest

from reseal.flask import current_session, session_required
from tests.flask.site import Browser, Site

NOT_SIGNED_IN = {"message": "unauthorised", "reason": "not_signed_in"}


@pytest.fixture
def browser() -> Browser:
    site = Site(login_view="sign_in_page")
    reseal = site.reseal

    @site.app.post("/visit")
    def visit() -> str:
        return reseal.create_anonymous_session(session_data={"cart": [1]}).get_handle()

    @site.app.get("/cart")
    def cart() -> dict[str, Any]:
        return {**reseal.get_any_session().get_session_data(), "signed in": bool(current_session)}

    @site.app.get("/public")
    @session_required(optional=True)
    def public() -> str:
        return current_session.get_user_id() if current_session else "nobody"

    @site.app.get("/me")
    @session_required
    def me() -> str:
        return current_session.get_user_id()

    @site.app.get("/sign-in")
    def sign_in_page() -> str:
        return "sign in"

    @site.app.post("/sign-in")
    def sign_in() -> str:
        return reseal.create_new_session("alice", keep_anonymous=True).get_handle()

    return site.browser()


def test_a_visitor_is_nobody_to_what_demands_a_user(browser: Browser) -> None:
    browser.post("/visit")
    assert browser.get("/cart").json == {"cart": [1], "signed in": False}
    assert browser.get("/public").text == "nobody"
    refused = browser.get("/me")
    assert (refused.status_code, refused.json) == (403, NOT_SIGNED_IN)
    assert browser.visit("/me").headers["location"] == "/sign-in?next=/me"
    assert browser.holds()


def test_at_the_sign_in_the_data_becomes_the_user_s(browser: Browser) -> None:
    visitor = browser.post("/visit").text
    assert browser.post("/sign-in").text != visitor
    assert browser.get("/cart").json == {"cart": [1], "signed in": True}
    assert browser.get("/public").text == browser.get("/me").text == "alice"
