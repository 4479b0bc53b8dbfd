from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    HTMLResponse,
    JSONResponse,
    PlainTextResponse,
    RedirectResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.websockets import WebSocket

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.starlette import Reseal, Session
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import AsgiApp


class Handlers:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    async def login(self, request: Request) -> Response:
        body = await request.json()
        session = await self.reseal.create_new_session(request, body["user_id"], body.get("jwt_payload"))
        return JSONResponse(described(session))

    async def me(self, request: Request) -> Response:
        return JSONResponse(described(await self.reseal.get_session(request)))

    async def checked(self, request: Request) -> Response:
        return JSONResponse(described(await self.reseal.get_session(request, check_database=True)))

    async def admin(self, request: Request) -> Response:
        return JSONResponse(described(await self.reseal.get_session(request, claims=[HasClaim("admin")])))

    async def count(self, request: Request) -> Response:
        session = await self.reseal.get_session(request)
        return JSONResponse(await session.change_session_data(counted))

    async def grant(self, request: Request) -> Response:
        return JSONResponse(described(await self.granted(request)))

    async def stream(self, request: Request) -> Response:
        await self.granted(request)
        return StreamingResponse(parts(), media_type="text/plain")

    async def boom(self, request: Request) -> Response:
        await self.granted(request)
        raise RuntimeError("the handler failed")

    async def redirect(self, request: Request) -> Response:
        await self.granted(request)
        return RedirectResponse("/open", 303)

    async def own(self, request: Request) -> Response:
        await self.granted(request)
        return Response(b"own", headers=OWN)

    async def revoke(self, request: Request) -> Response:
        await (await self.reseal.get_session(request)).revoke_session()
        return JSONResponse({})

    async def open(self, _request: Request) -> Response:
        return PlainTextResponse("open", headers={"cache-control": "public, max-age=60"})

    async def page(self, request: Request) -> Response:
        match await self.reseal.peek(request):
            case SignedIn(session):
                return HTMLResponse(f"Welcome, {session.get_user_id()}")
            case RefreshFirst():
                return self.reseal.refresh_first(request)
            case Anonymous():
                return HTMLResponse("Welcome, stranger")

    async def live(self, websocket: WebSocket) -> None:
        async with self.reseal.guard(websocket) as session:
            await websocket.send_text(session.get_user_id())
            while True:
                await websocket.send_text(await websocket.receive_text())

    async def granted(self, request: Request) -> Session:
        session = await self.reseal.get_session(request)
        await session.update_jwt_payload({"admin": True})
        return session


async def parts() -> AsyncIterator[str]:
    for part in PARTS:
        yield part


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    handlers = Handlers(reseal)
    get = [Route(f"/{name}", getattr(handlers, name)) for name in ("checked", "admin", "open", "page")]
    changing = ("login", "count", "grant", "stream", "boom", "redirect", "own", "revoke")
    post = [Route(f"/{name}", getattr(handlers, name), methods=["POST"]) for name in changing]
    me = Route("/me", handlers.me, methods=["GET", "POST"])
    app = Starlette(routes=[me, *get, *post, WebSocketRoute("/live", handlers.live)])
    reseal.install(app)
    reseal.install_cors(app)
    if not given.prefix:
        return AsgiApp(app)
    outer = Starlette(routes=[Mount(given.prefix, app)], lifespan=lambda _: app.router.lifespan_context(app))
    return AsgiApp(outer)
