from __future__ import annotations

import warnings
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # what Pyramid and WebOb import is deprecated
    from pyramid.config import Configurator
    from pyramid.httpexceptions import HTTPSeeOther
    from pyramid.request import Request
    from pyramid.response import Response

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.wsgi import Reseal, Session
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import WsgiApp


class Views:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    def login(self, request: Request) -> Any:
        body = request.json_body
        return described(self.reseal.create_new_session(request, body["user_id"], body.get("jwt_payload")))

    def me(self, request: Request) -> Any:
        return described(self.reseal.get_session(request))

    def checked(self, request: Request) -> Any:
        return described(self.reseal.get_session(request, check_database=True))

    def admin(self, request: Request) -> Any:
        return described(self.reseal.get_session(request, claims=[HasClaim("admin")]))

    def count(self, request: Request) -> Any:
        return self.reseal.get_session(request).change_session_data(counted)

    def grant(self, request: Request) -> Any:
        return described(self.granted(request))

    def stream(self, request: Request) -> Any:
        self.granted(request)
        return Response(app_iter=(part.encode() for part in PARTS))

    def boom(self, request: Request) -> Any:
        self.granted(request)
        raise RuntimeError("the handler failed")

    def redirect(self, request: Request) -> Any:
        self.granted(request)
        raise HTTPSeeOther("/open")

    def own(self, request: Request) -> Any:
        self.granted(request)
        return Response(b"own", headerlist=list(OWN.items()))

    def revoke(self, request: Request) -> Any:
        self.reseal.get_session(request).revoke_session()
        return {}

    def open(self, _request: Request) -> Any:
        return Response(b"open", headerlist=[("content-type", "text/plain"), ("cache-control", "public, max-age=60")])

    def page(self, request: Request) -> Any:
        match self.reseal.peek(request):
            case SignedIn(session):
                return Response(f"Welcome, {session.get_user_id()}")
            case RefreshFirst():
                answer = self.reseal.refresh_first(request)
                return Response(answer.body, answer.status, headerlist=list(answer.headers))
            case Anonymous():
                return Response("Welcome, stranger")

    def granted(self, request: Request) -> Session:
        session = self.reseal.get_session(request)
        session.update_jwt_payload({"admin": True})
        return session


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    views = Views(reseal)
    config = Configurator()
    methods = dict.fromkeys(("checked", "admin", "open", "page"), ("GET",)) | {"me": ("GET", "POST")}
    methods |= dict.fromkeys(("login", "count", "grant", "stream", "boom", "redirect", "own", "revoke"), ("POST",))
    for name, allowed in methods.items():
        config.add_route(name, f"/{name}")
        config.add_view(getattr(views, name), route_name=name, request_method=allowed, renderer="json")
    app = config.make_wsgi_app()
    return WsgiApp(reseal.wrap(app, cors=True), given.prefix, closing=reseal.close)
