"""What the tests of WebSockets and event streams stand on: a server on a real socket, and a watch that waits for them."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.websockets import WebSocket
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidStatus
from websockets.typing import Origin, Subprotocol

from reseal import HasClaim, Settings
from reseal.testing import ManualClock
from tests.frameworks.apps import Framework
from tests.frameworks.site import API, WEBSITE, Browser, Lines, Site, make_site

PATIENCE = 20
"""Seconds after which a condition that does not come true fails its test."""


class Ticks:
    """Stands in for waiting: the watch looks when the test says so."""

    def __init__(self) -> None:
        self._gate: asyncio.Future[None] | None = None
        self._waits = asyncio.Event()
        self.asked_for: set[float] = set()

    async def __call__(self, seconds: float) -> None:
        self.asked_for.add(seconds)
        self._gate = asyncio.get_running_loop().create_future()
        self._waits.set()
        await self._gate

    async def begin(self) -> None:
        """Have the watch look, and do not wait for what comes of it."""
        await asyncio.wait_for(self._waits.wait(), PATIENCE)
        self._waits.clear()
        assert self._gate is not None
        self._gate.set_result(None)

    async def look(self) -> None:
        """Have the watch look, and wait until it has."""
        await self.begin()
        await asyncio.wait_for(self._waits.wait(), PATIENCE)


@dataclass
class Wire:
    """A site on a real socket."""

    site: Site
    port: int
    ticks: Ticks
    ended: list[str] = field(default_factory=list)
    """The blocks that came to their end, each with how."""

    def socket(
        self,
        browser: Browser | None = None,
        path: str = "/live",
        *,
        origin: str | None = WEBSITE,
        headers: Lines = (),
        subprotocols: Iterable[str] = (),
    ) -> Any:
        """Open a WebSocket as a page does: with the browser's cookies, and the page's origin."""
        sent: list[Any] = list(headers)
        if browser is not None and (cookies := browser.cookies_for(path)):
            sent.append(("cookie", "; ".join(cookies)))
        return connect(
            f"ws://127.0.0.1:{self.port}{path}",
            origin=None if origin is None else Origin(origin),
            additional_headers=sent,
            subprotocols=[Subprotocol(each) for each in subprotocols] or None,
            proxy=None,
            open_timeout=PATIENCE,
        )

    async def refused(self, *arguments: Any, **named: Any) -> tuple[int, Any]:
        """Try to open a WebSocket; gives status and body of the refusal."""
        try:
            async with self.socket(*arguments, **named):
                raise AssertionError("the WebSocket was accepted")
        except InvalidStatus as error:
            response = error.response
            assert response.headers["cache-control"] == "no-store"
            return response.status_code, json.loads(response.body or b"null")

    async def until(self, condition: Any) -> None:
        """Wait until a condition holds."""
        async with asyncio.timeout(PATIENCE):
            while not condition():  # noqa: ASYNC110 - of a server and of tasks, which tell nobody
                await asyncio.sleep(0.005)


async def closing(connection: ClientConnection) -> tuple[int, str]:
    """Wait for the other side to close; gives code and reason."""
    async with asyncio.timeout(PATIENCE):
        await connection.wait_closed()
    return connection.close_code or 0, connection.close_reason or ""


async def echoes(connection: ClientConnection) -> bool:
    """Tell whether the WebSocket still answers."""
    await connection.send("hello")
    async with asyncio.timeout(PATIENCE):
        return await connection.recv() == "hello"


def add_routes(site: Site, ended: list[str]) -> None:
    """Add a WebSocket and an event stream of each kind to the application of the other tests."""
    reseal, app = site.reseal, site.app
    add = getattr(app, "add_api_websocket_route", app.router.add_websocket_route)

    async def live(websocket: WebSocket) -> None:
        async with reseal.guard(websocket, subprotocols=("chat.v2", "chat.v1")) as session:
            site.ran.append(session.get_handle())
            async for text in websocket.iter_text():
                await websocket.send_text(f"{session.get_user_id()}" if text == "who" else text)
        ended.append("live")

    async def waits(websocket: WebSocket) -> None:
        async with reseal.guard(websocket):
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                ended.append("cancelled")
                raise
        ended.append("waits")

    async def asks(websocket: WebSocket) -> None:
        async with reseal.guard(websocket) as session:
            await websocket.receive_text()
            await websocket.send_json(await session.get_session_data())

    async def breaks(websocket: WebSocket) -> None:
        async with reseal.guard(websocket):
            raise RuntimeError("the handler failed")

    async def demands(websocket: WebSocket) -> None:
        async with reseal.guard(websocket, claims=[HasClaim("mfa")]):
            await websocket.send_text("welcome")

    async def late(websocket: WebSocket) -> None:
        async with reseal.guard(websocket):
            raise TimeoutError("the handler's own")

    for path, endpoint in {
        "/live": live,
        "/waits": waits,
        "/asks": asks,
        "/breaks": breaks,
        "/demands": demands,
        "/late": late,
    }.items():
        add(path, endpoint)

    async def ticket(request: Request) -> Response:
        session = await reseal.get_session(request)
        return JSONResponse({"ticket": await session.create_ticket(request.query_params["for"])})

    async def events(request: Request) -> Response:
        session = await reseal.get_session(request, check_database=True)

        async def numbers() -> AsyncIterator[str]:
            try:
                yield "data: 1\n\n"
                await asyncio.Event().wait()
            finally:
                ended.append("numbers")

        return StreamingResponse(reseal.guard_events(session, numbers()), media_type="text/event-stream")

    async def few_events(request: Request) -> Response:
        session = await reseal.get_session(request)

        async def numbers() -> AsyncIterator[bytes]:
            for n in range(3):
                yield b"data: %d\n\n" % n

        return StreamingResponse(reseal.guard_events(session, numbers()), media_type="text/event-stream")

    app.router.add_route("/ticket", ticket, methods=["POST"])
    app.router.add_route("/events", events, methods=["GET"])
    app.router.add_route("/few-events", few_events, methods=["GET"])


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def opened_wire(framework: Framework, clock: ManualClock | None = None, **changes: Any) -> AsyncIterator[Wire]:
    """Serve a site on a free port; its clock and its watch stand still unless moved."""
    given = {"api_domain": API, "website_domain": WEBSITE, "database_uri": "memory:"}
    site = make_site(framework, Settings(**(given | changes)), clock)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    wire = Wire(site, listener.getsockname()[1], Ticks())
    site.reseal.watch.pause = wire.ticks
    add_routes(site, wire.ended)
    config = uvicorn.Config(site.app, log_config=None, access_log=False, timeout_graceful_shutdown=2)
    server = _Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await wire.until(lambda: server.started)
        yield wire
    finally:
        server.should_exit = True
        await running
