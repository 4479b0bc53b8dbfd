"""Processes of the service that share one PostgreSQL, which tests may stop and block."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from base64 import b64decode

import httpx
import pytest

from tests.server.running import launch
from tests.support.postgres import cluster

PATIENCE = 300
"""Seconds for a busy machine."""
SERVE = "from reseal.server.cli import main; raise SystemExit(main(['serve', '--port=0']))"


class Process:
    """One process of the service, which is stopped by its pid."""

    def __init__(self, uri, folder, before="", **variables):
        ours = {"RESEAL_DATABASE_URI": uri, "RESEAL_STATE_DIR": str(folder / "state"), "RESEAL_LOG_LEVEL": "INFO"}
        self._log = folder / f"log-{time.monotonic_ns()}"
        self.child = launch(before + SERVE, folder, self._log, ours | variables)
        self.uri = uri
        self.url = ""

    def wait(self):
        """Wait until it answers."""
        line = self.child.stdout.readline()
        assert line.startswith("Started Reseal on "), line + self._log.read_text()
        self.url = "http://" + line.split()[3]
        self.client = httpx.AsyncClient(
            base_url=self.url, headers={"cdi-version": "5.4"}, timeout=30, limits=httpx.Limits(max_connections=200)
        )

    async def call(self, method, path, body=None, **query):
        """Give the status and the JSON of a reply, or 0 if there was none."""
        try:
            reply = await self.client.request(method, path, json=body, params=query)
        except httpx.TransportError:
            return 0, {}
        is_json = reply.headers["content-type"].startswith("application/json")
        return reply.status_code, reply.json() if is_json else {}

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

    async def ready(self):
        return (await self.call("GET", "/readyz"))[0]

    def events(self, name):
        return [line for line in self._log.read_text().splitlines() if f'"{name}"' in line]

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


@pytest.fixture
async def start_sharing(server, tmp_path):
    """Start processes over one empty schema, all at the same moment. None of them may have accused anybody of theft."""
    uri, started = server.uri(server.schema()), []

    async def start(count, **how):
        new = [Process(uri, tmp_path, **how) for _ in range(count)]
        started.extend(new)
        for process in new:
            await asyncio.to_thread(process.wait)
        return new

    yield start
    thefts = [event for process in started for event in process.events("token_theft")]
    for process in started:
        process.kill()
        if process.url:
            await process.client.aclose()
    assert thefts == []


def generation(refresh_token):
    return int(b64decode(refresh_token.split(".")[0]).split(b".")[2])


def rounds(wanted, *, fewest):
    """Count to ``wanted``; on a busy machine for a minute, but to ``fewest`` at least."""
    ends = time.monotonic() + 60
    for n in range(wanted):
        if n >= fewest and time.monotonic() > ends:
            return
        yield n
