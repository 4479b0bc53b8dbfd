from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest
from flask import Blueprint, Flask, Response, abort, request
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from reseal import ConfigurationError, Event, EventName, ResealError, Settings, Unauthorised
from reseal.flask import Reseal, current_session, session_event, session_required
from reseal.testing import ManualClock
from tests.flask.site import API, SIGNED_OUT, Browser


def an_app(name: str = "shop", **config: object) -> Flask:
    app = Flask(name)
    app.test_client_class = Browser
    app.config.update({"RESEAL_API_DOMAIN": API, "RESEAL_DATABASE_URI": "memory:"} | config)
    return app


def protected(**demands: object):
    return session_required(**demands)(a_greeting())


def a_greeting():
    return lambda: f"Welcome, {current_session.get_user_id()}"


def test_settings_come_from_the_configuration_of_the_application():
    app = an_app(RESEAL_ACCESS_TOKEN_VALIDITY=60, RESEAL_TRUSTED_ORIGINS="https://a.example, https://b.example")
    reseal = Reseal(app)
    with app.app_context():
        assert reseal.settings.access_token_validity == 60
        assert reseal.settings.trusted_origins == ("https://a.example", "https://b.example")


def test_every_problem_of_the_configuration_is_told_with_its_key():
    app = Flask("shop")
    app.config.update(
        RESEAL_ACCESS_TOKEN_VALIDITY="soon", RESEAL_COOKIE_SAMESITE="lax", RESEAL_CONFIG="config.yaml", OTHER=1
    )
    with pytest.raises(ConfigurationError) as caught:
        Reseal(app)
    told = str(caught.value)
    assert told.startswith("The configuration has 4 problems:")
    assert "RESEAL_API_DOMAIN is missing: set it to the origin of the API" in told
    assert "RESEAL_ACCESS_TOKEN_VALIDITY must be a whole number (got 'soon'" in told
    assert "RESEAL_COOKIE_SAMESITE in app.config is not a known key: did you mean RESEAL_COOKIE_SAME_SITE?" in told
    assert "RESEAL_CONFIG in app.config is not a known key" in told


def test_one_object_serves_several_applications():
    reseal, clients = Reseal(), []
    for name in ("shop", "forum"):
        app = an_app(name, RESEAL_ISSUER=f"https://{name}.example")
        reseal.init_app(app)
        app.add_url_rule("/login", "login", lambda: reseal.create_new_session("alice").get_handle(), methods=["POST"])
        app.add_url_rule("/me", "me", protected())
        clients.append(app.test_client())
    shop, forum = clients
    handle = shop.post("/login").text
    assert shop.get("/me").text == "Welcome, alice"
    assert forum.get("/me").json == SIGNED_OUT
    with shop.application.app_context():
        assert reseal.settings.issuer == "https://shop.example"
        assert reseal.sessions.get_all_session_handles_for_user("alice") == (handle,)
    with forum.application.app_context():
        assert reseal.sessions.get_all_session_handles_for_user("alice") == ()


def test_an_application_factory_makes_one_object_for_each_application():
    def create_app() -> Flask:
        app = an_app()
        Reseal(app)
        app.add_url_rule("/me", "me", protected())
        return app

    assert [create_app().test_client().get("/me").status_code for _ in range(2)] == [401, 401]


def test_installing_it_twice_is_refused():
    app = an_app()
    reseal = Reseal(app)
    with pytest.raises(RuntimeError, match="installed in the application 'shop' already"):
        reseal.init_app(app)


def test_settings_in_place_of_the_application_are_named():
    with pytest.raises(TypeError, match=r"is a Settings: write Reseal\(app, settings="):
        Reseal(Settings(api_domain="https://api.example.com"))


def test_a_forgotten_installation_is_named():
    app = Flask("shop")
    app.testing = True
    app.add_url_rule("/me", "me", protected())
    with pytest.raises(RuntimeError, match=r"not installed in the application 'shop': call Reseal\(app\)"):
        app.test_client().get("/me")


def test_a_use_outside_of_a_request_is_named():
    app = an_app()
    reseal = Reseal(app)
    assert not current_session
    with app.app_context():
        with pytest.raises(RuntimeError, match="outside of a request"):
            current_session.get_user_id()
        with pytest.raises(RuntimeError, match="outside of a request"):
            reseal.create_new_session("alice")
    with pytest.raises(RuntimeError, match="outside of an application"):
        _ = reseal.sessions


def test_in_a_request_context_of_a_test_the_calls_work():
    app = an_app()
    reseal = Reseal(app)
    with app.test_request_context("/", method="POST", headers={"origin": API}):
        assert not current_session
        reseal.create_new_session("alice", {"role": "reader"})
        assert current_session.get_jwt_payload() == {"role": "reader"}
        reseal.sign_out()
        assert not current_session


def test_another_request_may_be_named():
    app = an_app()
    reseal = Reseal(app)
    with app.test_request_context("/") as first, app.test_request_context("/"):
        reseal.create_new_session("alice", request=first.request)
        assert not current_session
    assert "set-cookie" in dict(first.request.environ["reseal.headers"].items())


