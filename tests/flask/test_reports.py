"""What was reported of other session libraries for Flask, tried here. See docs/reports.md."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask import Response, session
from flask.views import MethodView

from reseal import Unauthorised
from reseal.flask import current_session, session_required
from tests.flask.site import SIGNED_OUT, Site


def whoami() -> str:
    return current_session.get_user_id() if current_session else "?"


def test_an_application_context_that_stays_open_is_not_shared_by_users(open_site):
    site = open_site(flask_session=True)
    site.app.add_url_rule("/who", "who", whoami)
    with site.app.app_context():
        alice, bob, visitor = site.signed_in("alice"), site.signed_in("bob"), site.browser()
        assert [browser.get("/who").text for browser in (alice, visitor, bob, alice)] == ["alice", "?", "bob", "alice"]


@pytest.mark.parametrize("kind", ["function", "class"])
def test_a_view_that_answers_options_itself_stays_protected(site: Site, kind: str):
    def secret() -> str:
        return "secret"

    class Secret(MethodView):
        decorators = (session_required,)

        def get(self) -> str:
            return "secret"

        options = get

    view = session_required(secret) if kind == "function" else Secret.as_view("secret")
    site.app.add_url_rule("/secret", "secret", view, methods=["GET", "OPTIONS"])
    assert site.browser().open("/secret", method="OPTIONS").json == SIGNED_OUT
    assert site.signed_in().get("/secret").text == "secret"


def test_a_response_that_looks_at_no_session_sets_no_cookie(open_site, tmp_path: Path):
    (tmp_path / "icon.svg").write_text("<svg/>")
    site = open_site(flask_session=True)
    site.app.static_folder = str(tmp_path)

    @site.app.post("/stay")
    def stay() -> str:
        session.permanent = True
        return "permanent"

    site.app.add_url_rule("/public", "public", lambda: Response("open", headers={"cache-control": "public"}))
    for browser in (site.browser(), site.signed_in()):
        browser.post("/stay")
        for path in ("/static/icon.svg", "/public"):
            answer = browser.get(path)
            assert (answer.status_code, answer.headers.getlist("set-cookie")) == (200, [])
            answer.close()
        assert answer.headers["cache-control"] == "public"


def test_an_error_page_after_a_strict_check_shows_nobody(site: Site):
    seen = []
    site.app.before_request(lambda: seen.append(whoami()))
    site.app.add_url_rule("/strict", "strict", session_required(check_database=True)(lambda: "strict"))
    site.app.register_error_handler(Unauthorised, lambda _: f"signed in as {whoami()}")
    alice = site.signed_in()
    with site.app.app_context():
        site.reseal.sessions.revoke_all_sessions_for_user("alice")
    assert alice.get("/strict").text == "signed in as ?"
    assert seen == ["?", "alice"]
