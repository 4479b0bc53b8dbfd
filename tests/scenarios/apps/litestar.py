from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from litestar import Litestar, MediaType, Request, Response, WebSocket, get, post, route, websocket
from litestar.response import Redirect, Stream

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.litestar import Injected, Reseal, Session, cors_config, session_guard
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import AsgiApp

AnyRequest = Request[Any, Any, Any]


async def granted(session: Injected[Session]) -> Session:
    await session.update_jwt_payload({"admin": True})
    return session


async def parts() -> AsyncIterator[str]:
    for part in PARTS:
        yield part


def handlers(reseal: Reseal) -> list[Any]:
    @post("/login", status_code=200)
    async def login(request: AnyRequest) -> dict[str, Any]:
        body = await request.json()
        return described(await reseal.create_new_session(request, body["user_id"], body.get("jwt_payload")))

    @route("/me", http_method=["GET", "HEAD", "POST"], status_code=200)
    async def me(session: Injected[Session]) -> dict[str, Any]:
        return described(session)

    @get("/checked", dependencies={"session": reseal.session(check_database=True)})
    async def checked(session: Injected[Session]) -> dict[str, Any]:
        return described(session)

    @get("/admin", guards=[session_guard(claims=[HasClaim("admin")])])
    async def admin(session: Injected[Session]) -> dict[str, Any]:
        return described(session)

    @post("/count", status_code=200)
    async def count(session: Injected[Session]) -> dict[str, Any]:
        return dict(await session.change_session_data(counted))

    @post("/revoke", status_code=200)
    async def revoke(session: Injected[Session]) -> dict[str, Any]:
        await session.revoke_session()
        return {}

    @route("/open", http_method=["GET", "HEAD"], media_type=MediaType.TEXT)
    async def open_() -> Response[str]:
        return Response("open", headers={"cache-control": "public, max-age=60"}, media_type=MediaType.TEXT)

    @get("/page", media_type=MediaType.HTML)
    async def page(request: AnyRequest) -> Response[Any]:
        match await reseal.peek(request):
            case SignedIn(session):
                return Response(f"Welcome, {session.get_user_id()}", media_type=MediaType.HTML)
            case RefreshFirst():
                return reseal.refresh_first(request)
            case Anonymous():
                return Response("Welcome, stranger", media_type=MediaType.HTML)

    return [login, me, checked, admin, count, revoke, open_, page]


@post("/grant", dependencies={"granted": granted}, status_code=200)
async def grant(granted: Injected[Session]) -> dict[str, Any]:
    return described(granted)


@post("/stream", dependencies={"granted": granted}, status_code=200)
async def stream(granted: Injected[Session]) -> Stream:
    return Stream(parts(), media_type="text/plain")


@post("/boom", dependencies={"granted": granted}, status_code=200)
async def boom(granted: Injected[Session]) -> None:
    raise RuntimeError("the handler failed")


@post("/redirect", dependencies={"granted": granted}, status_code=303)
async def redirect(granted: Injected[Session]) -> Redirect:
    return Redirect("/open", status_code=303)


@post("/own", dependencies={"granted": granted}, status_code=200)
async def own(granted: Injected[Session]) -> Response[bytes]:
    return Response(b"own", headers=OWN, media_type="text/plain")


@websocket("/live", guards=[session_guard()])
async def live(socket: WebSocket[Any, Any, Any], session: Injected[Session]) -> None:
    await socket.accept()
    await socket.send_text(session.get_user_id())
    while True:
        await socket.send_text(await socket.receive_text())


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    routes = [*handlers(reseal), grant, stream, boom, redirect, own, live]
    app = Litestar(routes, plugins=[reseal], cors_config=cors_config(given.settings), logging_config=None)
    return AsgiApp(app, given.prefix)