@pytest.mark.parametrize("bare", [True, False])
def test_a_view_registered_below_the_decorator_is_refused(*, bare: bool):
    app = an_app()
    Reseal(app)
    app.testing = True
    protect = session_required if bare else session_required(check_database=True)

    @protect
    @app.route("/secret")
    def secret() -> str:
        raise AssertionError("it runs without a session")

    with pytest.raises(RuntimeError, match="'secret' is not protected: @session_required stands above the route"):
        app.test_client().get("/secret")


def test_arguments_of_the_decorator_have_names():
    with pytest.raises(TypeError, match="takes its arguments by name"):
        session_required(["admin"])


def test_a_blueprint_is_protected_as_a_whole():
    app, admin = an_app(), Blueprint("admin", __name__, url_prefix="/admin")
    reseal = Reseal(app)

    @admin.before_request
    def only_signed_in() -> None:
        reseal.get_session(check_database=True)

    admin.add_url_rule("/", "home", a_greeting())
    app.register_blueprint(admin)
    app.add_url_rule("/login", "login", lambda: reseal.create_new_session("root").get_handle(), methods=["POST"])
    browser = app.test_client()
    assert browser.get("/admin/").json == SIGNED_OUT
    browser.post("/login")
    assert browser.get("/admin/").text == "Welcome, root"


def test_the_routes_are_those_of_a_blueprint():
    app = an_app()
    Reseal(app)
    rules = {(rule.endpoint, rule.rule) for rule in app.url_map.iter_rules()}
    assert {("reseal.refresh", "/session/refresh"), ("reseal.sign_out", "/signout")} <= rules
    assert app.blueprints["reseal"].name == "reseal"


def test_in_an_application_that_matches_hosts_the_routes_have_the_host_of_the_api():
    app = Flask("shop", host_matching=True, static_host="cdn.example.com")
    app.test_client_class = Browser
    app.config.update(RESEAL_API_DOMAIN=API, RESEAL_DATABASE_URI="memory:")
    Reseal(app)
    assert app.test_client().post("/session/refresh").json == SIGNED_OUT
    assert app.test_client().post("/session/refresh", base_url="https://cdn.example.com").status_code == 404


def test_routes_of_your_own_take_their_place():
    app = an_app()
    reseal = Reseal(app, routes=False)

    @app.post("/login")
    def login() -> str:
        return reseal.create_new_session("alice").get_handle()

    @app.post("/session/refresh")
    def refresh() -> dict[str, str]:
        return {"user": reseal.refresh_session().get_user_id(), "now": current_session.get_user_id()}

    @app.post("/leave")
    def leave() -> str:
        reseal.sign_out()
        return "left" if not current_session else "still here"

    browser = app.test_client()
    browser.post("/login")
    assert browser.post("/session/refresh").json == {"user": "alice", "now": "alice"}
    assert browser.post("/leave").text == "left"
    assert browser.post("/signout").status_code == 404


@pytest.mark.parametrize("first", [True, False])
def test_a_handler_of_the_application_wins(*, first: bool):
    app = an_app()

    def ours(error: ResealError) -> tuple[str, int]:
        return type(error).__name__, 418

    if first:
        app.register_error_handler(ResealError, ours)
    Reseal(app)
    if not first:
        app.register_error_handler(Unauthorised, ours)
    app.add_url_rule("/me", "me", protected())
    answer = app.test_client().get("/me")
    assert (answer.status_code, answer.text) == (418, "Unauthorised")


def test_a_handler_of_every_exception_leaves_ours_in_place():
    app = an_app()
    app.register_error_handler(Exception, lambda _: ("broken", 500))
    Reseal(app)
    app.add_url_rule("/me", "me", protected())
    assert app.test_client().get("/me").json == SIGNED_OUT


def test_an_answered_error_clears_cookies_whatever_handler_answers(open_site):
    site = open_site()
    site.app.register_error_handler(Unauthorised, lambda _: ("please sign in", 403))
    site.app.add_url_rule("/me", "me", protected(check_database=True))
    alice = site.signed_in()
    with site.app.app_context():
        site.reseal.sessions.revoke_all_sessions_for_user("alice")
    assert alice.get("/me").text == "please sign in"
    assert not alice.holds()


@pytest.mark.parametrize("debug", [True, False])
def test_an_exception_of_a_view_does_not_lose_a_session(open_site, *, debug: bool):
    site = open_site()
    site.app.config["PROPAGATE_EXCEPTIONS"] = debug

    @site.app.post("/boom")
    @session_required
    def boom() -> str:
        current_session.update_jwt_payload({"seen": True})
        raise ZeroDivisionError

    @site.app.get("/me")
    @session_required(check_database=True)
    def me() -> dict[str, object]:
        return current_session.get_jwt_payload()

    alice = site.signed_in()
    if debug:
        with pytest.raises(ZeroDivisionError):
            alice.post("/boom")
    else:
        assert ACCESS_SET in alice.post("/boom").headers.get("set-cookie", "")
    assert alice.get("/me").json == {"seen": True}


