"""A service in memory, called without a network."""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from starlette.types import Message

from reseal import AsyncMemoryStore, Event
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.testing import ManualClock

KEY = "a-good-key-of-thirty-two-letters"
NEWEST = "5.4"
SECOND = 1_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json; charset=UTF-8", self.text
        return json.loads(self.text)

    @property
    def problem(self) -> tuple[int, str]:
        assert self.headers["content-type"] == "text/html; charset=UTF-8"
        return self.status, self.text.removesuffix("\n")


class Core:
    """The service and its only caller."""

    def __init__(
        self,
        *,
        store: Any = None,
        clock: ManualClock | None = None,
        events: list[Event] | None = None,
        **config: Any,
    ) -> None:
        self.clock = clock or ManualClock()
        self.store = store or AsyncMemoryStore(self.clock)
        self.events: list[Event] = [] if events is None else events
        self.service = Service(
            ServiceSettings(**{"access_token_validity_jitter": 0, **config}),
            self.store,
            clock=self.clock,
            on_event=self.events.append,
            config_path="/etc/reseal/config.yaml",
            pid=4242,
        )
        self.read = 0
        """How many pieces of a body the service has asked for in the last call."""

    async def call(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        cdi: str | None = NEWEST,
        headers: Iterable[tuple[bytes, bytes]] = (),
        client: tuple[str, int] | None = ("127.0.0.1", 5000),
        chunks: Iterable[bytes] | None = None,
        **query: Any,
    ) -> Answer:
        if chunks is None:
            chunks = [body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()]
        sent = [*headers, *([(b"cdi-version", cdi.encode())] if cdi else [])]
        path, _, rest = path.partition("?")
        scope = {
            "type": "http",
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": (rest or urlencode(query)).encode("latin-1"),
            "headers": sent,
            "client": client,
        }
        self.read, pieces = 0, list(chunks)
        messages: list[Message] = []

        async def receive() -> Message:
            self.read += 1
            if self.read > 1 and not pieces:
                await asyncio.get_running_loop().create_future()  # the client stays
            piece = pieces.pop(0) if pieces else b""
            return {"type": "http.request", "body": piece, "more_body": bool(pieces)}

        async def send(message: Message) -> None:
            messages.append(message)

        await self.service(scope, receive, send)
        start, content = messages
        shown = {name.decode(): value.decode() for name, value in start["headers"]}
        assert shown["content-length"] == str(len(content["body"])) or method == "HEAD"
        assert content["body"].endswith(b"\n") or method == "HEAD"
        return Answer(start["status"], shown, content["body"].decode())

    async def post(self, path: str, body: object = None, **more: Any) -> Any:
        return (await self.call("POST", path, body, **more)).json

    async def get(self, path: str, **more: Any) -> Any:
        return (await self.call("GET", path, **more)).json

    async def put(self, path: str, body: object, **more: Any) -> Any:
        return (await self.call("PUT", path, body, **more)).json

    async def create(
        self,
        user: str = "user-1",
        *,
        cdi: str = NEWEST,
        at: str = "",
        anti_csrf: bool = False,
        jwt: object = None,
        data: object = None,
        **more: Any,
    ) -> Any:
        body = {"userId": user, "userDataInJWT": jwt or {}, "userDataInDatabase": data or {}, **more}
        if not is_older(cdi, "2.6"):
            body["enableAntiCsrf"] = anti_csrf
        return await self.post(f"{at}{under(cdi)}/session", body, cdi=cdi)

    async def verify(
        self, access_token: str, *, cdi: str = NEWEST, at: str = "", check_database: bool = False, **more: Any
    ) -> Any:
        body = {"accessToken": access_token, "doAntiCsrfCheck": True, **more}
        if not is_older(cdi, "2.6"):
            body.setdefault("enableAntiCsrf", False)
        if not is_older(cdi, "2.21"):
            body["checkDatabase"] = check_database
        return await self.post(f"{at}{under(cdi)}/session/verify", body, cdi=cdi)

    async def refresh(self, refresh_token: str, *, cdi: str = NEWEST, at: str = "", **more: Any) -> Any:
        body = {"refreshToken": refresh_token, **more}
        if not is_older(cdi, "2.6"):
            body.setdefault("enableAntiCsrf", False)
        if not is_older(cdi, "5.0"):
            body.setdefault("useDynamicSigningKey", True)
        return await self.post(f"{at}{under(cdi)}/session/refresh", body, cdi=cdi)


@asynccontextmanager
async def core(**config: Any) -> AsyncIterator[Core]:
    it = Core(**config)
    await it.service.open()
    yield it
    await it.service.close()


def is_older(cdi: str, than: str) -> bool:
    return [int(n) for n in cdi.split(".")] < [int(n) for n in than.split(".")]


def under(cdi: str) -> str:
    return "" if is_older(cdi, "2.4") else "/recipe"


def opened(jwt: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token of the newer forms, in their order."""
    header, claims, _ = jwt.split(".")
    return json.loads(urlsafe_b64decode(header + "==")), json.loads(urlsafe_b64decode(claims + "=="))


def keyed(key: str = KEY) -> list[tuple[bytes, bytes]]:
    return [(b"api-key", key.encode())]
