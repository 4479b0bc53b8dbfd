from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import falcon
import falcon.asgi

from reseal import Anonymous, HasClaim, RefreshFirst, ResealError, SignedIn
from reseal.asgi import Reseal
from reseal.web.responses import WebResponse
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import AsgiApp

READING = ("me", "checked", "admin", "open", "page")
CHANGING = ("me", "login", "count", "grant", "stream", "boom", "redirect", "own", "revoke")


class Resources:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    async def login(self, req: Any, resp: Any) -> None:
        body = await req.get_media()
        session = await self.reseal.create_new_session(req, body["user_id"], body.get("jwt_payload"))
        resp.media = described(session)

    async def me(self, req: Any, resp: Any) -> None:
        resp.media = described(await self.reseal.get_session(req))

    async def checked(self, req: Any, resp: Any) -> None:
        resp.media = described(await self.reseal.get_session(req, check_database=True))

    async def admin(self, req: Any, resp: Any) -> None:
        resp.media = described(await self.reseal.get_session(req, claims=[HasClaim("admin")]))

    async def count(self, req: Any, resp: Any) -> None:
        resp.media = await (await self.reseal.get_session(req)).change_session_data(counted)

    async def grant(self, req: Any, resp: Any) -> None:
        resp.media = described(await self.granted(req))

    async def stream(self, req: Any, resp: Any) -> None:
        await self.granted(req)
        resp.stream = parts()

    async def boom(self, req: Any, _resp: Any) -> None:
        await self.granted(req)
        raise RuntimeError("the handler failed")

    async def redirect(self, req: Any, _resp: Any) -> None:
        await self.granted(req)
        raise falcon.HTTPSeeOther("/open")

    async def own(self, req: Any, resp: Any) -> None:
        await self.granted(req)
        resp.data = b"own"
        resp.set_headers({name: OWN[name] for name in ("cache-control", "vary")})
        resp.append_header("Set-Cookie", OWN["set-cookie"])

    async def revoke(self, req: Any, resp: Any) -> None:
        await (await self.reseal.get_session(req)).revoke_session()
        resp.media = {}

    async def open(self, _req: Any, resp: Any) -> None:
        resp.text = "open"
        resp.set_header("cache-control", "public, max-age=60")

    async def page(self, req: Any, resp: Any) -> None:
        match await self.reseal.peek(req):
            case SignedIn(session):
                resp.text = f"Welcome, {session.get_user_id()}"
            case RefreshFirst():
                sent(resp, self.reseal.refresh_first(req))
            case Anonymous():
                resp.text = "Welcome, stranger"

    async def granted(self, req: Any) -> Any:
        session = await self.reseal.get_session(req)
        await session.update_jwt_payload({"admin": True})
        return session

    async def on_websocket(self, req: Any, ws: Any) -> None:
        async with self.reseal.guard(req, ws, gone=(falcon.WebSocketDisconnected,)) as session:
            await ws.send_text(session.get_user_id())
            while True:
                await ws.send_text(await ws.receive_text())


async def parts() -> AsyncIterator[bytes]:
    for part in PARTS:
        yield part.encode()


def sent(resp: Any, answer: WebResponse) -> None:
    resp.status, resp.data = answer.status, answer.body
    resp.set_headers(answer.headers)


def resource(resources: Any, name: str) -> Any:
    """Give the resource of one path: Falcon asks it for a method of HTTP."""
    handler = getattr(resources, name)
    reading = {"on_get": handler, "on_head": handler} if name in READING else {}
    changing = {"on_post": handler} if name in CHANGING else {}
    return type(name, (), {key: staticmethod(value) for key, value in (reading | changing).items()})()


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    resources = Resources(reseal)
    app = falcon.asgi.App()
    for name in {*READING, *CHANGING}:
        app.add_route(f"{given.prefix}/{name}", resource(resources, name))
    app.add_route(f"{given.prefix}/live", resources)

    async def answered(req: Any, resp: Any, error: ResealError, _params: Any, ws: Any = None) -> None:
        if ws is not None:
            raise error
        sent(resp, reseal.answer(req, error))

    app.add_error_handler(ResealError, answered)
    return AsgiApp(reseal.wrap(app, cors=True), given.prefix)
