"""Two processes of the service over one store: each checks the challenges of the other."""

from __future__ import annotations

from contextlib import AsyncExitStack

import httpx
import pytest

from reseal import AsyncRemote, AsyncReseal, EventName, Settings, Unauthorised
from reseal._async.endpoints import AsyncEndpoints
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal.core.dpop import DpopRefused
from reseal.core.errors import ProofDemanded
from reseal.testing import ManualClock
from reseal.testing.material import HOUR, MINUTE
from tests.server.material import Core
from tests.support.device import Device
from tests.support.program import Program


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


def program_at(remote, clock, device=None):
    """A client of an application whose sessions are those of a service."""
    sessions = AsyncReseal(remote.settings, sessions=remote, clock=clock)
    return Program(sessions, AsyncEndpoints(sessions), clock, device)


async def test_a_program_shows_its_proofs_at_any_process(processes):
    (one, first), (other, second) = processes
    at_first = program_at(first, one.clock)
    await at_first.sign_in()
    for remote in (second, first):
        at_other = program_at(remote, one.clock, at_first.device)
        at_other.access, at_other.refresh_token = at_first.access, at_first.refresh_token
        await at_other.call("get_session", check_database=True)
        one.clock.advance(HOUR)
        shown = at_other.proof("POST", "/session/refresh")
        assert (await at_other.send_refresh(proofs=(shown,))).status == 200
        at_first.access, at_first.refresh_token = at_other.access, at_other.refresh_token
        assert (await at_first.send_refresh(proofs=(shown,))).status == 401
        thief = at_other.stolen(Device())
        assert (await thief.send_refresh()).status == 401
        with pytest.raises(DpopRefused):
            await thief.call("get_session")
    refused = [event for it in (one, other) for event in it.events if event.name is EventName.BINDING_REFUSED]
    assert len(refused) == 4
    assert [event.name for event in one.events].count(EventName.SESSION_BOUND) == 1


async def test_a_nonce_of_one_process_is_good_at_the_others_and_at_the_service(processes):
    (one, first), (_, second) = processes
    slow = program_at(first, one.clock)
    slow.skew = -3600
    with pytest.raises(DpopRefused):
        await slow.sign_in()
    assert slow.told == "use_dpop_nonce"
    await slow.sign_in()
    elsewhere = program_at(second, one.clock, slow.device)
    elsewhere.skew, elsewhere.nonce = slow.skew, slow.nonce
    elsewhere.access, elsewhere.refresh_token = slow.access, slow.refresh_token
    await elsewhere.call("get_session")
    assert (await elsewhere.send_refresh()).status == 200
