"""Processes that verify by the kill list of a running service: how soon they refuse, and what a cut costs them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from reseal import AsyncEngine, AsyncRemote, Settings, TryRefreshToken
from reseal._async.kill_following import WAIT
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._sync.remote import Remote
from reseal.core.kill_list import KillState
from tests.server.running import Running
from tests.support.ports import free_port

KEY = "a-good-key-of-thirty-two-letters"
SETTINGS = Settings(api_domain="https://api.example.com", kill_list=True, kill_list_max_age=3)
LONG = replace(SETTINGS, kill_list_max_age=600)
VERIFIERS = 20
ENDS = 10
PATIENCE = 60.0


@pytest.fixture
def start(tmp_path, postgres_uri):
    """Start the service, always on the same port."""
    port, running = str(free_port()), []

    def start(**variables):
        service = Running(
            tmp_path,
            RESEAL_DATABASE_URI=postgres_uri,
            RESEAL_API_KEYS=KEY,
            RESEAL_KILL_LIST="true",
            RESEAL_PORT=port,
            **variables,
        )
        running.append(service)
        return service.wait()

    yield start
    for service in running:
        service.kill()


async def passes(sessions, pair):
    """Verify a token as a request does, without asking about its session."""
    await sessions.keep_fresh()
    try:
        sessions.verify(pair.access_token)
    except TryRefreshToken:
        return False
    return True


async def until(holds):
    """Wait until something holds; return the seconds."""
    time = asyncio.get_running_loop().time
    began = time()
    while not await holds():
        assert time() - began < PATIENCE
        await asyncio.sleep(0.002)
    return time() - began


async def seen_after(verifier, pair):
    """Return the seconds until a verifier refuses a token."""

    async def is_refused():
        return not await passes(verifier, pair)

    return await until(is_refused)


async def turns(verifier, *, fresh):
    """Wait until the list of a verifier is fresh, or no longer so."""

    async def has_turned():
        if fresh:
            await verifier.keep_fresh()
        return (verifier.kills.state() is KillState.FRESH) is fresh

    await until(has_turned)


async def opened(stack, service, count, settings=SETTINGS):
    remotes = [AsyncRemote(settings, service.url, api_key=KEY) for _ in range(count)]
    return [await stack.enter_async_context(each) for each in remotes]


@pytest.mark.parametrize("workers", ["1", pytest.param("2", marks=pytest.mark.whole)])
async def test_an_end_is_seen_by_every_verifier_and_nobody_else_is_refused(start, workers):
    service = start(RESEAL_WORKERS=workers)
    async with AsyncExitStack() as stack:
        ender, *verifiers = await opened(stack, service, VERIFIERS + 1)
        pairs = [await ender.create(f"user-{n}") for n in range(ENDS + 1)]
        live = pairs.pop()
        assert all([await passes(verifier, pair) for verifier in verifiers for pair in (*pairs, live)])
        delays = []
        for pair in pairs:
            await ender.revoke([pair.claims.sid])
            delays += await asyncio.gather(*(seen_after(verifier, pair) for verifier in verifiers))
        assert len(delays) == VERIFIERS * ENDS
        assert sorted(delays)[int(len(delays) * 0.99)] < 1
        assert all([await passes(verifier, live) for verifier in verifiers])


@pytest.mark.whole
async def test_after_a_cut_no_ended_token_passes_once_the_list_is_fresh_again(start, postgres_uri):
    service = start()
    async with AsyncExitStack() as stack:
        verifiers = await opened(stack, service, 3)
        before, during, live = [await verifiers[0].create(name) for name in ("a", "b", "c")]
        await verifiers[0].revoke([before.claims.sid])
        for verifier in verifiers:
            await seen_after(verifier, before)
        service.kill()
        async with AsyncEngine(SETTINGS, AsyncPostgresStore(postgres_uri)) as elsewhere:
            assert await elsewhere.revoke([during.claims.sid]) == (during.claims.sid,)
        for verifier in verifiers:
            assert not await passes(verifier, before)
            assert await passes(verifier, live)
            await turns(verifier, fresh=False)
        start()
        for verifier in verifiers:
            await turns(verifier, fresh=True)
            assert not await passes(verifier, during)
            assert await passes(verifier, live)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_service_that_leaves_keeps_nobody_waiting(start, number):
    service = start(RESEAL_SHUTDOWN_DELAY="0")
    async with AsyncExitStack() as stack:
        [verifier] = await opened(stack, service, 1, LONG)
        await verifier.keep_fresh()

        async def waits():
            return service.handled().get("rpc_kill_list", 0) > 0

        await until(waits)
        service.tell(number)
        assert await asyncio.wait_for(asyncio.to_thread(service.ended), WAIT / 2) == 0
    assert not service.lines(level="ERROR")


def test_a_thread_follows_the_list_as_well(start):
    service = start()
    with Remote(SETTINGS, service.url, api_key=KEY) as verifier, Remote(SETTINGS, service.url, api_key=KEY) as ender:
        pair, live = ender.create("a"), ender.create("b")
        ender.revoke([pair.claims.sid])
        for _ in range(10_000):
            verifier.keep_fresh()
            try:
                verifier.verify(pair.access_token)
            except TryRefreshToken:
                break
        else:
            pytest.fail("the end was not seen")
        verifier.verify(live.access_token)
