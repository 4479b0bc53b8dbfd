"""Processes of the service that share one PostgreSQL, which tests may stop and block."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time

import pytest

from tests.server.connections import Connections
from tests.server.running import SERVE, launch, resources
from tests.support.postgres import cluster

PATIENCE = 300
"""Seconds for a busy machine."""


class Process:
    """One process of the service, which is stopped by its pid."""

    def __init__(self, uri, folder, before="", **variables):
        ours = {"RESEAL_PORT": "0", "RESEAL_DATABASE_URI": uri}
        ours |= {"RESEAL_STATE_DIR": str(folder / "state"), "RESEAL_LOG_LEVEL": "INFO"}
        self._log = folder / f"log-{time.monotonic_ns()}"
        self.child = launch(before + SERVE, folder, self._log, ours | variables)
        self.uri = uri
        self.connections = None

    def wait(self):
        """Wait until it answers."""
        line = self.child.stdout.readline()
        assert line.startswith("Started Reseal on "), line + self._log.read_text()
        host, _, port = line.split()[3].rpartition(":")
        self.connections = Connections(host, int(port), {"cdi-version": "5.4"})

    async def call(self, method, path, body=None, **query):
        """Give the status and the JSON of a reply, or 0 if there was none."""
        try:
            status, found = await self.connections.call(method, path, body, query)
        except (OSError, EOFError):
            return 0, {}
        return status, json.loads(found) if found.startswith(b"{") else {}

    async def post(self, path, body):
        return await self.call("POST", path, body)

    async def refresh(self, token):
        body = {"refreshToken": token, "enableAntiCsrf": False, "useDynamicSigningKey": True}
        return await self.post("/recipe/session/refresh", body)

    async def verify(self, token, *, check_database=False):
        body = {"accessToken": token, "doAntiCsrfCheck": False, "enableAntiCsrf": False}
        return await self.post("/recipe/session/verify", {**body, "checkDatabase": check_database})

    async def create(self, user):
        body = {"userId": user, "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}
        return await self.post("/recipe/session", {**body, "useDynamicSigningKey": True})

    async def remove(self, handle):
        return await self.post("/recipe/session/remove", {"sessionHandles": [handle]})

    async def data(self, handle):
        return await self.call("GET", "/recipe/session/data", sessionHandle=handle)

    async def update(self, handle, session_data):
        body = {"sessionHandle": handle, "userDataInDatabase": session_data}
        return await self.call("PUT", "/recipe/session/data", body)

    async def ready(self):
        return (await self.call("GET", "/readyz"))[0]

    def events(self, name):
        """Give the events of this name from the log; a line that a kill has cut off is none."""
        return [json.loads(line) for line in self._log.read_text().split("\n")[:-1] if f'"event": "{name}"' in line]

    def resources(self):
        return resources(self.child.pid)

    def leave(self):
        """Tell it to, and wait until it has; give the exit code."""
        self.child.terminate()
        return self.child.wait(PATIENCE)

    def kill(self):
        if self.child.poll() is None:
            os.kill(self.child.pid, signal.SIGKILL)
        self.child.wait()
        self.child.stdout.close()


@pytest.fixture(scope="module")
def server():
    """A PostgreSQL for one file of tests."""
    with cluster() as own:
        yield own


class Sharing:
    """Processes over one empty schema."""

    def __init__(self, server, folder):
        self.stolen = set()
        """Sessions whose tokens a test has copied and used."""
        self._uri = server.uri(server.schema())
        self._folder = folder
        self._started = []

    async def start(self, count, **how):
        """Start some, all at the same moment."""
        new = [Process(self._uri, self._folder, **how) for _ in range(count)]
        self._started.extend(new)
        for process in new:
            await asyncio.to_thread(process.wait)
        return new

    def accused(self):
        """Name the sessions whose users were taken for thieves, though nobody had stolen anything."""
        thefts = [event for process in self._started for event in process.events("token_theft")]
        return {theft["session_handle"] for theft in thefts} - self.stolen

    async def close(self):
        for process in self._started:
            process.kill()
            if process.connections is not None:
                await process.connections.close()


@pytest.fixture
async def sharing(server, tmp_path):
    """Processes for one test. None of them may have accused anybody of theft."""
    own = Sharing(server, tmp_path)
    yield own
    await own.close()
    assert own.accused() == set()


@pytest.fixture
def start_sharing(sharing):
    return sharing.start


@pytest.fixture
def rounds(request):
    """Count to ``wanted``, or to a third of it without ``--whole``; on a busy machine for a minute, but to ``fewest``."""
    share = 1 if request.config.getoption("whole") else 3

    def counted(wanted, *, fewest):
        ends = time.monotonic() + 60
        for n in range(max(fewest, wanted // share)):
            if n >= fewest and time.monotonic() > ends:
                return
            yield n

    return counted
