"""Calls an application in process: signs in once, and then repeats one request with the cookies that it was given."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable, Mapping
from http.cookies import SimpleCookie
from typing import Any

HOST = "api.example.com"
ORIGIN = f"https://{HOST}"
HEADERS = {
    "host": HOST,
    "user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "accept": "application/json, text/plain, */*",
    "accept-language": "en-GB,en;q=0.7,de;q=0.3",
    "accept-encoding": "gzip, deflate, br",
    "referer": f"{ORIGIN}/",
    "sec-fetch-site": "same-origin",
    "sec-fetch-mode": "cors",
    "sec-fetch-dest": "empty",
}
OF_A_PAGE = {"origin": ORIGIN, "st-auth-mode": "cookie"}
Variant = Callable[[], Awaitable[int]]


class Client:
    """Holds the headers of one signed-in client."""

    def __init__(self) -> None:
        self.headers = dict(HEADERS)

    def keep(self, headers: list[tuple[str, str]]) -> None:
        """Keep the cookies of a response."""
        jar = SimpleCookie(self.headers.get("cookie", ""))
        for name, value in headers:
            if name.lower() == "set-cookie":
                jar.load(value)
        if jar:
            self.headers["cookie"] = "; ".join(f"{name}={morsel.coded_value}" for name, morsel in jar.items())


class Wsgi(Client):
    def __init__(
        self, app: Callable[..., Any], sign_in: str | None = None, headers: Mapping[str, str] = {}, path: str = "/feed"
    ) -> None:
        super().__init__()
        self._app, self._path = app, path
        if sign_in is not None:
            status, found, _ = self.call("POST", sign_in, OF_A_PAGE)
            assert status == 200, status
            self.keep(found)
        self.headers |= headers

    def call(self, method: str, path: str, more: Mapping[str, str] = {}) -> tuple[int, list[tuple[str, str]], bytes]:
        return self._send(self._environ(method, path, more))

    def _environ(self, method: str, path: str, more: Mapping[str, str]) -> dict[str, Any]:
        sent = {f"HTTP_{name.upper().replace('-', '_')}": value for name, value in (self.headers | dict(more)).items()}
        return sent | {
            "REQUEST_METHOD": method,
            "SCRIPT_NAME": "",
            "PATH_INFO": path,
            "QUERY_STRING": "",
            "SERVER_NAME": HOST,
            "SERVER_PORT": "443",
            "SERVER_PROTOCOL": "HTTP/1.1",
            "REMOTE_ADDR": "192.0.2.1",
            "CONTENT_LENGTH": "0" if method == "POST" else "",
            "wsgi.version": (1, 0),
            "wsgi.url_scheme": "https",
            "wsgi.input": io.BytesIO(),
            "wsgi.errors": io.StringIO(),
            "wsgi.multithread": True,
            "wsgi.multiprocess": True,
            "wsgi.run_once": False,
        }

    def _send(self, environ: dict[str, Any]) -> tuple[int, list[tuple[str, str]], bytes]:
        started: list[tuple[str, list[tuple[str, str]]]] = []

        def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], None]:
            started.append((status, headers))
            return lambda _: None

        parts = self._app(environ, start_response)
        body = b"".join(parts)
        if hasattr(parts, "close"):
            parts.close()
        status, headers = started[-1]
        return int(status[:3]), headers, body

    def variant(self, calls: int) -> Variant:
        environ = self._environ("GET", self._path, {})

        async def repeat() -> int:
            for _ in range(calls):
                status, _headers, _body = self._send(dict(environ))
                assert status == 200, status
            return calls

        return repeat


class Asgi(Client):
    def __init__(self, app: Callable[..., Any], headers: Mapping[str, str] = {}, sign_in: str | None = None) -> None:
        super().__init__()
        self._app = app
        self._sign_in = sign_in
        self.headers |= headers

    async def call(self, method: str, path: str, more: Mapping[str, str] = {}) -> int:
        return await self._send(self._scope(method, path, more))

    def _scope(self, method: str, path: str, more: Mapping[str, str]) -> dict[str, Any]:
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": method,
            "scheme": "https",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [(n.encode(), v.encode()) for n, v in (self.headers | dict(more)).items()],
            "client": ("192.0.2.1", 50000),
            "server": (HOST, 443),
        }

    async def _send(self, scope: dict[str, Any]) -> int:
        status = 0

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                self._started = message

        await self._app(scope, receive, send)
        return status

    async def _start(self) -> None:
        """Have the application begin its lifespan, which goes on until the process ends."""
        self._lifespan = asyncio.ensure_future(self._app({"type": "lifespan", "state": {}}, *self._lifespan_ends()))
        await self._has_started.wait()

    def _lifespan_ends(self) -> tuple[Callable[[], Awaitable[Any]], Callable[[Any], Awaitable[None]]]:
        self._has_started = asyncio.Event()
        asked = iter([{"type": "lifespan.startup"}])

        async def receive() -> Any:
            for message in asked:
                return message
            return await asyncio.Event().wait()

        async def send(message: Any) -> None:
            if not self._has_started.is_set():
                assert message["type"] == "lifespan.startup.complete", message
                self._has_started.set()

        return receive, send

    async def _begin(self) -> None:
        if self._sign_in is None:
            return
        await self._start()
        status = await self.call("POST", self._sign_in, OF_A_PAGE)
        assert status == 200, status
        self.keep([(name.decode(), value.decode()) for name, value in self._started["headers"]])
        self._sign_in = None

    def variant(self, calls: int) -> Variant:
        scope: dict[str, Any] | None = None

        async def repeat() -> int:
            nonlocal scope
            await self._begin()
            scope = scope or self._scope("GET", "/feed", {})
            for _ in range(calls):
                status = await self._send(dict(scope))
                assert status == 200, status
            return calls

        return repeat


def settings(**changes: Any) -> Any:
    """Make settings of Reseal, for sessions in memory."""
    from reseal import Settings  # it is not there where another package is measured

    return Settings(api_domain=ORIGIN, database_uri="memory:", **changes)
