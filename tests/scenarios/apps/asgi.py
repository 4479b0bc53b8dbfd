from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

from reseal import Anonymous, HasClaim, RefreshFirst, SignedIn
from reseal.asgi import Reseal, Scope, Session, Socket, respond
from tests.scenarios.framework import OWN, PARTS, App, Given, counted, described
from tests.scenarios.servers import AsgiApp

Send = Callable[[dict[str, Any]], Awaitable[None]]

READING = ("me", "checked", "admin", "open", "page")
CHANGING = ("me", "login", "count", "grant", "stream", "boom", "redirect", "own", "revoke")
ROUTES = {"GET": READING, "HEAD": READING, "POST": CHANGING}


class Application:
    def __init__(self, reseal: Reseal) -> None:
        self.reseal = reseal

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket":
            await self.live(scope, receive, send)
            return
        assert scope["type"] == "http"
        method, path = scope["method"], scope["path"].removeprefix(scope["root_path"])
        if path[1:] in ROUTES.get(method, ()):
            await getattr(self, path[1:])(scope, receive, send)
        else:
            await answer(send, b"no such route", status=404)

    async def login(self, scope: Scope, receive: Any, send: Send) -> None:
        body = json.loads((await receive())["body"])
        session = await self.reseal.create_new_session(scope, body["user_id"], body.get("jwt_payload"))
        await answer(send, described(session))

    async def me(self, scope: Scope, _receive: Any, send: Send) -> None:
        await answer(send, described(await self.reseal.get_session(scope)))

    async def checked(self, scope: Scope, _receive: Any, send: Send) -> None:
        await answer(send, described(await self.reseal.get_session(scope, check_database=True)))

    async def admin(self, scope: Scope, _receive: Any, send: Send) -> None:
        await answer(send, described(await self.reseal.get_session(scope, claims=[HasClaim("admin")])))

    async def count(self, scope: Scope, _receive: Any, send: Send) -> None:
        session = await self.reseal.get_session(scope)
        await answer(send, await session.change_session_data(counted))

    async def grant(self, scope: Scope, _receive: Any, send: Send) -> None:
        await answer(send, described(await self.granted(scope)))

    async def stream(self, scope: Scope, _receive: Any, send: Send) -> None:
        await self.granted(scope)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for part in PARTS:
            await send({"type": "http.response.body", "body": part.encode(), "more_body": True})
        await send({"type": "http.response.body"})

    async def boom(self, scope: Scope, _receive: Any, _send: Send) -> None:
        await self.granted(scope)
        raise RuntimeError("the handler failed")

    async def redirect(self, scope: Scope, _receive: Any, send: Send) -> None:
        await self.granted(scope)
        await answer(send, b"", {"location": "/open"}, status=303)

    async def own(self, scope: Scope, _receive: Any, send: Send) -> None:
        await self.granted(scope)
        await answer(send, b"own", OWN)

    async def revoke(self, scope: Scope, _receive: Any, send: Send) -> None:
        await (await self.reseal.get_session(scope)).revoke_session()
        await answer(send, {})

    async def open(self, _scope: Scope, _receive: Any, send: Send) -> None:
        await answer(send, b"open", {"content-type": "text/plain", "cache-control": "public, max-age=60"})

    async def page(self, scope: Scope, _receive: Any, send: Send) -> None:
        match await self.reseal.peek(scope):
            case SignedIn(session):
                await answer(send, f"Welcome, {session.get_user_id()}".encode())
            case RefreshFirst():
                await respond(send, self.reseal.refresh_first(scope))
            case Anonymous():
                await answer(send, b"Welcome, stranger")

    async def live(self, scope: Scope, receive: Any, send: Send) -> None:
        async with self.reseal.guard(scope, Socket(receive, send)) as session:
            await send({"type": "websocket.send", "text": session.get_user_id()})
            while (message := await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": message["text"]})

    async def granted(self, scope: Scope) -> Session:
        session = await self.reseal.get_session(scope)
        await session.update_jwt_payload({"admin": True})
        return session


async def answer(send: Send, body: Any, headers: dict[str, str] | None = None, status: int = 200) -> None:
    is_bytes = isinstance(body, bytes)
    said = headers or {"content-type": "text/html" if is_bytes else "application/json"}
    raw = [(name.encode(), value.encode()) for name, value in said.items()]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body if is_bytes else json.dumps(body).encode()})


def make(given: Given) -> App:
    reseal = Reseal(given.settings, **given.parts)
    return AsgiApp(reseal.wrap(Application(reseal), cors=True), given.prefix)
