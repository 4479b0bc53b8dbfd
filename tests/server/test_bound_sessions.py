"""Two processes of the service over one store: each checks the challenges of the other."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx
import pytest

from reseal import AsyncRemote, EventName, Settings, Unauthorised
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.errors import ProofDemanded
from reseal.testing import ManualClock
from reseal.testing.material import HOUR, MINUTE
from tests.server.material import Core
from tests.support.device import Device


@pytest.fixture
async def processes(tmp_path):
    """Two processes, and a client of each."""
    clock = ManualClock()
    async with AsyncExitStack() as stack:
        clients = []
        for _ in range(2):
            it = Core(store=AsyncSQLiteStore(tmp_path / "sessions.db", clock), clock=clock)
            await it.service.open()
            stack.push_async_callback(it.service.close)
            settings = Settings(api_domain="https://api.example.com", device_binding="offer")
            remote = AsyncRemote(
                settings, "http://localhost:3567", clock=clock, transport=httpx.ASGITransport(it.service)
            )
            clients.append((it, await stack.enter_async_context(remote)))
        yield clients


async def test_the_challenges_of_one_process_are_good_at_the_other(processes):
    (one, first), (other, second) = processes
    device, thief = Device(), Device()
    pair = await first.create("user")
    refresh_token = pair.refresh_token
    pair = await second.bind(refresh_token, device.proof(pair.challenge, brings_key=True))
    assert pair.claims.cnf is not None
    for remote in (first, second, first):
        one.clock.advance(HOUR)
        with pytest.raises(Unauthorised):
            await remote.refresh(refresh_token, proof=thief.proof(pair.challenge, brings_key=False))
        pair = await remote.refresh(refresh_token, proof=device.proof(pair.challenge, brings_key=False))
        refresh_token = pair.refresh_token
    one.clock.advance(2 * HOUR)
    with pytest.raises(ProofDemanded) as demanded:
        await second.refresh(refresh_token)
    one.clock.advance(MINUTE)
    proof = device.proof(demanded.value.challenge, brings_key=False)
    assert (await first.refresh(refresh_token, proof=proof)).claims.gen == 4
    assert sum([event.name for event in it.events].count(EventName.BINDING_REFUSED) for it in (one, other)) == 3


async def test_of_two_keys_at_two_processes_one_wins(processes):
    (_, first), (_, second) = processes
    device, late = Device(), Device()
    pair = await first.create("user")
    await first.bind(pair.refresh_token, device.proof(pair.challenge, brings_key=True))
    with pytest.raises(Unauthorised):
        await second.bind(pair.refresh_token, late.proof(pair.challenge, brings_key=True))
    again = await second.bind(pair.refresh_token, device.proof(pair.challenge, brings_key=True))
    assert (await second.refresh(pair.refresh_token, proof=device.proof(again.challenge, brings_key=False))).claims.cnf
