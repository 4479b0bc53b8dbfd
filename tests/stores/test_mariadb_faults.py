"""MariaDB crashes, and many present one token: nothing acknowledged is lost, and nobody is accused."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from reseal import Settings
from reseal._async.engine import AsyncEngine
from reseal._async.stores import make_store
from reseal.core.errors import StoreUnavailable, TokenTheftDetected
from reseal.core.events import EventName
from reseal.testing.recorder import Recorder

API = "https://api.example.com"


def engine_over(uri, events):
    settings = Settings(api_domain=API, database_uri=uri)
    return AsyncEngine(settings, make_store(settings), on_event=events)


@pytest.mark.parametrize("rounds", [20, pytest.param(500, marks=pytest.mark.whole)])
async def test_64_refreshes_of_one_token_at_once_give_one_successor(mariadb_uri, rounds):
    events = Recorder()
    async with engine_over(mariadb_uri, events) as one, engine_over(mariadb_uri, events) as other:
        token = (await one.create("user")).refresh_token
        for _ in range(rounds):
            pairs = await asyncio.gather(*(engine.refresh(token) for engine in (one, other) for _ in range(32)))
            [token] = {pair.refresh_token for pair in pairs}
        assert events.named(EventName.TOKEN_THEFT) == []


async def test_a_crash_amid_refreshes_loses_nothing_and_accuses_nobody(own_mariadb):
    events, refused = Recorder(), []
    async with engine_over(own_mariadb.uri(own_mariadb.database()), events) as engine:
        lines = [[(await engine.create(f"user {n}")).refresh_token] for n in range(8)]
        crash = asyncio.get_running_loop().run_in_executor(None, lambda: [own_mariadb.restart() for _ in range(2)])

        async def refresh_on(line):
            while not crash.done() or len(line) < 4:
                try:
                    line.append((await engine.refresh(line[-1])).refresh_token)
                except StoreUnavailable as error:
                    refused.append(error)

        await asyncio.gather(*map(refresh_on, lines))
        await crash
        assert refused
        for line in lines:
            await engine.refresh(line[-1])
        assert events.named(EventName.TOKEN_THEFT) == []
        for line in lines:
            with pytest.raises(TokenTheftDetected):
                await engine.refresh(line[0])


async def test_those_who_are_cancelled_amid_refreshes_leave_a_token_that_the_next_one_can_present(mariadb_uri):
    events = Recorder()
    async with engine_over(mariadb_uri, events) as engine:
        token = (await engine.create("user")).refresh_token
        for n in range(40):
            task = asyncio.create_task(engine.refresh(token))
            for _ in range(n):
                await asyncio.sleep(0)
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            token = (await engine.refresh(token)).refresh_token
        assert events.named(EventName.TOKEN_THEFT) == []
