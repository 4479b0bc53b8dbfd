from __future__ import annotations

from collections.abc import Iterator

from flask import Flask, Response, jsonify, redirect, request
from flask.json.provider import DefaultJSONProvider
from flask.typing import ResponseReturnValue

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.flask import Reseal, Session, current_session, session_required
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import WsgiApp


class Json(DefaultJSONProvider):
    sort_keys = False


class Views:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    def login(self) -> ResponseReturnValue:
        body = request.get_json()
        return described(self.reseal.create_new_session(body["user_id"], body.get("jwt_payload")))

    def me(self) -> ResponseReturnValue:
        return described(self.reseal.get_session())

    def checked(self) -> ResponseReturnValue:
        return described(self.reseal.get_session(check_database=True))

    def admin(self) -> ResponseReturnValue:
        return described(self.reseal.get_session(claims=[HasClaim("admin")]))

    def count(self) -> ResponseReturnValue:
        return jsonify(current_session.change_session_data(counted))

    def grant(self) -> ResponseReturnValue:
        return described(granted())

    def stream(self) -> ResponseReturnValue:
        granted()
        return parts(), {"content-type": "text/plain"}

    def boom(self) -> ResponseReturnValue:
        granted()
        raise RuntimeError("the handler failed")

    def redirect(self) -> ResponseReturnValue:
        granted()
        return redirect("/open", 303)

    def own(self) -> ResponseReturnValue:
        granted()
        return b"own", OWN

    def revoke(self) -> ResponseReturnValue:
        current_session.revoke_session()
        return {}

    def open(self) -> ResponseReturnValue:
        return Response("open", headers={"cache-control": "public, max-age=60"})

    def page(self) -> ResponseReturnValue:
        match self.reseal.peek():
            case SignedIn(session):
                return f"Welcome, {session.get_user_id()}"
            case RefreshFirst():
                return self.reseal.refresh_first()
            case Anonymous():
                return "Welcome, stranger"


@session_required
def granted() -> Session:
    current_session.update_jwt_payload({"admin": True})
    return current_session


def parts() -> Iterator[str]:
    yield from PARTS


def make(given: Given) -> App:
    app = Flask(__name__)
    app.json = Json(app)
    reseal = Reseal(app, settings=given.settings, **given.parts)
    reseal.install_cors(app)
    views = Views(reseal)
    for name in ("checked", "admin", "open", "page"):
        app.add_url_rule(f"/{name}", name, getattr(views, name))
    for name in ("login", "count", "grant", "stream", "boom", "redirect", "own", "revoke"):
        app.add_url_rule(f"/{name}", name, getattr(views, name), methods=["POST"])
    app.add_url_rule("/me", "me", views.me, methods=["GET", "POST"])

    def close() -> None:
        with app.app_context():
            reseal.close()

    return WsgiApp(app, given.prefix, closing=close)
