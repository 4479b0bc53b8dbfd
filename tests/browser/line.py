"""The wire between browser and application: it writes down what passes, and answers meet the fate a test chose.

Faults happen where they happen in life: the application has answered, and the connection breaks. The browser's own
network stack sees them, its silent repeats included.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PATIENCE = 60
"""Seconds after which a condition that does not come true fails its test."""


@dataclass
class Passed:
    """One request as it came over the wire, and what became of it."""

    method: str
    path: str
    query: str
    headers: list[tuple[str, str]]
    at: float = field(default_factory=time.monotonic)
    body: bytes = b""
    status: int | None = None
    answer_headers: list[tuple[str, str]] = field(default_factory=list)
    answer: bytes = b""
    delivered: bool = False

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name), None)

    @property
    def cookies(self) -> dict[str, str]:
        return cookie_parser(self.header("cookie") or "")

    @property
    def set_cookies(self) -> list[str]:
        return [value for key, value in self.answer_headers if key == "set-cookie"]

    @property
    def refresh_token(self) -> str | None:
        """The one that the browser showed, whichever way it came."""
        authorization = self.header("authorization")
        return authorization.removeprefix("Bearer ") if authorization else self.cookies.get("sRefreshToken")

    @property
    def new_refresh_token(self) -> str | None:
        """The one that the answer gave, whichever way it went."""
        given = cookie_parser("; ".join(line.partition(";")[0] for line in self.set_cookies))
        return dict(self.answer_headers).get("st-refresh-token") or given.get("sRefreshToken")


@dataclass
class Exchange:
    """One request in the hands of its fate."""

    line: Line
    passed: Passed
    scope: Scope
    receive: Receive
    send: Send
    heard: list[Message] = field(default_factory=list)
    """What came of the request so far; an application that hears it again begins with this."""

    async def answered(self) -> list[Message]:
        """Have the application answer, and keep the answer here."""
        kept: list[Message] = []

        async def keep(message: Message) -> None:
            kept.append(message)
            self.line.note_answer(self.passed, message)

        await self.line.app(self.scope, self._listener(), keep)
        return kept

    async def pass_on(self) -> None:
        async def send(message: Message) -> None:
            self.line.note_answer(self.passed, message)
            await self.send(message)

        await self.line.app(self.scope, self._listener(), send)
        await self.line.note_delivery(self.passed)

    async def deliver(self, messages: list[Message]) -> None:
        for message in messages:
            await self.send(message)
        await self.line.note_delivery(self.passed)

    async def cut(self) -> None:
        """Break the connection with a reset."""
        for connection in list(self.line.server.server_state.connections):
            if getattr(connection, "client", None) == self.scope["client"]:
                connection.transport.abort()
        await self.disconnected()

    async def disconnected(self) -> None:
        while (await self.receive())["type"] != "http.disconnect":
            pass

    def _listener(self) -> Receive:
        again = deque(self.heard)

        async def hear() -> Message:
            if again:
                return again.popleft()
            message = await self.receive()
            self.heard.append(message)
            self.passed.body += message.get("body", b"")
            return message

        return hear


Fate = Callable[[Exchange], Awaitable[None]]


class Hold:
    """Answers that the application has given and the browser has not got; in the order of arrival."""

    def __init__(self, number: int) -> None:
        self._gates = [asyncio.Event() for _ in range(number)]
        self._here = [asyncio.Event() for _ in range(number)]
        self._exchanges: list[Exchange] = []

    async def fate(self, exchange: Exchange) -> None:
        messages = await exchange.answered()
        mine = len(self._exchanges)
        self._exchanges.append(exchange)
        self._here[mine].set()
        await self._gates[mine].wait()
        await exchange.deliver(messages)

    async def arrived(self, index: int = 0) -> None:
        """Wait until the application has given answer ``index``."""
        await asyncio.wait_for(self._here[index].wait(), PATIENCE)

    async def given_up(self, index: int = 0) -> None:
        """Wait until the browser no longer waits for answer ``index``."""
        await asyncio.wait_for(self._exchanges[index].disconnected(), PATIENCE)

    def release(self, index: int = 0) -> None:
        self._gates[index].set()


class Line:
    """Stands before an application. A fate is told by path and happens once, in the order in which it was told."""

    server: uvicorn.Server

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.passed: list[Passed] = []
        self._fates: dict[str, deque[Fate]] = {}
        self._news = asyncio.Condition()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"]]
        passed = Passed(scope["method"], scope["path"], scope["query_string"].decode(), headers)
        self.passed.append(passed)
        exchange = Exchange(self, passed, scope, receive, send)
        fates = self._fates.get(passed.path)
        await (fates.popleft()(exchange) if fates else exchange.pass_on())

    # -- fates ------------------------------------------------------------------------------------------------------

    def lose(self, path: str, times: int = 1, then: Callable[[], object] = lambda: None) -> None:
        """Have the application answer, and break the connection before the browser gets a byte of it."""

        async def fate(exchange: Exchange) -> None:
            await exchange.answered()
            then()
            await exchange.cut()

        self.tell(path, fate, times)

    def double(self, path: str, delivered: int, times: int = 1) -> None:
        """Have the application hear the request twice, as of a proxy that repeats it; the browser gets one answer."""

        async def fate(exchange: Exchange) -> None:
            answers = [await exchange.answered() for _ in range(2)]
            await exchange.deliver(answers[delivered])

        self.tell(path, fate, times)

    def cut(self, path: str, times: int = 1) -> None:
        """Break the connection before the application hears of the request."""
        self.tell(path, Exchange.cut, times)

    def answer(self, path: str, status: int, times: int = 1, **headers: str) -> None:
        """Answer in the application's place, as a proxy does that is overloaded or lost its upstream."""
        lines = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]

        async def fate(exchange: Exchange) -> None:
            start = {"type": "http.response.start", "status": status, "headers": lines}
            self.note_answer(exchange.passed, start)
            await exchange.deliver([start, {"type": "http.response.body", "body": b"<h1>sorry</h1>"}])

        self.tell(path, fate, times)

    def hold(self, path: str, number: int = 1) -> Hold:
        """Keep the next answers back until they are released."""
        hold = Hold(number)
        self.tell(path, hold.fate, number)
        return hold

    def tell(self, path: str, fate: Fate, times: int = 1) -> None:
        self._fates.setdefault(path, deque()).extend([fate] * times)

    # -- what passed ------------------------------------------------------------------------------------------------

    def to(self, path: str, method: str | None = None) -> list[Passed]:
        return [each for each in self.passed if each.path == path and method in {None, each.method}]

    def forget(self) -> None:
        self.passed.clear()

    async def until(self, condition: Callable[[], object]) -> None:
        """Wait until ``condition`` holds; it is looked at whenever an answer was delivered."""
        async with self._news:
            await asyncio.wait_for(self._news.wait_for(lambda: bool(condition())), PATIENCE)

    def note_answer(self, passed: Passed, message: Message) -> None:
        if message["type"] == "http.response.start":
            passed.status = message["status"]
            passed.answer = b""
            passed.answer_headers = [
                (name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in message["headers"]
            ]
        elif message["type"] == "http.response.body":
            passed.answer += message.get("body", b"")

    async def note_delivery(self, passed: Passed) -> None:
        passed.delivered = True
        async with self._news:
            self._news.notify_all()


class Server(uvicorn.Server):
    """A server in the loop of the tests, which leaves the signals to pytest."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.up = asyncio.Event()

    def capture_signals(self) -> Any:
        return nullcontext()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.up.set()
