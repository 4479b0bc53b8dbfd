"""Signing keys that change every second under several processes, and the caches of SDKs (reliability: E10)."""

from __future__ import annotations

import asyncio
import json
import random
import time
from base64 import urlsafe_b64decode

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.server.experiments import Report
from tests.server.history import OK
from tests.server.sharing import Process

QUICK = """
import reseal.cdi.keys as keys
keys.OVERLAP = 3_000
keys.RELOAD_EVERY = 1_000
"""
"""A minute of overlap becomes three seconds, and what goes with it a twentieth too."""
LIFETIME = 3
"""Seconds that an access token lives."""
SETTINGS = {
    "RESEAL_TEST_MODE": "true",
    "RESEAL_ACCESS_TOKEN_SIGNING_ALGORITHM": "ES256",
    "RESEAL_ACCESS_TOKEN_VALIDITY": str(LIFETIME),
    "RESEAL_ACCESS_TOKEN_VALIDITY_JITTER": "0",
    "RESEAL_ACCESS_TOKEN_DYNAMIC_SIGNING_KEY_UPDATE_INTERVAL": "0.0011",
}
UNLUCKY = 0.3
"""The share of an SDK's calls for the keys that do not come through."""


class NoKeyError(Exception):
    """An SDK cannot check a token."""


class JwksCache:
    """What an SDK does: keep the keys, and read them again for a token under an unknown one, but not too often."""

    COOL_DOWN = 1.5
    """Seconds; a twentieth of what is usual."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._keys: dict[str, ec.EllipticCurvePublicKey] = {}
        self._read_at: float | None = None
        self._lock = asyncio.Lock()
        self.lost = 0
        """Calls that did not come through."""

    async def check(self, token: str, processes: list[Process]) -> None:
        head, body, signature = token.split(".")
        kid = json.loads(_decoded(head))["kid"]
        async with self._lock:
            if kid not in self._keys:
                now = time.monotonic()
                if self._read_at is not None and now - self._read_at < self.COOL_DOWN:
                    raise NoKeyError(f"{kid} is not to be had yet")
                self._read_at = now
                keys = await self._read(processes)
                self._keys = {key["kid"]: _public(key) for key in keys if key["alg"] == "ES256"}
        if kid not in self._keys:
            raise NoKeyError(f"{kid} is not published")
        r, s = (int.from_bytes(half) for half in (_decoded(signature)[:32], _decoded(signature)[32:]))
        self._keys[kid].verify(encode_dss_signature(r, s), f"{head}.{body}".encode(), ec.ECDSA(SHA256()))

    async def _read(self, processes: list[Process]) -> list[dict[str, str]]:
        """Ask one host after the other; three calls of ten do not come through."""
        while True:
            process = self._chance.choice(processes)
            if self._chance.random() >= UNLUCKY:
                _, reply = await process.call("GET", "/.well-known/jwks.json")
                keys: list[dict[str, str]] = reply["keys"]
                return keys
            self.lost += 1


class KeyChanges:
    """Refreshes sessions, and has tokens checked for as long as they live: by the processes and by caches."""

    def __init__(self, processes: list[Process], report: Report, *, sessions: int = 1) -> None:
        self._processes = processes
        self._sessions = sessions
        self._report = report
        self._chance = random.Random(1)
        self._caches = [JwksCache(self._chance) for _ in range(2)]
        self._live: list[tuple[str, float]] = []
        self._tokens: list[str] = []
        self.signed_by: set[str] = set()
        self.while_valid = 0
        """Checks that began and ended while the token lived."""

    async def begin(self) -> None:
        made = await asyncio.gather(*(self._processes[0].create(f"user {n}") for n in range(self._sessions)))
        self._tokens = [reply["refreshToken"]["token"] for _, reply in made]

    async def go_on(self) -> None:
        """Refresh each session once; check the new token, and the oldest one that lives."""
        await asyncio.gather(*map(self._advance, range(self._sessions)))

    async def _advance(self, n: int) -> None:
        began = time.monotonic()
        status, reply = await self._chance.choice(self._processes).refresh(self._tokens[n])
        if (status, reply.get("status")) != (200, OK):
            self._report.violations.append(f"P13: a refresh was answered {status}, {reply}")
            return
        self._tokens[n], token = reply["refreshToken"]["token"], reply["accessToken"]["token"]
        self._report.refreshes += 1
        kid = json.loads(_decoded(token.split(".")[0]))["kid"]
        self._report.injected["change of the signing key"] += kid not in self.signed_by
        self.signed_by.add(kid)
        self._live = [(old, end) for old, end in self._live if end > time.monotonic() + 0.2]
        self._live.append((token, began + LIFETIME - 1))  # the end is in whole seconds
        await self._check(*self._live[-1])
        await self._check(*self._live[0])

    async def _check(self, token: str, until: float) -> None:
        before = time.monotonic()
        cold = JwksCache(self._chance)  # of an application that has just been started
        for cache in (*self._caches, cold):
            lost = cache.lost
            try:
                await cache.check(token, self._processes)
            except NoKeyError as error:
                if time.monotonic() < until:
                    self._report.violations.append(f"P13: a cache refused a valid token: {error}")
            self._report.lost_calls += cache.lost - lost
        for process in self._processes:
            status, shown = await process.verify(token)
            if time.monotonic() < until and (status, shown.get("status")) != (200, OK):
                self._report.violations.append(f"P13: a process refused a valid token: {status}, {shown}")
        self.while_valid += time.monotonic() < until > before


def _decoded(part: str) -> bytes:
    return urlsafe_b64decode(part + "=" * (-len(part) % 4))


def _public(key: dict[str, str]) -> ec.EllipticCurvePublicKey:
    x, y = (int.from_bytes(_decoded(key[name])) for name in "xy")
    return ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
