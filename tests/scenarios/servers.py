"""Servers of ASGI and WSGI in this process, as strict as real ones where an adapter could go wrong."""

from __future__ import annotations

import asyncio
import io
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from typing import Any, Self
from urllib.parse import unquote_to_bytes

import httpx


class AsgiApp:
    """An application of ASGI under a server: lifespan, requests, and 500 for what it raises."""

    def __init__(self, app: Any, prefix: str = "") -> None:
        self._app = app
        self._prefix = prefix
        self._transport = httpx.ASGITransport(app, raise_app_exceptions=False, root_path=prefix)
        self._received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._lifespan: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": {}}
        self._lifespan = asyncio.create_task(self._app(scope, self._received.get, self._sent.put))
        await self._lifespan_event("startup")
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._lifespan_event("shutdown")
        assert self._lifespan is not None
        await self._lifespan

    async def send(self, request: httpx.Request) -> httpx.Response:
        response = await self._transport.handle_async_request(request)
        await response.aread()
        response.request = request
        return response

    @asynccontextmanager
    async def socket(self, request: httpx.Request) -> AsyncIterator[AsgiSocket]:
        path = request.url.path
        scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "scheme": "wss",
            "server": (request.url.host, 443),
            "client": ("127.0.0.1", 1),
            "path": path,
            "raw_path": path.encode(),
            "root_path": self._prefix,
            "query_string": b"",
            "headers": [(name.lower(), value) for name, value in request.headers.raw],
            "subprotocols": [],
            "extensions": {"websocket.http.response": {}},
            "state": {},
        }
        socket = AsgiSocket()
        running = asyncio.create_task(self._app(scope, socket.received.get, socket.sent.put))
        await socket.open()
        yield socket
        await socket.received.put({"type": "websocket.disconnect", "code": 1001})
        running.cancel()  # where the application waits for something else
        await asyncio.wait({running})

    async def _lifespan_event(self, name: str) -> None:
        assert self._lifespan is not None
        await self._received.put({"type": f"lifespan.{name}"})
        told = asyncio.ensure_future(self._sent.get())
        await asyncio.wait({told, self._lifespan}, return_when=asyncio.FIRST_COMPLETED)
        if not told.done():
            told.cancel()
            self._lifespan.result()  # raises what the application raised
            raise RuntimeError(f"the application left the lifespan without an answer to {name}")
        assert told.result()["type"] == f"lifespan.{name}.complete", told.result()


class AsgiSocket:
    """The page's end of a WebSocket, and the server between."""

    def __init__(self) -> None:
        self.status = 0
        self.received: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.sent: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def open(self) -> None:
        await self.received.put({"type": "websocket.connect"})
        answer = await self.sent.get()
        refused = {"websocket.close": 403, "websocket.accept": 101}
        self.status = refused.get(answer["type"]) or answer["status"]

    async def send(self, text: str) -> None:
        await self.received.put({"type": "websocket.receive", "text": text})

    async def receive(self) -> str | int:
        message = await self.sent.get()
        found: str | int = message["text"] if message["type"] == "websocket.send" else message["code"]
        return found


class WsgiApp:
    """An application of WSGI under a server with threads: each request is answered in one of them."""

    def __init__(self, app: Any, prefix: str = "", *, closing: Any = lambda: None) -> None:
        self._app = app
        self._prefix = prefix
        self._closing = closing

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.to_thread(self._closing)

    async def send(self, request: httpx.Request) -> httpx.Response:
        return await asyncio.to_thread(self._answer, request)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        exchange = _Exchange()
        try:
            exchange.run(self._app, self._environ(request))
        except Exception:
            if exchange.begun:
                raise
            return httpx.Response(500, text="the server caught an exception", request=request)
        return httpx.Response(
            int(exchange.status[:3]), headers=exchange.headers, content=exchange.body.getvalue(), request=request
        )

    def _environ(self, request: httpx.Request) -> dict[str, Any]:
        path = unquote_to_bytes(request.url.raw_path.partition(b"?")[0]).decode("latin-1")
        assert path.startswith(self._prefix), f"{path} is outside of the application"
        environ = {
            "REQUEST_METHOD": request.method,
            "SCRIPT_NAME": self._prefix,
            "PATH_INFO": path[len(self._prefix) :],
            "QUERY_STRING": request.url.query.decode("ascii"),
            "SERVER_NAME": request.url.host,
            "SERVER_PORT": str(request.url.port or 443),
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "127.0.0.1",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": request.url.scheme,
            "wsgi.input": io.BytesIO(request.read()),
            "wsgi.errors": sys.stderr,
            "wsgi.multithread": True,
            "wsgi.multiprocess": False,
            "wsgi.run_once": False,
        }
        for name, value in request.headers.multi_items():
            key = name.upper().replace("-", "_")
            key = key if key in {"CONTENT_TYPE", "CONTENT_LENGTH"} else f"HTTP_{key}"
            joint = "; " if key == "HTTP_COOKIE" else ","
            environ[key] = f"{environ[key]}{joint}{value}" if key in environ else value
        return environ


class _Exchange:
    """One request: what the application said to the server so far."""

    def __init__(self) -> None:
        self.status = ""
        self.headers: list[tuple[str, str]] = []
        self.body = io.BytesIO()
        self.begun = False

    def run(self, app: Any, environ: dict[str, Any]) -> None:
        parts: Iterable[bytes] = app(environ, self._start)
        try:
            for part in parts:
                self._write(part)
            assert self.status, "start_response was not called"
        finally:
            if hasattr(parts, "close"):
                parts.close()

    def _start(self, status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        assert exc_info or not self.status, "start_response was called twice"
        if exc_info and self.begun:
            raise exc_info[1]
        assert type(status) is str
        assert all(type(name) is str and type(value) is str for name, value in headers), headers
        self.status, self.headers = status, list(headers)
        return self._write

    def _write(self, part: bytes) -> None:
        assert self.status, "a part of the body came before start_response"
        assert type(part) is bytes, part
        if part:
            self.begun = True
            self.body.write(part)
