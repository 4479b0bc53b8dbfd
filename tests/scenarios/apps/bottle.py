from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from bottle import Bottle, HTTPResponse, request, response

from reseal import Anonymous, HasClaim, RefreshFirst, ResealError, SignedIn
from reseal.web.responses import WebResponse
from reseal.wsgi import Reseal, Session
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import WsgiApp


class Handlers:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    def login(self) -> Any:
        body = request.json
        return described(self.reseal.create_new_session(request, body["user_id"], body.get("jwt_payload")))

    def me(self) -> Any:
        return described(self.reseal.get_session(request))

    def checked(self) -> Any:
        return described(self.reseal.get_session(request, check_database=True))

    def admin(self) -> Any:
        return described(self.reseal.get_session(request, claims=[HasClaim("admin")]))

    def count(self) -> Any:
        return self.reseal.get_session(request).change_session_data(counted)

    def grant(self) -> Any:
        return described(self.granted())

    def stream(self) -> Iterator[str]:
        self.granted()  # at the first part
        yield from PARTS

    def boom(self) -> Any:
        self.granted()
        raise RuntimeError("the handler failed")

    def redirect(self) -> Any:
        self.granted()
        raise HTTPResponse("", 303, {"location": "/open"})

    def own(self) -> Any:
        self.granted()
        for name in ("cache-control", "vary"):
            response.set_header(name, OWN[name])
        response.set_cookie("theme", "dark", path="/")
        return b"own"

    def revoke(self) -> Any:
        self.reseal.get_session(request).revoke_session()
        return {}

    def open(self) -> Any:
        response.set_header("cache-control", "public, max-age=60")
        return "open"

    def page(self) -> Any:
        match self.reseal.peek(request):
            case SignedIn(session):
                return f"Welcome, {session.get_user_id()}"
            case RefreshFirst():
                return sent(self.reseal.refresh_first(request))
            case Anonymous():
                return "Welcome, stranger"

    def granted(self) -> Session:
        session = self.reseal.get_session(request)
        session.update_jwt_payload({"admin": True})
        return session


def sent(answer: WebResponse) -> HTTPResponse:
    return HTTPResponse(answer.body, answer.status, dict(answer.headers))


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    handlers = Handlers(reseal)
    app = Bottle()

    def answered(callback: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **named: Any) -> Any:
            try:
                return callback(*args, **named)
            except ResealError as error:
                return sent(reseal.answer(request, error))

        return call

    app.install(answered)
    for name in ("me", "checked", "admin", "open", "page"):
        app.route(f"/{name}", "GET", getattr(handlers, name))
    for name in ("me", "login", "count", "grant", "stream", "boom", "redirect", "own", "revoke"):
        app.route(f"/{name}", "POST", getattr(handlers, name))
    return WsgiApp(reseal.wrap(app, cors=True), given.prefix, closing=reseal.close)
