"""Signing keys that change every few seconds under two processes, and the caches of SDKs (reliability: E10)."""

from __future__ import annotations

import asyncio
import json
import random
import time
from base64 import urlsafe_b64decode
from collections import Counter

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from tests.server.sharing import PATIENCE

QUICK = """
import reseal._async.wire_keyring as keyring, reseal.core.wire_keys as keys
keys.OVERLAP = keyring.OVERLAP = 3_000
keyring.RELOAD_EVERY = 1_000
"""
"""A minute of overlap becomes three seconds, and what goes with it a twentieth too."""
UNLUCKY = 0.3
"""The share of an SDK's calls for the keys that do not come through."""
KEYS = 10
"""So many sign one after the other, each for about a second."""


class NoKeyError(Exception):
    """An SDK cannot check a token."""


class JwksCache:
    """What an SDK does: keep the keys, and read them again for a token under an unknown one, but not too often."""

    COOL_DOWN = 1.5
    """Seconds; a twentieth of what is usual."""

    def __init__(self, chance):
        self._chance = chance
        self._keys = {}
        self._read_at = None
        self._lock = asyncio.Lock()

    async def check(self, token, processes):
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

    async def _read(self, processes):
        """Ask one host after the other; three calls of ten do not come through."""
        while True:
            process = self._chance.choice(processes)
            if self._chance.random() >= UNLUCKY:
                _, reply = await process.call("GET", "/.well-known/jwks.json")
                return reply["keys"]


async def test_no_valid_token_is_refused_while_the_keys_change_again_and_again(start_sharing):
    lifetime = 3
    processes = await start_sharing(
        2,
        before=QUICK,
        RESEAL_TEST_MODE="true",
        RESEAL_ACCESS_TOKEN_VALIDITY=str(lifetime),
        RESEAL_ACCESS_TOKEN_VALIDITY_JITTER="0",
        RESEAL_ACCESS_TOKEN_DYNAMIC_SIGNING_KEY_UPDATE_INTERVAL="0.0011",
    )
    chance, signed_by, checks = random.Random(1), set(), Counter()
    caches = [JwksCache(chance) for _ in range(2)]
    _, reply = await processes[0].create("user")
    live = []

    async def check(token, until):
        before = time.monotonic()
        cold = JwksCache(chance)  # of an application that has just been started
        for cache in (*caches, cold):
            try:
                await cache.check(token, processes)
            except NoKeyError:
                assert time.monotonic() >= until, "a valid token was refused"
        for process in processes:
            status, shown = await process.verify(token)
            if time.monotonic() < until:
                assert (status, shown["status"]) == (200, "OK"), shown
        checks["while valid"] += time.monotonic() < until > before

    ends = time.monotonic() + PATIENCE
    while len(signed_by) < KEYS or checks["while valid"] <= 20:
        assert time.monotonic() < ends, f"the keys do not change, or all is too slow: {signed_by}, {checks}"
        began = time.monotonic()
        _, reply = await chance.choice(processes).refresh(reply["refreshToken"]["token"])
        token = reply["accessToken"]["token"]
        signed_by.add(json.loads(_decoded(token.split(".")[0]))["kid"])
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
