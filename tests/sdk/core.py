"""The core service for the tests of SDKs: an event loop in a thread, a SQLite file, and doors on loopback ports.

A door is a port with a service behind it, which writes down who called for what. It can be closed and opened again,
and another service put behind it, as if it had been started anew with another configuration.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import uvicorn

from reseal import AsyncSQLiteStore
from reseal.core.events import Event
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from tests.sdk.clock import DAY, HOUR, SharedClock
from tests.sdk.process import PATIENCE, Port

API_KEY = "key-of-the-sdk-tests-0123456789"
ACCESS_TOKEN_LIFE = HOUR
SESSION_LIFE = DAY
A_CENTURY_IN_HOURS = 24 * 365 * 100
SETTINGS = ServiceSettings(
    api_keys=(API_KEY,),  # type: ignore[arg-type]  # the settings accept text
    enable_anti_csrf=True,
    access_token_validity=ACCESS_TOKEN_LIFE // 1000,
    refresh_token_validity=SESSION_LIFE // 60_000,
    refresh_token_rotation_grace_period=0,  # tests look for theft within a second
    access_token_dynamic_signing_key_update_interval=A_CENTURY_IN_HOURS,  # only tests replace keys
)


@dataclass(frozen=True)
class Called:
    """One request that an SDK made."""

    method: str
    path: str
    version: str | None
    status: int

    def is_for(self, what: str) -> bool:
        """Say whether the path ends in ``what``, whatever app, tenant or recipe stands before it."""
        return self.path.endswith(f"/{what}")


class Door:
    """A port that leads to a service."""

    def __init__(self, core: Core, service: Service) -> None:
        self.service = service
        self.calls: list[Called] = []
        self.port = Port()
        self._core = core
        self._server: uvicorn.Server | None = None
        self._serving: asyncio.Task[None] | None = None
        core.run(self._open())

    @contextmanager
    def closed(self) -> Iterator[None]:
        self._core.run(self.shut())
        try:
            yield
        finally:
            self._core.run(self._open())

    @contextmanager
    def leading_to(self, service: Service) -> Iterator[None]:
        before, self.service = self.service, service
        try:
            yield
        finally:
            self.service = before

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        version = dict(scope["headers"]).get(b"cdi-version")

        async def noting(message: Any) -> None:
            if message["type"] == "http.response.start":
                text = None if version is None else version.decode()
                self.calls.append(Called(scope["method"], scope["path"], text, message["status"]))
            await send(message)

        await self.service(scope, receive, noting)

    async def _open(self) -> None:
        # kept longer than SDKs keep an idle connection, so that none is taken up again just when it ends
        config = uvicorn.Config(self, lifespan="off", ws="none", log_config=None, timeout_keep_alive=75)
        self._server = uvicorn.Server(config)
        self._serving = asyncio.create_task(self._server.serve([self.port.socket()]))
        for _ in range(PATIENCE * 100):
            if self._server.started:
                return
            await asyncio.sleep(0.01)
        raise TimeoutError(f"port {self.port.number} does not open")

    async def shut(self) -> None:
        """Close, inside the thread of the service."""
        if self._server is not None and self._serving is not None:
            self._server.should_exit = True
            await self._serving
            self._server = self._serving = None


class Core:
    """Services over one store, in one thread."""

    def __init__(self, folder: Path, clock: SharedClock) -> None:
        self.clock = clock
        self.events: list[Event] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="core", daemon=True)
        self._thread.start()
        self._store = AsyncSQLiteStore(folder / "core.db", clock)
        self._services: dict[ServiceSettings, Service] = {}
        self.run(self._store.open())

    def run(self, coroutine: Coroutine[Any, Any, Any]) -> Any:
        """Do something in the thread of the service."""
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(PATIENCE)

    def service(self, **changes: Any) -> Service:
        """Give a service over the common store, with the common settings but for ``changes``."""
        settings = replace(SETTINGS, **changes)
        if settings not in self._services:
            self._services[settings] = Service(settings, self._store, clock=self.clock, on_event=self.events.append)
        return self._services[settings]

    def close(self, *doors: Door) -> None:
        """Close doors for good, all at once."""

        async def close() -> None:
            await asyncio.gather(*(door.shut() for door in doors))

        self.run(close())
        for door in doors:
            door.port.close()

    def rotate_keys(self, service: Service, app_id: str) -> None:
        """Publish a new signing key of an app; it signs a minute later."""

        async def rotate() -> None:
            app = await service.directory.find(app_id, "public")
            assert app is not None
            await app.driver.rotate_keys()

        self.run(rotate())

    def stop(self) -> None:
        self.run(self._store.close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE)
        self._loop.close()
