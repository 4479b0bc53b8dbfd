"""Pages and forms of a site without scripts: they outlive the access token."""

from __future__ import annotations

import io
import re
from html import unescape
from urllib.parse import urlsplit

import pytest
from flask import request
from werkzeug.test import TestResponse

from reseal.flask import current_session, next_page, session_required
from tests.flask.site import SIGNED_OUT, Browser, Site

OURS = {"origin": "https://shop.example.com"}
FOREIGN = {"origin": "https://evil.example.net", "sec-fetch-site": "cross-site"}


@pytest.fixture
def site(open_site) -> Site:
    site = open_site(login_view="login_page")
    app = site.app
    app.add_url_rule("/login", "login_page", lambda: f"sign in, then go to {next_page()}")

    @app.get("/orders")
    @session_required
    def orders() -> str:
        return f"orders of {current_session.get_user_id()}, page {request.args.get('page', '1')}"

    @app.post("/orders")
    @session_required
    def order() -> str:
        upload = request.files.get("picture")
        return f"{current_session.get_user_id()} ordered {request.form['item']}, {len(upload.read()) if upload else 0}"

    return site


def pressed(browser: Browser, page: TestResponse) -> TestResponse:
    """Send the form of the page that refreshes first."""
    action = re.search(r'<form method="post" action="([^"]+)"', page.text)
    assert action is not None, page.text
    return browser.visit(unescape(action[1]), "POST", headers=OURS)


def onward(browser: Browser, response: TestResponse, **body: object) -> TestResponse:
    """Follow a redirect as a browser does: 307 sends the same again."""
    assert response.status_code in {303, 307}, response.text
    method, sent = ("POST", body) if response.status_code == 307 else ("GET", {})
    headers = OURS if method == "POST" else {}
    return browser.visit(response.headers["location"], method, headers=headers, **sent)


def test_a_page_refreshes_first_and_comes_back(site):
    alice = site.signed_in()
    site.expire()
    first = alice.visit("/orders?page=2")
    assert (first.status_code, first.headers["cache-control"]) == (200, "no-store")
    assert onward(alice, pressed(alice, first)).text == "orders of alice, page 2"


def test_a_call_of_a_script_is_told_to_refresh(site):
    alice = site.signed_in()
    site.expire()
    answer = alice.get("/orders", headers={"sec-fetch-mode": "cors", "accept": "text/html"})
    assert (answer.status_code, answer.json) == (401, {"message": "try refresh token"})


@pytest.mark.parametrize("picture", [None, b"x" * 300_000])
def test_a_form_is_sent_again_after_the_refresh(site, picture):
    def body() -> dict[str, object]:
        fields = {"item": "tea & milk"}
        return {"data": fields if picture is None else fields | {"picture": (io.BytesIO(picture), "a.png")}}

    alice = site.signed_in()
    site.expire()
    by_way = alice.visit("/orders", "POST", headers=OURS, **body())
    assert (by_way.status_code, by_way.headers["location"]) == (307, "/session/refresh/repeat?target=/orders")
    back = onward(alice, by_way, **body())
    assert (back.status_code, back.headers["location"]) == (307, "/orders")
    assert onward(alice, back, **body()).text == f"alice ordered tea & milk, {len(picture or b'')}"


def test_a_form_of_a_foreign_page_is_not_sent_again(site):
    alice = site.signed_in()
    site.expire()
    assert alice.visit("/orders", "POST", headers=FOREIGN, data={"item": "tea"}).status_code == 401
    by_way = alice.visit("/session/refresh/repeat?target=/orders", "POST", headers=FOREIGN, data={"item": "tea"})
    assert (by_way.status_code, by_way.json) == (401, {"message": "unauthorised"})
    assert alice.holds()


def test_a_form_whose_way_back_is_too_long_is_not_sent_somewhere_else(site):
    alice = site.signed_in()
    site.expire()
    answer = alice.visit(f"/orders?q={'x' * 5000}", "POST", headers=OURS, data={"item": "tea"})
    assert (answer.status_code, answer.json) == (401, {"message": "try refresh token"})


@pytest.mark.parametrize("target", ["//evil.example.net", "https://evil.example.net/", "/\\evil.example.net"])
def test_a_form_is_sent_nowhere_else(site, target):
    alice = site.signed_in()
    back = alice.visit("/session/refresh/repeat", "POST", query_string={"target": target}, headers=OURS)
    assert (back.status_code, back.headers["location"]) == (307, "/")


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_visitor_is_sent_to_the_sign_in_page(site, method):
    answer = site.browser().visit("/orders?page=2", method, headers=OURS if method == "POST" else {})
    assert answer.status_code == 303
    place = urlsplit(answer.headers["location"])
    assert (place.path, place.query) == ("/login", "next=/orders?page%3D2" if method == "GET" else "")
    wanted = "/orders?page=2" if method == "GET" else "/"
    assert site.browser().visit(answer.headers["location"]).text == f"sign in, then go to {wanted}"
    assert site.browser().open("/orders", method=method).json == SIGNED_OUT


def test_a_form_of_an_ended_session_arrives_at_the_sign_in_page(site):
    alice = site.signed_in()
    with site.app.app_context():
        site.reseal.sessions.revoke_all_sessions_for_user("alice")
    site.expire()
    by_way = alice.visit("/orders", "POST", headers=OURS, data={"item": "tea"})
    back = onward(alice, by_way, data={"item": "tea"})
    assert not alice.holds()
    assert onward(alice, back, data={"item": "tea"}).headers["location"] == "/login"


@pytest.mark.parametrize("target", ["//evil.example.net", "https://evil.example.net", "javascript:alert(1)", "/\\x"])
def test_the_way_back_from_the_sign_in_page_stays_here(site, target):
    assert site.browser().get("/login", query_string={"next": target}).text == "sign in, then go to /"


def test_without_the_ready_made_routes_a_page_is_refused_as_a_script_is(open_site):
    site = open_site(routes=False)
    site.app.add_url_rule("/me", "me", session_required(lambda: "me"))
    alice = site.signed_in()
    site.expire()
    assert alice.visit("/me").json == {"message": "try refresh token"}


@pytest.mark.parametrize("asynchronous", [True, False])
def test_views_may_be_sync_or_async(open_site, *, asynchronous: bool):
    site = open_site()

    @session_required(check_database=True)
    async def view() -> str:
        return current_session.get_user_id()

    @session_required(check_database=True)
    def plain() -> str:
        return current_session.get_user_id()

    site.app.add_url_rule("/me", "me", view if asynchronous else plain)
    assert site.signed_in().get("/me").text == "alice"
    assert site.browser().get("/me").json == SIGNED_OUT


def test_the_current_session_is_false_for_a_visitor_and_answers_401(open_site):
    site = open_site()
    site.app.add_url_rule("/", "home", lambda: current_session.get_user_id() if current_session else "?")

    @site.app.get("/me")
    def me() -> str:
        return current_session.get_user_id()

    assert site.browser().get("/").text == "?"
    assert site.browser().get("/me").json == SIGNED_OUT
    alice = site.signed_in()
    assert (alice.get("/").text, alice.get("/me").text) == ("alice", "alice")
    assert "authorization" in alice.get("/").headers["vary"].lower()
