"""Processes of the service that share one PostgreSQL, which tests may stop and block."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.connections import Connections
from tests.server.running import SERVE, Resources, launch, resources
from tests.support.postgres import Cluster, cluster

PATIENCE = 300
"""Seconds for a busy machine."""

Reply = tuple[int, dict[str, Any]]
"""The status, and the JSON if there was any."""


class Process:
    """One process of the service, which is stopped by its pid."""

    def __init__(self, uri: str, folder: Path, before: str = "", **variables: str) -> None:
        ours = {"RESEAL_PORT": "0", "RESEAL_DATABASE_URI": uri}
        ours |= {"RESEAL_STATE_DIR": str(folder / "state"), "RESEAL_LOG_LEVEL": "INFO"}
        self._log = folder / f"log-{time.monotonic_ns()}"
        self.child = launch(before + SERVE, folder, self._log, ours | variables)
        self.uri = uri
        self.address = "", 0
        self.connections: Connections | None = None
        assert self.child.stdout is not None
        self._output = self.child.stdout

    def wait(self) -> None:
        """Wait until it answers."""
        line = self._output.readline()
        assert line.startswith("Started Reseal on "), line + self._log.read_text()
        host, _, port = line.split()[3].rpartition(":")
        self.address = host, int(port)
        self.connections = Connections(host, int(port), {"cdi-version": "5.4"})

    async def call(self, method: str, path: str, body: object = None, **query: Any) -> Reply:
        """Give the status and the JSON of a reply, or 0 if there was none."""
        assert self.connections is not None
        try:
            status, found = await self.connections.call(method, path, body, query)
        except (OSError, EOFError):
            return 0, {}
        return status, json.loads(found) if found.startswith(b"{") else {}

    async def post(self, path: str, body: object) -> Reply:
        return await self.call("POST", path, body)

    async def refresh(self, token: str) -> Reply:
        body = {"refreshToken": token, "enableAntiCsrf": False, "useDynamicSigningKey": True}
        return await self.post("/recipe/session/refresh", body)

    async def verify(self, token: str, *, check_database: bool = False) -> Reply:
        body = {"accessToken": token, "doAntiCsrfCheck": False, "enableAntiCsrf": False}
        return await self.post("/recipe/session/verify", {**body, "checkDatabase": check_database})

    async def create(self, user: str) -> Reply:
        body = {"userId": user, "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
        return await self.post("/recipe/session", {**body, "useDynamicSigningKey": True})

    async def remove(self, handle: str) -> Reply:
        return await self.post("/recipe/session/remove", {"sessionHandles": [handle]})

    async def data(self, handle: str) -> Reply:
        return await self.call("GET", "/recipe/session/data", sessionHandle=handle)

    async def update(self, handle: str, session_data: object) -> Reply:
        body = {"sessionHandle": handle, "userDataInDatabase": session_data}
        return await self.call("PUT", "/recipe/session/data", body)

    async def ready(self) -> int:
        return (await self.call("GET", "/readyz"))[0]

    def events(self, name: str) -> list[dict[str, Any]]:
        """Give the events of this name from the log; a line that a kill has cut off is none."""
        return [json.loads(line) for line in self._log.read_text().split("\n")[:-1] if f'"event": "{name}"' in line]

    def resources(self) -> Resources:
        return resources(self.child.pid)

    def leave(self) -> int:
        """Tell it to, and wait until it has; give the exit code."""
        self.child.terminate()
        return self.child.wait(PATIENCE)

    def kill(self) -> None:
        if self.child.poll() is None:
            os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self._output.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Cluster]:
    """A PostgreSQL for one file of tests."""
    with cluster() as own:
        yield own


class Sharing:
    """Processes over one empty store."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.stolen: set[str] = set()
        """Sessions whose tokens a test has copied and used."""
        self.uri = uri
        self._folder = folder
        self._started: list[Process] = []

    async def start(self, count: int, **how: Any) -> list[Process]:
        """Start some, all at the same moment."""
        new = [Process(self.uri, self._folder, **how) for _ in range(count)]
        self._started.extend(new)
        for process in new:
            await asyncio.to_thread(process.wait)
        return new

    def accused(self) -> set[str]:
        """Name the sessions whose users were taken for thieves, though nobody had stolen anything."""
        thefts = [event for process in self._started for event in process.events("token_theft")]
        return {theft["session_handle"] for theft in thefts} - self.stolen

    async def close(self) -> None:
        for process in self._started:
            process.kill()
            if process.connections is not None:
                await process.connections.close()


@pytest.fixture
async def sharing(server: Cluster, tmp_path: Path) -> AsyncIterator[Sharing]:
    """Processes for one test. None of them may have accused anybody of theft."""
    own = Sharing(server.uri(server.schema()), tmp_path)
    yield own
    await own.close()
    assert own.accused() == set()


@pytest.fixture
def start_sharing(sharing: Sharing) -> Callable[..., Awaitable[list[Process]]]:
    return sharing.start


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> Callable[..., Iterator[int]]:
    """Count to ``wanted``, or to a third of it without ``--whole``; on a busy machine for a minute, but to ``fewest``."""
    share = 1 if request.config.getoption("whole") else 3

    def counted(wanted: int, *, fewest: int) -> Iterator[int]:
        ends = time.monotonic() + 60
        for n in range(max(fewest, wanted // share)):
            if n >= fewest and time.monotonic() > ends:
                return
            yield n

    return counted