ACCESS_SET = "__Host-sAccessToken="


def test_an_unchanged_page_carries_cookies_as_well(open_site):
    site = open_site()

    @site.app.get("/page")
    @session_required
    def page() -> Response:
        current_session.update_jwt_payload({"seen": True})
        abort(Response(status=304))

    answer = site.signed_in().get("/page")
    assert answer.status_code == 304
    assert ACCESS_SET in answer.headers["set-cookie"]


def test_applications_side_by_side_have_cookies_of_their_own_paths():
    apps = {}
    for name in ("shop", "forum"):
        app = an_app(name, RESEAL_COOKIE_SUFFIX=f"-{name}")
        reseal = Reseal(app)
        login = partial(reseal.create_new_session, "alice")
        app.add_url_rule("/login", "login", lambda login=login: login().get_handle(), methods=["POST"])
        app.add_url_rule("/me", "me", protected())
        apps[f"/{name}"] = app
    outside = Flask("outside")
    outside.test_client_class = Browser
    outside.wsgi_app = DispatcherMiddleware(outside.wsgi_app, apps)
    browser = outside.test_client()
    answer = browser.post("/shop/login")
    assert any("Path=/shop/session/refresh" in line for line in answer.headers.getlist("set-cookie"))
    assert browser.post("/shop/session/refresh").status_code == 200
    assert browser.get("/shop/me").text == "Welcome, alice"
    assert browser.get("/forum/me").status_code == 401


def test_events_are_sent_as_a_signal(open_site):
    site, other, seen = open_site(), open_site(), []

    def remember(sender: Flask, event: Event) -> None:
        seen.append((sender.name, event.name, event.user_id))

    with session_event.connected_to(remember, sender=site.app):
        site.signed_in("alice")
        other.signed_in("bob")
    assert (site.app.name, EventName.SESSION_CREATED, "alice") in seen
    assert "bob" not in {user for _, _, user in seen}
    assert site.events.named(EventName.SESSION_CREATED)


def test_the_sessions_open_with_the_first_request_and_again_after_closing(tmp_path: Path):
    app = an_app(RESEAL_DATABASE_URI=f"sqlite:///{tmp_path}/sessions.db")
    reseal = Reseal(app)
    app.add_url_rule("/login", "login", lambda: reseal.create_new_session("alice").get_handle(), methods=["POST"])
    app.add_url_rule("/me", "me", protected())
    assert not (tmp_path / "sessions.db").exists()
    browser = app.test_client()
    browser.post("/login")
    with app.app_context():
        reseal.close()
        assert browser.get("/me").text == "Welcome, alice"
        reseal.close()


def test_a_store_that_cannot_exist_is_told_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    app = an_app(RESEAL_DATABASE_URI=f"sqlite:///{tmp_path}/missing/sessions.db")
    Reseal(app)
    app.add_url_rule("/me", "me", protected())
    assert app.test_client().get("/me").status_code == 500
    assert "missing" in caplog.text
    assert "ConfigurationError" in caplog.text


def test_settings_may_be_given_as_a_value():
    app = Flask("shop")
    reseal = Reseal(settings=Settings(api_domain=API, database_uri="memory:"), clock=ManualClock(7_000))
    reseal.init_app(app)
    with app.app_context():
        assert reseal.settings.api_domain == API
        assert reseal.now() == 7_000


def test_without_flask_the_extra_is_named():
    code = "import sys; sys.modules['flask'] = None; import reseal.flask"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'reseal.flask needs flask: pip install "reseal[flask]"' in done.stderr


def test_a_guard_of_the_whole_application_lets_refreshes_through(open_site):
    site = open_site()

    @site.app.before_request
    def signed_in_everywhere() -> None:
        if request.blueprint != "reseal" and request.endpoint != "login_as":
            site.reseal.get_session()

    site.app.add_url_rule("/me", "me", a_greeting())
    alice = site.signed_in()
    site.expire()
    assert alice.get("/me").json == {"message": "try refresh token"}
    assert alice.post("/session/refresh").status_code == 200
    assert alice.get("/me").text == "Welcome, alice"


def test_a_body_that_a_hook_has_read_still_brings_its_refresh_token(open_site):
    site = open_site(settings={"token_transfer_method": "header"})

    @site.app.before_request
    def read_early() -> None:
        request.get_data()

    program = site.app.test_client()
    answer = program.post("/login/alice", headers={"st-auth-mode": "header"})
    token = answer.headers["st-refresh-token"]
    refreshed = program.post("/session/refresh", json={"refresh_token": token})
    assert refreshed.json["refresh_token"] != token


def test_an_expired_token_is_not_an_anonymous_visitor(open_site):
    site = open_site()
    site.app.add_url_rule(
        "/", "home", session_required(optional=True)(lambda: a_greeting()() if current_session else "?")
    )
    alice = site.signed_in()
    assert site.browser().get("/").text == "?"
    assert alice.get("/").text == "Welcome, alice"
    site.expire()
    assert alice.get("/").json == {"message": "try refresh token"}
