from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Self

import httpx
from aiohttp import ClientWebSocketResponse, WSServerHandshakeError, web
from aiohttp.test_utils import TestClient, TestServer
from yarl import URL

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.aiohttp import Reseal, Session
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described

Answer = web.StreamResponse


class Handlers:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    async def login(self, request: web.Request) -> Answer:
        body = await request.json()
        session = await self.reseal.create_new_session(request, body["user_id"], body.get("jwt_payload"))
        return web.json_response(described(session))

    async def me(self, request: web.Request) -> Answer:
        return web.json_response(described(await self.reseal.get_session(request)))

    async def checked(self, request: web.Request) -> Answer:
        return web.json_response(described(await self.reseal.get_session(request, check_database=True)))

    async def admin(self, request: web.Request) -> Answer:
        return web.json_response(described(await self.reseal.get_session(request, claims=[HasClaim("admin")])))

    async def count(self, request: web.Request) -> Answer:
        session = await self.reseal.get_session(request)
        return web.json_response(await session.change_session_data(counted))

    async def grant(self, request: web.Request) -> Answer:
        return web.json_response(described(await self.granted(request)))

    async def stream(self, request: web.Request) -> Answer:
        await self.granted(request)
        response = web.StreamResponse()
        await response.prepare(request)
        for part in PARTS:
            await response.write(part.encode())
        return response

    async def boom(self, request: web.Request) -> Answer:
        await self.granted(request)
        raise RuntimeError("the handler failed")

    async def redirect(self, request: web.Request) -> Answer:
        await self.granted(request)
        raise web.HTTPSeeOther("/open")

    async def own(self, request: web.Request) -> Answer:
        await self.granted(request)
        response = web.Response(body=b"own", headers={name: OWN[name] for name in ("cache-control", "vary")})
        response.set_cookie("theme", "dark")
        return response

    async def revoke(self, request: web.Request) -> Answer:
        await (await self.reseal.get_session(request)).revoke_session()
        return web.json_response({})

    async def open(self, _request: web.Request) -> Answer:
        return web.Response(text="open", headers={"cache-control": "public, max-age=60"})

    async def page(self, request: web.Request) -> Answer:
        match await self.reseal.peek(request):
            case SignedIn(session):
                return web.Response(text=f"Welcome, {session.get_user_id()}", content_type="text/html")
            case RefreshFirst():
                return self.reseal.refresh_first(request)
            case Anonymous():
                return web.Response(text="Welcome, stranger", content_type="text/html")

    async def live(self, request: web.Request) -> Answer:
        async with self.reseal.guard(request) as (session, socket):
            await socket.send_str(session.get_user_id())
            async for message in socket:
                await socket.send_str(message.data)
        return socket

    async def granted(self, request: web.Request) -> Session:
        session = await self.reseal.get_session(request)
        await session.update_jwt_payload({"admin": True})
        return session


class Served:
    """The application under aiohttp's server on loopback: it has no other way in."""

    def __init__(self, app: web.Application) -> None:
        self._client = TestClient[Any, Any](TestServer(app))

    async def __aenter__(self) -> Self:
        await self._client.start_server()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._client.close()

    async def send(self, request: httpx.Request) -> httpx.Response:
        target = URL(request.url.raw_path.decode(), encoded=True)
        answer = await self._client.session.request(
            request.method,
            self._client.make_url("/").join(target),
            headers=request.headers.multi_items(),
            data=request.read(),
            allow_redirects=False,
            skip_auto_headers=("user-agent", "content-type", "accept"),
        )
        headers = [line for line in answer.raw_headers if line[0].lower() != b"transfer-encoding"]
        return httpx.Response(answer.status, headers=headers, content=await answer.read(), request=request)

    @asynccontextmanager
    async def socket(self, request: httpx.Request) -> AsyncIterator[PageSocket]:
        headers = [line for line in request.headers.multi_items() if line[0] != "host"]
        try:
            async with self._client.ws_connect(request.url.path, headers=headers) as connection:
                yield PageSocket(101, connection)
        except WSServerHandshakeError as error:
            yield PageSocket(error.status)


class PageSocket:
    """The page's end of a WebSocket."""

    def __init__(self, status: int, connection: ClientWebSocketResponse[Any] | None = None) -> None:
        self.status = status
        self._connection = connection

    @property
    def connection(self) -> ClientWebSocketResponse[Any]:
        assert self._connection is not None, self.status
        return self._connection

    async def send(self, text: str) -> None:
        await self.connection.send_str(text)

    async def receive(self) -> str | int:
        message = await self.connection.receive()
        found: str | int = message.data
        return found


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    handlers = Handlers(reseal)
    app = web.Application()
    reading = [web.get(f"/{name}", getattr(handlers, name)) for name in ("me", "checked", "admin", "open", "page")]
    changing = ("me", "login", "count", "grant", "stream", "boom", "redirect", "own", "revoke")
    app.add_routes([*reading, *(web.post(f"/{name}", getattr(handlers, name)) for name in changing)])
    app.add_routes([web.get("/live", handlers.live)])
    reseal.install(app, cors=True)
    if given.prefix:
        outer = web.Application()
        outer.add_subapp(given.prefix, app)
        app = outer
    return Served(app)
