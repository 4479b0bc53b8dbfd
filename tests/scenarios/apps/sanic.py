from __future__ import annotations

from itertools import count as numbers
from typing import Any

from sanic import Blueprint, Request, Sanic
from sanic.response import HTTPResponse, html, json, raw, text
from sanic.response import redirect as redirected

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.sanic import Reseal, Session
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import AsgiApp

Sanic.test_mode = True
NUMBERS = numbers()
"""Of the applications: Sanic wants a name for each of a process."""


class Handlers:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    async def login(self, request: Request) -> HTTPResponse:
        body = request.json
        session = await self.reseal.create_new_session(request, body["user_id"], body.get("jwt_payload"))
        return json(described(session))

    async def me(self, request: Request) -> HTTPResponse:
        return json(described(await self.reseal.get_session(request)))

    async def checked(self, request: Request) -> HTTPResponse:
        return json(described(await self.reseal.get_session(request, check_database=True)))

    async def admin(self, request: Request) -> HTTPResponse:
        return json(described(await self.reseal.get_session(request, claims=[HasClaim("admin")])))

    async def count(self, request: Request) -> HTTPResponse:
        session = await self.reseal.get_session(request)
        return json(await session.change_session_data(counted))

    async def grant(self, request: Request) -> HTTPResponse:
        return json(described(await self.granted(request)))

    async def stream(self, request: Request) -> None:
        await self.granted(request)
        response = await request.respond(content_type="text/plain")
        for part in PARTS:
            await response.send(part)
        await response.eof()

    async def boom(self, request: Request) -> HTTPResponse:
        await self.granted(request)
        raise RuntimeError("the handler failed")

    async def redirect(self, request: Request) -> HTTPResponse:
        await self.granted(request)
        return redirected("/open", status=303)

    async def own(self, request: Request) -> HTTPResponse:
        await self.granted(request)
        response = raw(b"own", headers={name: OWN[name] for name in ("cache-control", "vary")})
        response.add_cookie("theme", "dark", secure=False, samesite=None)
        return response

    async def revoke(self, request: Request) -> HTTPResponse:
        await (await self.reseal.get_session(request)).revoke_session()
        return json({})

    async def open(self, _request: Request) -> HTTPResponse:
        return text("open", headers={"cache-control": "public, max-age=60"})

    async def page(self, request: Request) -> HTTPResponse:
        match await self.reseal.peek(request):
            case SignedIn(session):
                return html(f"Welcome, {session.get_user_id()}")
            case RefreshFirst():
                return self.reseal.refresh_first(request)
            case Anonymous():
                return html("Welcome, stranger")

    async def granted(self, request: Request) -> Session:
        session = await self.reseal.get_session(request)
        await session.update_jwt_payload({"admin": True})
        return session


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    handlers = Handlers(reseal)
    app: Any = Sanic(f"scenarios_{next(NUMBERS)}", configure_logging=False)
    part = Blueprint("part", url_prefix=given.prefix)
    for name in ("checked", "admin", "open", "page"):
        part.add_route(getattr(handlers, name), f"/{name}", methods=["GET", "HEAD"])
    for name in ("login", "count", "grant", "stream", "boom", "redirect", "own", "revoke"):
        part.add_route(getattr(handlers, name), f"/{name}", methods=["POST"])
    part.add_route(handlers.me, "/me", methods=["GET", "HEAD", "POST"])
    app.blueprint(part)
    reseal.install(app, url_prefix=given.prefix, cors=True)
    return AsgiApp(app)
