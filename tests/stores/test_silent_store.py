"""A store or service that does not answer at all: who verifies does not wait until it is given up."""

from __future__ import annotations

import asyncio

import pytest

from reseal import AsyncMemoryStore, Settings
from reseal._async import waiting
from reseal._async.engine import AsyncEngine
from reseal.testing import ManualClock

SETTINGS = Settings(api_domain="https://api.example.com")


class Silent(AsyncMemoryStore):
    """A store that tells its keys when it is let."""

    def __init__(self, clock):
        super().__init__(clock)
        self.speaks = asyncio.Event()
        self.speaks.set()

    async def keys(self, app_id):
        await self.speaks.wait()
        return await super().keys(app_id)


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    monkeypatch.setattr(waiting, "BRIEFLY", 0.01)


async def test_while_the_store_is_silent_tokens_are_verified_and_afterwards_new_keys_are_known():
    clock = ManualClock()
    store = Silent(clock)
    async with AsyncEngine(SETTINGS, store, clock=clock) as engine, AsyncEngine(SETTINGS, store, clock=clock) as other:
        token = (await engine.create("user")).access_token
        added = await other.rotate_keys()
        store.speaks.clear()
        clock.advance(60_000)
        for _ in range(3):
            await engine.keep_fresh()
            assert engine.verify(token).sub == "user"
        assert added not in {key["kid"] for key in engine.jwks()["keys"]}
        store.speaks.set()
        await asyncio.gather(*waiting._going)
        assert added in {key["kid"] for key in engine.jwks()["keys"]}
        clock.advance(200_000)
        assert other.verify((await engine.create("user")).access_token).sub == "user"
        assert engine.verify((await other.create("user")).access_token).sub == "user"


async def test_what_the_store_says_at_once_is_waited_for():
    clock = ManualClock()
    store = Silent(clock)
    async with AsyncEngine(SETTINGS, store, clock=clock) as engine, AsyncEngine(SETTINGS, store, clock=clock) as other:
        added = await other.rotate_keys()
        clock.advance(60_000)
        await engine.keep_fresh()
        assert added in {key["kid"] for key in engine.jwks()["keys"]}
