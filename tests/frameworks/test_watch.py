"""The watch over open connections, without a socket."""

from __future__ import annotations

import asyncio
import logging

import pytest

from reseal import AsyncEngine, AsyncMemoryStore, Settings, StoreUnavailable, Unauthorised
from reseal.core.errors import Refusal
from reseal.core.model import EndReason
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder
from reseal.watch import BLIND_LIMIT, Watch
from tests.frameworks.site import API
from tests.frameworks.wires import PATIENCE, Ticks


class Watched:
    def __init__(self, engine, watch, store, clock, ticks):
        self.engine, self.watch, self.store, self.clock, self.ticks = engine, watch, store, clock, ticks

    async def begin(self, user_id="user"):
        return (await self.engine.create(user_id)).claims.sid


@pytest.fixture
async def watched():
    clock = ManualClock()
    store = AsyncFaultyStore(AsyncMemoryStore(clock))
    async with AsyncEngine(Settings(api_domain=API), store, clock=clock, on_event=Recorder()) as engine:
        watch = Watch(engine, 10, clock)
        watch.pause = ticks = Ticks()
        yield Watched(engine, watch, store, clock, ticks)


async def lasts(watched, handle):
    """Follow a session in a block that ends only when it is cancelled; give what ended it."""
    try:
        async with watched.watch.following(handle, "user") as connection, connection.lasting():
            await asyncio.Event().wait()
    except (Unauthorised, StoreUnavailable) as error:
        return error


async def outcome(task):
    return await asyncio.wait_for(task, PATIENCE)


async def following(watched, number):
    async with asyncio.timeout(PATIENCE):
        while len(watched.watch) < number:  # noqa: ASYNC110 - of tasks, which tell nobody
            await asyncio.sleep(0)


@pytest.mark.parametrize("by", ["revoke", "revoke_user"])
async def test_an_end_while_the_first_look_up_is_under_way_is_not_missed(watched, by):
    handle = await watched.begin()

    async def ended_after_it_was_read():
        found = await watched.store.inner.get_many(watched.engine.settings.scope, (handle,))
        assert found[handle].record.ended_at is None
        await getattr(watched.watch.sessions, by)([handle] if by == "revoke" else "user")

    watched.store.before("get_many", ended_after_it_was_read)
    assert (await outcome(asyncio.create_task(lasts(watched, handle)))).reason in {
        Refusal.REVOKED,
        Refusal.USER_REVOKED,
    }


async def test_an_end_told_before_the_block_begins_still_ends_it(watched):
    handle = await watched.begin()

    async def ended_between():
        async with watched.watch.following(handle, "user") as connection:
            await watched.watch.sessions.revoke([handle], EndReason.SIGNED_OUT)
            async with connection.lasting():
                await asyncio.Event().wait()

    with pytest.raises(Unauthorised) as caught:
        await ended_between()
    assert caught.value.reason is Refusal.SIGNED_OUT
    assert len(watched.watch) == 0


async def test_a_time_limit_within_the_block_stays_the_block_s_own(watched):
    handle = await watched.begin()

    async def too_slow():
        async with watched.watch.following(handle, "user") as connection, connection.lasting(), asyncio.timeout(0):
            await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await too_slow()


async def test_who_is_cancelled_from_outside_is_cancelled(watched):
    task = asyncio.create_task(lasts(watched, await watched.begin()))
    await following(watched, 1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await outcome(task)
    assert len(watched.watch) == 0


async def test_an_end_that_the_store_did_not_acknowledge_is_found_at_the_next_look(watched):
    handle = await watched.begin()
    task = asyncio.create_task(lasts(watched, handle))
    await watched.ticks.look()
    watched.store.lose_acknowledgement("end")
    with pytest.raises(StoreUnavailable):
        await watched.watch.sessions.revoke([handle])
    assert not task.done()
    await watched.ticks.begin()
    assert (await outcome(task)).reason is Refusal.REVOKED


async def test_a_look_that_fails_for_whatever_reason_is_no_look(watched, caplog):
    task = asyncio.create_task(lasts(watched, await watched.begin()))
    await watched.ticks.look()

    async def bug():
        raise RuntimeError("a bug in the driver")

    with caplog.at_level(logging.WARNING, "reseal"):
        for look in (watched.ticks.look, watched.ticks.look, watched.ticks.begin):
            watched.store.before("get_many", bug)
            watched.clock.advance(BLIND_LIMIT // 3)
            await look()
        assert isinstance(await outcome(task), StoreUnavailable)
    assert [record.getMessage() for record in caplog.records] == [
        "the sessions of open connections cannot be looked up: RuntimeError"
    ]


async def test_a_connection_that_came_while_the_watch_was_looking_is_not_judged_by_that_look(watched):
    first = asyncio.create_task(lasts(watched, await watched.begin()))
    await watched.ticks.look()
    late = await watched.begin()
    tasks = []

    async def another_comes():
        tasks.append(asyncio.create_task(lasts(watched, late)))
        await following(watched, 2)

    watched.store.before("get_many", another_comes)
    await watched.ticks.look()
    await watched.ticks.look()
    assert not tasks[0].done()
    await watched.watch.sessions.revoke_user("user")
    assert (await outcome(first)).reason is (await outcome(tasks[0])).reason is Refusal.USER_REVOKED


async def test_an_unknown_session_is_not_followed(watched):
    with pytest.raises(Unauthorised):
        async with watched.watch.following("absent", "user"):
            pass
    assert len(watched.watch) == 0


async def test_the_watch_s_sessions_pass_everything_else_on(watched):
    sessions = watched.watch.sessions
    assert sessions.settings is watched.engine.settings
    pair = await sessions.create("user", {"a": 1})
    assert sessions.verify(pair.access_token).jwt_payload() == {"a": 1}
    assert (await sessions.refresh(pair.refresh_token)).claims.gen == 1
