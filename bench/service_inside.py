"""What a request costs inside the service: parser, application and log, without sockets, with a store in memory.

python -m bench.service_inside [--tries 60] [--algorithm ES256]

Processor time of this process, the best of many tries, sixteen connections at a time: steadier than ``bench.service``
on a machine where others work too. What a request takes besides is the system's, and the database's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import uvicorn
from uvicorn.server import ServerState

from bench.client import COMMON, CREATE, VERSION
from bench.measure import print_machine
from bench.service_pieces import Nowhere
from reseal.server import request_log
from reseal.server.config import ServiceSettings
from reseal.server.http.connection import StrictHttp
from reseal.server.process import Application

CONNECTIONS = 16
ROUNDS = 4
"""Requests of each connection in one try."""


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--tries", type=int, default=60)
    parser.add_argument("--algorithm", default="RS256", choices=["RS256", "ES256"], help="of access tokens")
    options = parser.parse_args()
    print_machine()
    request_log.set_up("INFO")
    logging.getLogger("reseal").handlers[0].setStream(Nowhere())
    application = Application(ServiceSettings(database_uri="memory:", access_token_signing_algorithm=options.algorithm))
    await application.service.open()
    clients = Clients(application)
    await clients.create()
    calls = {
        "hello": clients.hello,
        "verify, seen before": clients.verify,
        "verify against the store": clients.verify_with_store,
        "create": clients.create,
        "refresh": clients.refresh,
    }
    print("| request | processor time |\n|---|---|")
    for name, call in calls.items():
        print(f"| {name} | {min([await _timed(call) for _ in range(options.tries)]) * 1e6:.1f} µs |")
    await application.service.close()


async def _timed(call: Callable[[], Awaitable[float]]) -> float:
    return sum([await call() for _ in range(ROUNDS)]) / (ROUNDS * CONNECTIONS)


class Wire:
    """The transport of a connection, which keeps the last reply."""

    def __init__(self) -> None:
        self.reply = b""

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 50_000) if name == "peername" else None

    def write(self, data: bytes) -> None:
        self.reply += data

    def is_closing(self) -> bool:
        return False


class Clients:
    """Connections that send a request each at the same time; every call gives the seconds until all are answered."""

    def __init__(self, application: Callable[[Any, Any, Any], Awaitable[None]]) -> None:
        state = ServerState()
        state.default_headers = [(b"date", b"Mon, 23 Nov 2026 10:00:00 GMT")]
        config = uvicorn.Config(
            application, log_config=None, proxy_headers=False, lifespan="off", timeout_keep_alive=3600
        )
        self._protocols = [StrictHttp(config, state, {}) for _ in range(CONNECTIONS)]
        self._wires = [Wire() for _ in self._protocols]
        self.access = self.to_refresh = [""]
        for protocol, wire in zip(self._protocols, self._wires, strict=True):
            protocol.connection_made(wire)

    async def hello(self) -> float:
        return await self.send([b"GET /hello HTTP/1.1\r\nhost: 127.0.0.1:3567\r\n\r\n"] * CONNECTIONS)

    async def create(self) -> float:
        sent = post("/recipe/session", CREATE | COMMON | {"useDynamicSigningKey": True})
        took = await self.send([sent] * CONNECTIONS)
        self.access, self.to_refresh = self._tokens("accessToken"), self._tokens("refreshToken")
        return took

    async def verify(self) -> float:
        return await self._verify(with_store=False)

    async def verify_with_store(self) -> float:
        return await self._verify(with_store=True)

    async def _verify(self, *, with_store: bool) -> float:
        more = {"doAntiCsrfCheck": False, "checkDatabase": with_store}
        bodies = [COMMON | more | {"accessToken": token} for token in self.access]
        return await self.send([post("/recipe/session/verify", body) for body in bodies])

    async def refresh(self) -> float:
        bodies = [COMMON | {"refreshToken": token, "useDynamicSigningKey": True} for token in self.to_refresh]
        took = await self.send([post("/recipe/session/refresh", body) for body in bodies])
        self.to_refresh = self._tokens("refreshToken")
        return took

    async def send(self, requests: Sequence[bytes]) -> float:
        for wire in self._wires:
            wire.reply = b""
        began = time.process_time()
        for protocol, request in zip(self._protocols, requests, strict=True):
            protocol.data_received(request)
        while not all(wire.reply for wire in self._wires):  # noqa: ASYNC110 - turns of the loop are all it takes
            await asyncio.sleep(0)
        return time.process_time() - began

    async def send_one(self, request: bytes) -> float:
        """Send a request on one connection; give the seconds until it is answered, less those of a turn of the loop."""
        began = time.perf_counter()
        await asyncio.sleep(0)
        turn, self._wires[0].reply = time.perf_counter(), b""
        self._protocols[0].data_received(request)
        await asyncio.sleep(0)
        assert self._wires[0].reply
        return time.perf_counter() - turn - (turn - began)

    @property
    def replied(self) -> int:
        """The bytes of the last replies."""
        return sum(len(wire.reply) for wire in self._wires)

    @property
    def replied_access(self) -> list[str]:
        """The access tokens of the last replies."""
        return self._tokens("accessToken")

    def _tokens(self, name: str) -> list[str]:
        replies = [json.loads(wire.reply.partition(b"\r\n\r\n")[2]) for wire in self._wires]
        return [reply[name]["token"] for reply in replies]


def post(path: str, value: Mapping[str, Any]) -> bytes:
    body = json.dumps(value).encode()
    return (
        f"POST {path} HTTP/1.1\r\nhost: 127.0.0.1:3567\r\ncdi-version: {VERSION}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


if __name__ == "__main__":
    import uvloop

    uvloop.run(main())
