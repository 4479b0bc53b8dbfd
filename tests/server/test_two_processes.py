"""Two processes of the service over one PostgreSQL: one line of tokens for each session, whatever fails meanwhile."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from base64 import b64decode, urlsafe_b64decode
from collections import Counter

import httpx
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.support.postgres import cluster

PATIENCE = 120
"""Seconds for a busy machine."""
BROWSERS = 6
PACE = 0.01
"""Seconds between two requests of a browser."""
SERVE = "from reseal.server.cli import main; raise SystemExit(main(['serve', '--port=0']))"
QUICK = """
import reseal._async.wire_keyring as keyring, reseal.core.wire_keys as keys
keys.OVERLAP = keyring.OVERLAP = 3_000
keyring.RELOAD_EVERY = 1_000
"""
"""A minute of overlap becomes three seconds, and what goes with it a twentieth too."""
GONE = "UNAUTHORISED"


class Process:
    """One process of the service, which is stopped by its pid."""

    def __init__(self, uri, folder, before="", **variables):
        inherited = {name: text for name, text in os.environ.items() if not name.startswith("RESEAL_")}
        ours = {"RESEAL_DATABASE_URI": uri, "RESEAL_STATE_DIR": str(folder / "state"), "RESEAL_LOG_LEVEL": "INFO"}
        self._log = folder / f"log-{time.monotonic_ns()}"
        with self._log.open("wb") as log:
            self.child = subprocess.Popen(
                [sys.executable, "-c", before + SERVE],
                env=inherited | ours | variables,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
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
    with cluster() as own:
        yield own


@pytest.fixture
async def start(server, tmp_path):
    """Start processes over one empty schema, all at the same moment."""
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


class Browser:
    """Refreshes, is verified, signs out and in again; remembers what was acknowledged."""

    def __init__(self, processes, name, seed):
        self._processes = processes
        self._chance = random.Random(seed)
        self.name = name
        self.refresh_token = None
        self.handle = None
        self.ended = []
        self.leaving = False
        """Whether the sign-out was sent and is not acknowledged yet."""
        self.seen = Counter()

    async def browse(self, until):
        while not until.is_set():
            await asyncio.sleep(PACE)
            process = self._chance.choice(self._processes)
            if self.refresh_token is None:
                await self._sign_in(process)
            elif self.leaving or self._chance.random() < 0.05:
                await self._sign_out(process)
            else:
                await self._refresh(process)

    async def _sign_in(self, process):
        status, reply = await process.create(self.name)
        if self._is_answer("create", status):
            self.refresh_token, self.handle = reply["refreshToken"]["token"], reply["session"]["handle"]

    async def _sign_out(self, process):
        self.leaving = True
        status, _ = await process.post("/recipe/session/remove", {"sessionHandles": [self.handle]})
        if self._is_answer("remove", status):
            self.ended.append((self.handle, self.refresh_token))
            self.refresh_token, self.leaving = None, False

    async def _refresh(self, process):
        status, reply = await process.refresh(self.refresh_token)
        if not self._is_answer("refresh", status):
            return
        assert reply["status"] == "OK", (self.name, reply)
        assert reply["session"]["handle"] == self.handle
        assert generation(reply["refreshToken"]["token"]) == generation(self.refresh_token) + 1
        self.refresh_token = reply["refreshToken"]["token"]
        if self._chance.random() < 0.5:
            other = self._chance.choice(self._processes)
            status, reply = await other.verify(reply["accessToken"]["token"], check_database=True)
            assert not self._is_answer("verify", status) or reply["status"] == "OK", (self.name, reply)

    def _is_answer(self, call, status):
        self.seen[call if status == 200 else status] += 1
        assert status in {0, 200, 503}, (call, status)
        return status == 200


def generation(refresh_token):
    return int(b64decode(refresh_token.split(".")[0]).split(b".")[2])


async def nothing_was_lost(browsers, processes):
    """What was acknowledged holds: the newest token works and moves the line by one; who left is out."""
    one, other = processes
    for browser in browsers:
        if browser.refresh_token is not None and not browser.leaving:
            status, reply = await one.refresh(browser.refresh_token)
            assert (status, reply["status"]) == (200, "OK"), browser.name
            assert generation(reply["refreshToken"]["token"]) == generation(browser.refresh_token) + 1
            status, reply = await other.verify(reply["accessToken"]["token"], check_database=True)
            assert (status, reply["status"]) == (200, "OK"), browser.name
            _, listed = await one.call("GET", "/recipe/session/user", userId=browser.name)
            assert browser.handle in listed["sessionHandles"]
        for handle, token in browser.ended:
            status, reply = await one.refresh(token)
            assert (status, reply["status"]) == (200, GONE), browser.name
            _, reply = await other.call("GET", "/recipe/session", sessionHandle=handle)
            assert reply["status"] == GONE


async def under_load(processes, faults):
    """Have browsers at work while ``faults(total)`` runs, where ``total()`` counts their replies so far."""
    browsers = [Browser(processes, f"user {n}", n) for n in range(BROWSERS)]
    until = asyncio.Event()

    def total():
        return sum((browser.seen for browser in browsers), Counter())

    async def bounded():
        try:
            async with asyncio.timeout(PATIENCE):
                await faults(total)
        finally:
            until.set()

    async with asyncio.TaskGroup() as group:
        for browser in browsers:
            group.create_task(browser.browse(until))
        group.create_task(bounded())
    return browsers, total()


async def reaches(count, key, total):
    """Wait until the browsers have seen ``count`` more replies of a kind."""
    wanted = total()[key] + count
    while total()[key] < wanted:  # noqa: ASYNC110 - looking costs nothing
        await asyncio.sleep(0.01)


async def test_of_64_who_refresh_one_token_on_both_all_get_the_same_child(start):
    processes = await start(2)
    rings = [await each.call("GET", "/.well-known/jwks.json") for each in processes]
    assert rings[0] == rings[1]
    assert [key["kid"][:2] for key in rings[0][1]["keys"]] == ["d-", "s-"] * 2, "they began together: one set of keys"
    _, reply = await processes[0].create("user")
    for _ in range(4):
        token = reply["refreshToken"]["token"]
        replies = await asyncio.gather(*(processes[n % 2].refresh(token) for n in range(64)))
        assert {(status, reply["status"]) for status, reply in replies} == {(200, "OK")}
        assert len({reply["refreshToken"]["token"] for _, reply in replies}) == 1
        reply = replies[-1][1]
        assert generation(reply["refreshToken"]["token"]) == generation(token) + 1
        for process in processes:
            status, shown = await process.verify(reply["accessToken"]["token"], check_database=True)
            assert (status, shown["status"]) == (200, "OK")


async def test_a_killed_process_loses_nothing_and_nobody_is_accused(start):
    processes = await start(2)

    async def faults(total):
        await reaches(50, "refresh", total)
        processes[0].kill()
        await reaches(50, "refresh", total)  # the other one goes on
        [processes[0]] = await start(1)
        await reaches(50, "refresh", total)
        processes[1].kill()
        await reaches(50, "refresh", total)

    browsers, seen = await under_load(processes, faults)
    assert seen[0] > 0, "nobody met the killed process"
    assert seen[503] == 0
    assert sum(len(browser.ended) for browser in browsers) > 0
    await nothing_was_lost(browsers, [processes[0], processes[0]])


async def test_while_postgresql_is_down_the_answer_is_503_and_afterwards_nothing_is_lost(start, server):
    processes = await start(2)
    _, known = await processes[0].create("known")
    token = known["accessToken"]["token"]
    recovery = []

    async def faults(total):
        for _ in range(2):
            await reaches(50, "refresh", total)
            await asyncio.to_thread(server.stop)  # at once, as a crash would
            try:
                await reaches(10, 503, total)
                for process in processes:
                    assert await process.ready() == 503
                    status, reply = await process.verify(token)
                    assert (status, reply["status"]) == (200, "OK"), "this needs no store"
            finally:
                await asyncio.to_thread(server.start)
            began = time.monotonic()
            await reaches(1, "refresh", total)
            recovery.append(time.monotonic() - began)
        await reaches(50, "refresh", total)

    browsers, seen = await under_load(processes, faults)
    assert seen[0] == 0, "a process died or hung"
    assert max(recovery) < 30
    for process in processes:
        assert await process.ready() == 200
    await nothing_was_lost(browsers, processes)


class JwksCache:
    """What an SDK does: keep the keys, and read them again for a token under an unknown one, but not too often."""

    COOL_DOWN = 1.5
    """Seconds; a twentieth of what is usual."""

    def __init__(self):
        self._keys = {}
        self._read_at = None
        self._lock = asyncio.Lock()

    async def check(self, token, process):
        head, body, signature = token.split(".")
        kid = json.loads(_decoded(head))["kid"]
        async with self._lock:
            if kid not in self._keys:
                now = time.monotonic()
                assert self._read_at is None or now - self._read_at >= self.COOL_DOWN, f"{kid} is not to be had yet"
                self._read_at = now
                _, reply = await process.call("GET", "/.well-known/jwks.json")
                self._keys = {key["kid"]: _public(key) for key in reply["keys"] if key["alg"] == "ES256"}
        assert kid in self._keys, f"{kid} is not published"
        r, s = (int.from_bytes(half) for half in (_decoded(signature)[:32], _decoded(signature)[32:]))
        self._keys[kid].verify(encode_dss_signature(r, s), f"{head}.{body}".encode(), ec.ECDSA(SHA256()))


async def test_no_valid_token_is_refused_while_the_keys_change_again_and_again(start):
    lifetime = 3
    processes = await start(
        2,
        before=QUICK,
        RESEAL_TEST_MODE="true",
        RESEAL_ACCESS_TOKEN_VALIDITY=str(lifetime),
        RESEAL_ACCESS_TOKEN_VALIDITY_JITTER="0",
        RESEAL_ACCESS_TOKEN_DYNAMIC_SIGNING_KEY_UPDATE_INTERVAL="0.0011",
    )
    chance, caches, signed_by, checks = random.Random(1), [JwksCache(), JwksCache()], {}, Counter()
    _, reply = await processes[0].create("user")
    live = []

    async def check(token, until):
        before = time.monotonic()
        cold = JwksCache()  # of an application that has just been started
        for cache in (*caches, cold):
            await cache.check(token, chance.choice(processes))
        for process in processes:
            status, shown = await process.verify(token)
            if time.monotonic() < until:
                assert (status, shown["status"]) == (200, "OK"), shown
        checks["while valid"] += time.monotonic() < until > before

    ends = time.monotonic() + PATIENCE
    while len(signed_by) < 5 or checks["while valid"] <= 20:
        assert time.monotonic() < ends, f"the keys do not change, or all is too slow: {signed_by}, {checks}"
        began = time.monotonic()
        _, reply = await chance.choice(processes).refresh(reply["refreshToken"]["token"])
        token = reply["accessToken"]["token"]
        signed_by.setdefault(json.loads(_decoded(token.split(".")[0]))["kid"])
        live = [(old, end) for old, end in live if end > time.monotonic() + 0.2]
        live.append((token, began + lifetime - 1))  # the end is in whole seconds
        await check(*live[-1])
        await check(*live[0])
        await asyncio.sleep(0.02)


def _decoded(part):
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _public(key):
    x, y = (int.from_bytes(_decoded(key[name])) for name in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
