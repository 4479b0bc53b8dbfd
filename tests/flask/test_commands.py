from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from reseal.flask import Reseal, session_required
from tests.flask.site import API, Site


def run(app: Flask, *arguments: str) -> Result:
    return app.test_cli_runner().invoke(args=["reseal", *arguments])


def test_sessions_of_a_user_are_listed(site: Site):
    handle = site.signed_in().post("/login/alice").json["handle"]
    listed = run(site.app, "sessions", "alice")
    assert listed.exit_code == 0, listed.output
    assert listed.output.startswith(f"{handle}  ")
    [row] = json.loads(run(site.app, "sessions", "alice", "--json").output)
    assert (row["handle"], row["ip"]) == (handle, "127.0.0.1")
    assert run(site.app, "sessions", "bob").output == "No live session.\n"


@pytest.mark.parametrize("by_user", [True, False])
def test_sessions_are_revoked(site: Site, *, by_user: bool):
    handle = site.browser().post("/login/alice").json["handle"]
    done = run(site.app, "revoke", *(["--user", "alice"] if by_user else [handle]))
    assert (done.exit_code, done.output) == (0, f"revoked {handle}\n")
    again = run(site.app, "revoke", handle)
    assert (again.exit_code, again.output) == (1, "Error: no live session was revoked\n")


def test_nothing_is_revoked_without_a_name(site: Site):
    done = run(site.app, "revoke")
    assert done.exit_code == 2
    assert "name either session handles or --user" in done.output


def test_keys_are_rotated(site: Site):
    done = run(site.app, "rotate-keys")
    kid = done.output.removeprefix("published ").strip()
    assert kid in {key["kid"] for key in site.browser().get("/.well-known/jwks.json").json["keys"]}


def test_the_check_finds_what_is_wrong(tmp_path: Path):
    app = Flask("shop")
    app.config.update(
        RESEAL_API_DOMAIN="http://shop.example.com", RESEAL_COOKIE_SECURE=False, RESEAL_DATABASE_URI="memory:"
    )
    Reseal(app, login_view="login")

    @session_required
    @app.get("/secret")
    def secret() -> str:
        return "secret"

    done = run(app, "check")
    assert done.exit_code == 1
    for part in (
        "the view of 'secret' is not protected",
        "login_view names the endpoint 'login', which does not exist",
        "RESEAL_DATABASE_URI is memory",
        "cookies are sent over plain http",
    ):
        assert part in done.output


def test_the_check_is_content_with_a_sound_application(tmp_path: Path):
    app = Flask("shop")
    app.config.update(
        RESEAL_API_DOMAIN=API,
        RESEAL_DATABASE_URI=f"sqlite:///{tmp_path}/sessions.db",
        RESEAL_SECRET_KEY="6xVgq0-mZ8kLr2Tn4WcB7yHd9SfJ3pAe",
    )
    reseal = Reseal(app)
    done = run(app, "check")
    with app.app_context():
        reseal.close()
    assert (done.exit_code, done.output) == (0, "No problems.\n"), done.output


def test_a_store_that_cannot_be_opened_is_told_in_words(tmp_path: Path):
    app = Flask("shop")
    app.config.update(RESEAL_API_DOMAIN=API, RESEAL_DATABASE_URI=f"sqlite:///{tmp_path}/missing/sessions.db")
    Reseal(app)
    done = run(app, "check")
    assert done.exit_code == 1
    assert "Traceback" not in done.output
    assert "missing" in done.output


def test_a_missing_secret_key_is_told(tmp_path: Path):
    app = Flask("shop")
    app.config.update(RESEAL_API_DOMAIN=API, RESEAL_DATABASE_URI=f"sqlite:///{tmp_path}/sessions.db")
    reseal = Reseal(app)
    done = run(app, "check")
    with app.app_context():
        reseal.close()
    assert "RESEAL_SECRET_KEY is absent" in done.output
