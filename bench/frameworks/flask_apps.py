"""Flask: bare, with Reseal, with its own cookie sessions, with Flask-JWT-Extended."""

from __future__ import annotations

import flask_jwt_extended as jwt
from calling import Wsgi, settings
from flask import Flask, session

from reseal.flask import Reseal, current_session, session_required

KEY = "a-secret-of-more-than-thirty-two-bytes"


def clients() -> dict[str, Wsgi]:
    return {
        "bare": Wsgi(bare()),
        "Reseal, @session_required": Wsgi(ours(), "/login"),
        "Flask's session": Wsgi(own(), "/login"),
        "Flask-JWT-Extended": extended(),
    }


def bare() -> Flask:
    app = Flask("bare")
    app.add_url_rule("/feed", "feed", lambda: {"user": "alice"})
    return app


def ours() -> Flask:
    app = Flask("ours")
    reseal = Reseal(app, settings=settings())

    @app.post("/login")
    def login() -> dict[str, str]:
        reseal.create_new_session("alice")
        return {}

    @app.get("/feed")
    @session_required
    def feed() -> dict[str, str]:
        return {"user": current_session.get_user_id()}

    return app


def own() -> Flask:
    app = Flask("own")
    app.secret_key = KEY

    @app.post("/login")
    def login() -> dict[str, str]:
        session["user"] = "alice"
        return {}

    @app.get("/feed")
    def feed() -> dict[str, str]:
        return {"user": session["user"]}

    return app


def extended() -> Wsgi:
    app = Flask("extended")
    app.config["JWT_SECRET_KEY"] = KEY
    jwt.JWTManager(app)

    @app.get("/feed")
    @jwt.jwt_required()
    def feed() -> dict[str, str]:
        return {"user": jwt.get_jwt_identity()}

    with app.app_context():
        token = jwt.create_access_token("alice")
    return Wsgi(app, headers={"authorization": f"Bearer {token}"})
