"""The simulators against another library's refresh, set up as its documentation shows."""

from flask import Flask, jsonify
from flask_jwt_extended import (
    JWTManager,
    create_access_token,
    create_refresh_token,
    get_jwt,
    get_jwt_identity,
    jwt_required,
)

from reseal.testing import BodyTokens, Site, honest_user, refresh_race, theft

SITE = Site(refresh=("POST", "/refresh"), tokens=BodyTokens())


def shop(*, rotates):
    """Sessions of Flask-JWT-Extended; with rotation a refresh token is blocked once it was used."""
    app = Flask(__name__)
    app.config["JWT_SECRET_KEY"] = "a secret of the tests that nobody would guess"
    blocked = set()
    jwt = JWTManager(app)
    jwt.token_in_blocklist_loader(lambda _header, payload: payload["jti"] in blocked)

    def tokens():
        return {"access_token": create_access_token("alice"), "refresh_token": create_refresh_token("alice")}

    @app.post("/login")
    def login():
        return jsonify(tokens())

    @app.post("/refresh")
    @jwt_required(refresh=True)
    def refresh():
        if not rotates:
            return jsonify(access_token=create_access_token(get_jwt_identity()))
        blocked.add(get_jwt()["jti"])
        return jsonify(tokens())

    @app.get("/me")
    @jwt_required()
    def me():
        return jsonify(get_jwt_identity())

    return app


def test_a_refresh_token_that_never_changes_signs_nobody_out_and_catches_no_thief():
    app = shop(rotates=False)
    assert honest_user(app, SITE).is_good
    assert {each.scenario for each in theft(app, SITE).problems} == {"thief_first", "victim_first", "old_token"}


def test_blocking_used_refresh_tokens_signs_tabs_out_and_leaves_the_thief_who_came_first():
    app = shop(rotates=True)
    report = refresh_race(app, SITE, tabs=4)
    assert report.signed_out > 0
    assert {"one_after_another", "late_tab"} <= {each.scenario for each in report.problems}
    assert str(theft(app, SITE)).startswith(
        "The user was signed out, and the thief was not, when the thief refreshed before"
    )
