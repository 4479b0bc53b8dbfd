from __future__ import annotations

from typing import Any

import falcon

from reseal import Anonymous, HasClaim, RefreshFirst, ResealError, SignedIn
from reseal.wsgi import Reseal
from tests.scenarios.apps.falcon_asgi import CHANGING, READING, resource, sent
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import WsgiApp


class Resources:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    def login(self, req: Any, resp: Any) -> None:
        body = req.media
        resp.media = described(self.reseal.create_new_session(req, body["user_id"], body.get("jwt_payload")))

    def me(self, req: Any, resp: Any) -> None:
        resp.media = described(self.reseal.get_session(req))

    def checked(self, req: Any, resp: Any) -> None:
        resp.media = described(self.reseal.get_session(req, check_database=True))

    def admin(self, req: Any, resp: Any) -> None:
        resp.media = described(self.reseal.get_session(req, claims=[HasClaim("admin")]))

    def count(self, req: Any, resp: Any) -> None:
        resp.media = self.reseal.get_session(req).change_session_data(counted)

    def grant(self, req: Any, resp: Any) -> None:
        resp.media = described(self.granted(req))

    def stream(self, req: Any, resp: Any) -> None:
        self.granted(req)
        resp.stream = (part.encode() for part in PARTS)

    def boom(self, req: Any, _resp: Any) -> None:
        self.granted(req)
        raise RuntimeError("the handler failed")

    def redirect(self, req: Any, _resp: Any) -> None:
        self.granted(req)
        raise falcon.HTTPSeeOther("/open")

    def own(self, req: Any, resp: Any) -> None:
        self.granted(req)
        resp.data = b"own"
        resp.set_headers({name: OWN[name] for name in ("cache-control", "vary")})
        resp.append_header("Set-Cookie", OWN["set-cookie"])

    def revoke(self, req: Any, resp: Any) -> None:
        self.reseal.get_session(req).revoke_session()
        resp.media = {}

    def open(self, _req: Any, resp: Any) -> None:
        resp.text = "open"
        resp.set_header("cache-control", "public, max-age=60")

    def page(self, req: Any, resp: Any) -> None:
        match self.reseal.peek(req):
            case SignedIn(session):
                resp.text = f"Welcome, {session.get_user_id()}"
            case RefreshFirst():
                sent(resp, self.reseal.refresh_first(req))
            case Anonymous():
                resp.text = "Welcome, stranger"

    def granted(self, req: Any) -> Any:
        session = self.reseal.get_session(req)
        session.update_jwt_payload({"admin": True})
        return session


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    resources = Resources(reseal)
    app = falcon.App()
    for name in {*READING, *CHANGING}:
        app.add_route(f"/{name}", resource(resources, name))
    app.add_error_handler(ResealError, lambda req, resp, error, _: sent(resp, reseal.answer(req, error)))
    return WsgiApp(reseal.wrap(app, cors=True), given.prefix, closing=reseal.close)
