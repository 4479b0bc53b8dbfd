"""Over three nodes of a Galera cluster: one successor whichever node is asked, and nobody is signed out with a node."""

from __future__ import annotations

import asyncio

import pytest

from reseal import Settings
from reseal._async.engine import AsyncEngine
from reseal._async.stores.mariadb import AsyncMariaDBStore
from reseal.core.errors import StoreUnavailable, TokenTheftDetected
from reseal.core.events import EventName
from reseal.testing.recorder import Recorder
from tests.support.galera import galera

pytestmark = pytest.mark.whole
API = "https://api.example.com"


@pytest.fixture
def cluster():
    with galera() as nodes:
        yield nodes


def engine_over(uri, events, **limits):
    return AsyncEngine(Settings(api_domain=API), AsyncMariaDBStore(uri, **limits), on_event=events)


async def refresh_often(engine, line, count, refused):
    while len(line) <= count:
        try:
            line.append((await engine.refresh(line[-1])).refresh_token)
        except StoreUnavailable as error:
            refused.append(error)


async def test_64_refreshes_of_one_token_on_three_nodes_give_one_successor(cluster):
    events, database = Recorder(), cluster.database()
    first, second, third = (engine_over(cluster.uri(database, n), events) for n in range(3))
    async with first, second, third:
        token = (await first.create("user")).refresh_token
        for _ in range(100):
            calls = (engine.refresh(token) for _ in range(22) for engine in (first, second, third))
            [token] = {pair.refresh_token for pair in await asyncio.gather(*calls)}
        assert events.named(EventName.TOKEN_THEFT) == []


async def test_a_node_that_is_killed_or_without_a_majority_loses_nothing_and_accuses_nobody(cluster):
    events, refused, database = Recorder(), [], cluster.database()
    limits = {"connect_timeout_s": 1, "statement_timeout_ms": 1000}
    async with engine_over(cluster.uri(database), events, **limits) as engine:
        lines = [[(await engine.create(f"user {n}")).refresh_token] for n in range(8)]
        refreshing = asyncio.gather(*(refresh_often(engine, line, 60, refused) for line in lines))
        await asyncio.to_thread(cluster.nodes[0].kill)
        await refreshing
        cluster.freeze(1)
        while "1047" not in str(refused[-1] if refused else ""):  # the last one has no majority
            with pytest.raises(StoreUnavailable) as raised:
                await engine.refresh(lines[0][-1])
            refused.append(raised.value)
        cluster.wake(1)
        await asyncio.gather(*(refresh_often(engine, line, 62, refused) for line in lines))
        assert events.named(EventName.TOKEN_THEFT) == []
        for line in lines:
            with pytest.raises(TokenTheftDetected):
                await engine.refresh(line[0])
