"""The service removes old theft cases of every app and tenant, also where no new one is opened."""

import asyncio

import pytest

from reseal._async.stores.memory import AsyncMemoryStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.cases import StoredCase
from reseal.core.model import Scope
from reseal.server import old_cases
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder
from reseal.testing.material import DAY

SCOPES = Scope(), Scope("shop", "public"), Scope("shop", "t1")


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture(params=["memory", "sqlite"])
async def store(request, clock, tmp_path):
    made = AsyncMemoryStore(clock) if request.param == "memory" else AsyncSQLiteStore(tmp_path / "r.db", clock)
    await made.open()
    for scope in SCOPES[1:]:
        await made.put_tenant(scope, b"{}")
    yield made
    await made.close()


async def write(store, clock, handle):
    for scope in SCOPES:
        await store.write_case(scope, StoredCase(handle, "user", clock.wall(), False, 0, "{}"))


async def handles(store):
    return [
        handle for scope in SCOPES for handle in ("old", "young") if await store.read_case(scope, handle) is not None
    ]


async def test_cases_of_every_app_and_tenant_are_removed_when_their_time_is_over(store, clock):
    await write(store, clock, "old")
    clock.advance(30 * DAY - 1)
    await write(store, clock, "young")
    assert await old_cases.remove(store, 30 * DAY) == 0
    clock.advance(1)
    assert await old_cases.remove(store, 30 * DAY) == 3
    assert await handles(store) == ["young"] * 3


@pytest.mark.parametrize("days", [0, 30])
async def test_the_service_looks_for_them_only_if_it_writes_any(clock, days):
    store = AsyncMemoryStore(clock)
    await store.write_case(Scope(), StoredCase("old", "user", clock.wall(), False, 0, "{}"))
    clock.advance(40 * DAY)
    settings = ServiceSettings(database_uri="memory:", api_keys=("a-key-of-twenty-characters",), theft_cases=days)
    tasks = old_cases.tasks(Service(settings, store, clock=clock, on_event=Recorder()))
    for _ in range(20):
        await asyncio.sleep(0)
    for task in tasks:
        assert not task.done()
        task.cancel()
    assert len(tasks) == bool(days)
    assert (await store.read_case(Scope(), "old") is None) is bool(days)


async def test_a_store_that_does_not_answer_is_asked_again_later(clock):
    store = AsyncFaultyStore(AsyncMemoryStore(clock))
    store.refuse("times")
    task = asyncio.create_task(old_cases.remove_for_ever(store, DAY))
    for _ in range(20):
        await asyncio.sleep(0)
    assert not task.done()
    task.cancel()
