"""Flask's own ``session``, kept in the data of sessions."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from flask import flash, get_flashed_messages, redirect, session
from flask.sessions import SecureCookieSessionInterface
from flask_login import FlaskLoginClient, LoginManager, UserMixin, current_user, login_required, login_user, logout_user
from markupsafe import Markup

from reseal import Engine, Settings
from reseal._sync.stores.memory import MemoryStore
from reseal.flask import current_session, session_required
from reseal.testing import FaultyStore, ManualClock
from tests.flask.site import API, Browser, Site

COOKIE = "session"
OURS = {"origin": API}


def with_views(site: Site) -> Site:
    app = site.app

    @app.post("/set/<key>/<value>")
    def set_one(key: str, value: str) -> str:
        session[key] = value
        return "set"

    @app.post("/add/<item>")
    def add(item: str) -> str:
        session.setdefault("cart", []).append(item)
        return "added"

    @app.get("/all")
    def everything() -> dict[str, object]:
        return {key: session[key] for key in session if not key.startswith("_")}

    @app.post("/clear")
    def clear() -> str:
        session.clear()
        return "cleared"

    @app.post("/leave")
    def leave() -> str:
        flash("Good bye")
        site.reseal.sign_out()
        return "left"

    app.add_url_rule("/messages", "messages", get_flashed_messages)
    return site


@pytest.fixture
def site(open_site) -> Site:
    return with_views(open_site(flask_session=True))


def stored(site: Site, user_id: str = "alice") -> list[dict[str, object]]:
    with site.app.app_context():
        sessions = site.reseal.sessions
        return [sessions.get_session_data(handle) for handle in sessions.get_all_session_handles_for_user(user_id)]


def test_data_of_a_user_stay_on_the_server(site):
    alice = site.signed_in()
    alice.post("/set/colour/red")
    assert alice.get("/all").json == {"colour": "red"}
    assert stored(site) == [{"colour": "red"}]
    assert not alice.holds(COOKIE)


def test_data_of_a_visitor_are_in_a_signed_cookie(site):
    visitor = site.browser()
    visitor.post("/set/colour/red")
    assert visitor.get("/all").json == {"colour": "red"}
    said = visitor.post("/set/colour/green").headers["set-cookie"]
    assert said.startswith("session=")
    assert {"Secure", "HttpOnly", "SameSite=Lax"} <= {part.strip() for part in said.split(";")}
    assert visitor.get("/all").json == {"colour": "green"}
    assert site.browser().get("/all").json == {}


def test_a_visitor_takes_the_data_along_and_leaves_the_cookie_behind(site):
    visitor = site.browser()
    visitor.post("/add/tea")
    planted = visitor.get_cookie(COOKIE, API.partition("//")[2]).value
    visitor.post("/login/alice")
    assert visitor.get("/all").json == {"cart": ["tea"]}
    assert not visitor.holds(COOKIE)
    thief = site.browser()
    thief.set_cookie(COOKIE, planted, domain=API.partition("//")[2])
    assert thief.get("/all").json == {"cart": ["tea"]}
    alice_sees = visitor.post("/add/milk") and visitor.get("/all").json
    assert alice_sees == {"cart": ["tea", "milk"]}
    assert thief.get("/all").json == {"cart": ["tea"]}


def test_a_sign_in_begins_another_session(site):
    alice = site.signed_in()
    alice.post("/set/colour/red")
    before = alice.get_cookie("__Host-sAccessToken", API.partition("//")[2]).value
    first = alice.post("/login/alice").json["handle"]
    assert alice.get_cookie("__Host-sAccessToken", API.partition("//")[2]).value != before
    assert alice.get("/all").json == {"colour": "red"}
    with site.app.app_context():
        assert site.reseal.sessions.get_all_session_handles_for_user("alice") == (first,)


def test_another_user_gets_nothing_of_it(site):
    browser = site.signed_in("alice")
    browser.post("/set/colour/red")
    browser.post("/login/bob")
    assert browser.get("/all").json == {}
    assert stored(site, "bob") == [{}]


def test_a_sign_in_with_an_expired_token_begins_without_data(site):
    alice = site.signed_in()
    alice.post("/set/colour/red")
    site.expire()
    assert alice.post("/login/bob").status_code == 200
    assert alice.get("/all").json == {}


def test_after_a_sign_out_only_what_was_said_since_remains(site):
    alice = site.signed_in()
    alice.post("/set/colour/red")
    alice.post("/leave")
    assert stored(site) == []
    assert alice.get("/all").json == {}
    assert alice.get("/messages").json == ["Good bye"]
    assert alice.get("/messages").json == []
    assert not alice.holds(COOKIE)


def test_values_of_flask_s_own_kinds_come_back(site):
    values = {
        "pair": ("a", 1),
        "when": datetime(2026, 11, 30, tzinfo=UTC),
        "id": UUID(int=7),
        "html": Markup("<b>"),
        "raw": b"\x00\xff",
        "nested": {"pairs": [("a", "b")]},
    }

    @site.app.post("/keep")
    def keep() -> str:
        session.update(values)
        return "kept"

    @site.app.get("/compare")
    def compare() -> str:
        return "same" if {key: session[key] for key in values} == values else repr(dict(session))

    alice = site.signed_in()
    alice.post("/keep")
    assert alice.get("/compare").text == "same"


def test_two_requests_that_change_different_keys_both_succeed(site):
    @site.app.post("/slow")
    def slow() -> str:
        assert session.get("fast") is None
        other = site.browser()
        other._cookies.update(alice._cookies)
        other.post("/set/fast/1")
        session["slow"] = "2"
        return "done"

    alice = site.signed_in()
    alice.post("/slow")
    assert alice.get("/all").json == {"fast": "1", "slow": "2"}


def test_a_nested_change_is_saved_without_being_announced(site):
    alice = site.signed_in()
    alice.post("/add/tea")
    alice.post("/add/milk")
    assert stored(site) == [{"cart": ["tea", "milk"]}]


def test_clearing_removes_the_data_and_keeps_the_user(site):
    alice = site.signed_in()
    alice.post("/set/colour/red")
    alice.post("/clear")
    assert stored(site) == [{}]
    visitor = site.browser()
    visitor.post("/set/colour/red")
    visitor.post("/clear")
    assert not visitor.holds(COOKIE)


def test_its_properties_say_what_happened(site):
    @site.app.post("/properties")
    def properties() -> list[bool]:
        before = [session.new, session.modified, session.accessed, session.permanent]
        session.permanent = True
        return [*before, session.modified, session.permanent]

    alice = site.signed_in()
    assert alice.post("/properties").json == [True, False, True, False, True, True]
    assert alice.post("/properties").json == [False, False, True, True, True, True]


def test_an_ended_session_s_data_are_gone_and_the_visitor_is_anonymous(site):
    @site.app.get("/who")
    @session_required(optional=True)
    def who() -> str:
        _ = session.get("colour")
        return current_session.get_user_id() if current_session else "?"

    alice = site.signed_in()
    alice.post("/set/colour/red")
    assert alice.get("/who").text == "alice"
    with site.app.app_context():
        site.reseal.sessions.revoke_all_sessions_for_user("alice")
    assert alice.get("/who").text == "?"
    assert not alice.holds()
    assert alice.get("/all").json == {}


def test_a_session_that_ends_during_the_request_does_not_spoil_the_answer(site):
    @site.app.post("/password")
    @session_required
    def password() -> str:
        session["colour"] = "blue"
        site.reseal.sessions.revoke_all_sessions_for_user(current_session.get_user_id())
        flash("Sign in with the new password")
        return "changed"

    alice = site.signed_in()
    assert alice.post("/password").text == "changed"
    assert alice.get("/messages").json == ["Sign in with the new password"]


def test_an_expired_token_is_refreshed_before_a_page_even_one_that_does_not_exist(site):
    site.app.register_error_handler(404, lambda _: (f"nothing here, {get_flashed_messages()}", 404))
    alice = site.signed_in()
    site.expire()
    assert "<form" in alice.visit("/nowhere").text
    assert alice.get("/static/nothing.css").status_code == 404
    assert alice.get("/all").json == {"message": "try refresh token"}
    alice.post("/session/refresh")
    assert alice.visit("/nowhere").text == "nothing here, []"


def test_a_store_that_is_away_is_a_503_and_signs_nobody_out(open_site):
    clock, store = ManualClock(), FaultyStore(MemoryStore())
    engine = Engine(Settings(api_domain=API, database_uri="memory:"), store, clock=clock)
    site = with_views(open_site(flask_session=True, sessions=engine))

    @site.app.post("/late")
    def late() -> str:
        session["colour"] = "red"
        store.down = True
        return "done"

    alice = site.signed_in()
    store.down = True
    answer = alice.post("/set/colour/red")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    store.down = False
    unsaved = alice.post("/late")
    assert (unsaved.status_code, unsaved.json) == (503, {"message": "session store unavailable, try again"})
    store.down = False
    assert alice.holds()
    assert alice.get("/all").json == {}


def test_without_a_secret_key_only_visitors_are_refused(site):
    site.app.secret_key = None
    site.app.testing = True
    alice = site.signed_in()
    alice.post("/set/colour/red")
    assert alice.get("/all").json == {"colour": "red"}
    assert site.browser().get("/all").json == {}
    with pytest.raises(RuntimeError, match="set SECRET_KEY, or use it after the sign-in only"):
        site.browser().post("/set/colour/red")


def test_a_cookie_of_flask_s_own_means_nothing(site):
    signed = SecureCookieSessionInterface().get_signing_serializer(site.app).dumps({"colour": "old"})
    visitor = site.browser()
    visitor.set_cookie(COOKIE, signed, domain=API.partition("//")[2])
    assert visitor.get("/all").json == {}


def test_the_test_client_of_flask_may_change_it(site):
    visitor = site.browser()
    with visitor.session_transaction(base_url=API) as data:
        data["colour"] = "red"
    assert visitor.get("/all").json == {"colour": "red"}
    alice = site.signed_in()
    with alice.session_transaction("/", base_url=API) as data:
        data["colour"] = "blue"
    assert alice.get("/all").json == {"colour": "blue"}


def test_an_impersonated_user_has_data_of_its_own(site):
    @site.app.post("/act")
    @session_required
    def act() -> str:
        site.reseal.impersonate("bob", reason="ticket 7", session_data={"colour": "green"})
        session["seen"] = "yes"
        return current_session.get_user_id()

    @site.app.post("/back")
    @session_required
    def back() -> str:
        site.reseal.stop_impersonating()
        return "back"

    root = site.signed_in("root")
    root.post("/set/colour/red")
    assert root.post("/act").text == "bob"
    assert root.get("/all").json == {"colour": "green", "seen": "yes"}
    root.post("/back")
    root.post("/session/refresh")
    assert root.get("/all").json == {"colour": "red"}


# -- Flask-Login, unchanged -------------------------------------------------------------------------------------------


class User(UserMixin):
    def __init__(self, user_id: str) -> None:
        self.id = user_id


@pytest.fixture
def shop(open_site) -> Site:
    site = open_site(flask_session=True, user_key="_user_id")
    manager = LoginManager(site.app)
    manager.login_view = "enter_page"
    manager.user_loader(User)

    @site.app.route("/enter/<user_id>", methods=["GET", "POST"])
    def enter(user_id: str) -> object:
        login_user(User(user_id), remember=user_id == "remembered")
        return redirect("/me")

    site.app.add_url_rule("/enter", "enter_page", lambda: "enter")

    @site.app.get("/me")
    @login_required
    def me() -> str:
        return f"{current_user.id}, {current_session.get_user_id()}"

    @site.app.get("/exit")
    def exit_page() -> str:
        logout_user()
        flash("Good bye")
        return "left"

    return with_views(site)


def handles(site: Site, user_id: str) -> tuple[str, ...]:
    with site.app.app_context():
        return site.reseal.sessions.get_all_session_handles_for_user(user_id)


def test_login_user_begins_a_session_and_logout_user_ends_it(shop):
    alice = shop.browser()
    alice.post("/add/tea")
    alice.post("/enter/alice")
    assert alice.get("/me").text == "alice, alice"
    assert len(handles(shop, "alice")) == 1
    assert alice.get("/all").json == {"cart": ["tea"]}
    shop.expire()
    assert alice.get("/me").json == {"message": "try refresh token"}
    alice.post("/session/refresh")
    assert alice.get("/me").text == "alice, alice"
    kept = {name: cookie.value for name, cookie in ((c.key, c) for c in alice._cookies.values())}
    assert alice.get("/exit").text == "left"
    assert handles(shop, "alice") == ()
    assert alice.get("/messages").json == ["Good bye"]
    thief = shop.browser()
    for name, value in kept.items():
        thief.set_cookie(name, value, domain=API.partition("//")[2])
    assert thief.get("/me").status_code == 302


def test_the_test_client_of_flask_login_signs_in(shop):
    shop.app.test_client_class = FlaskLoginClient
    alice = shop.app.test_client(user=User("alice"))
    assert alice.get("/me").text == "alice, alice"
    assert len(handles(shop, "alice")) == 1


def test_another_login_in_the_same_browser_is_another_session(shop):
    browser = shop.browser()
    browser.post("/enter/alice")
    browser.post("/add/tea")
    browser.post("/enter/bob")
    assert browser.get("/me").text == "bob, bob"
    assert browser.get("/all").json == {}
    assert handles(shop, "alice") == ()


def test_a_login_that_a_foreign_page_sends_signs_nobody_in(shop):
    victim = shop.browser()
    foreign = {"origin": "https://evil.example.net", "sec-fetch-site": "cross-site"}
    assert victim.post("/enter/mallory", headers=foreign).status_code == 401
    assert not victim.holds()
    assert not victim.holds(COOKIE)
    assert victim.get("/me").status_code == 302


def test_an_ended_session_is_the_end_of_the_login(shop):
    alice = shop.browser()
    alice.post("/enter/alice")
    with shop.app.app_context():
        shop.reseal.sessions.revoke_all_sessions_for_user("alice")
    assert alice.get("/me").headers["location"].startswith("/enter?next=")


def test_remember_me_begins_a_new_session(shop):
    browser = shop.browser()
    browser.post("/enter/remembered")
    [first] = handles(shop, "remembered")
    with shop.app.app_context():
        shop.reseal.sessions.revoke_session_using_session_handle(first)
    assert browser.get("/me").text == "remembered, remembered"
    assert handles(shop, "remembered") != (first,)


def test_flask_login_can_load_users_from_the_current_session(open_site):
    site = open_site()
    manager = LoginManager(site.app)

    @manager.request_loader
    def load(_request: object) -> User | None:
        return User(current_session.get_user_id()) if current_session else None

    @site.app.get("/me")
    @login_required
    def me() -> str:
        return current_user.id

    @site.app.post("/exit")
    def leave() -> str:
        site.reseal.sign_out()
        return "left"

    alice: Browser = site.signed_in()
    assert alice.get("/me").text == "alice"
    assert site.browser().get("/me").status_code == 401
    alice.post("/exit")
    assert alice.get("/me").status_code == 401
