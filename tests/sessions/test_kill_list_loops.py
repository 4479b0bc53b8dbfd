"""The kill list of an engine that is opened once more in another event loop, as by one test after another."""

from __future__ import annotations

import asyncio

from reseal import AsyncEngine, Settings
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.testing.clock import ManualClock


class SlowStore(AsyncMemoryStore):
    async def kill_page(self, scope, after, limit=5_000):
        await asyncio.sleep(0)  # lets other requests come meanwhile
        return await super().kill_page(scope, after, limit)


def test_many_requests_at_once_in_a_second_event_loop_read_it_as_in_the_first():
    clock = ManualClock()
    engine = AsyncEngine(Settings(api_domain="https://api.example.com", kill_list=True), SlowStore(clock), clock=clock)

    async def life():
        async with engine:
            for _ in range(2):
                clock.advance(2_000)
                await asyncio.gather(*(engine.keep_fresh() for _ in range(5)))
                assert engine.kills.age() == 0

    asyncio.run(life())
    asyncio.run(life())
