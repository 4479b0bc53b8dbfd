"""Applications whose service is away for long, comes and goes, or refuses their key (reliability: E25)."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from reseal import RequestFacts, SessionHeaders
from reseal._async import remote_hosts
from reseal._async.endpoints import AsyncEndpoints
from reseal._async.remote import AsyncRemote
from reseal._async.reseal import AsyncReseal
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.core.errors import StoreUnavailable
from reseal.settings import Settings
from reseal.testing import ManualClock
from reseal.testing._async.world import API
from reseal.testing.jar import CookieJar
from reseal.testing.material import HOUR, MINUTE
from tests._async.serving import API_KEY, AsyncServed

HOSTS = "https://one:3567;https://two:3567"
BOTH = {"one", "two"}
FLEET = 100
"""Processes of applications."""
SECOND = 1000
AWAY = 5 * MINUTE
PEAK = 3
"""How many times the mean as many calls may come in one second, once the service is back."""
REFUSED = {"away": None, "wrong key": (401, ""), "overloaded": (503, ""), "another one": (200, "<p>")}


class World:
    """A service, and the time."""

    def __init__(self):
        self.clock = ManualClock()
        self.store = AsyncMemoryStore(self.clock)
        self.served = AsyncServed(self.store, self.clock, [].append)


@pytest.fixture
async def world(monkeypatch):
    async def at_once(seconds):
        assert 0 <= seconds <= remote_hosts.PAUSE

    monkeypatch.setattr(remote_hosts, "pause", at_once)
    world = World()
    await world.store.open()
    yield world
    await world.store.close()


async def applications(world, count):
    chance = random.Random(count)
    settings = Settings(api_domain=API, access_token_validity=HOUR // 1000)
    made = []
    for _ in range(count):
        how = {"api_key": API_KEY, "clock": world.clock, "transport": world.served, "random": chance.randbytes}
        made.append(AsyncRemote(settings, HOSTS, **how))
        await made[-1].open()
    return made


def cut_off(world, how):
    world.served.away, world.served.instead = (BOTH, None) if REFUSED[how] is None else (set(), REFUSED[how])


def connect(world):
    world.served.away, world.served.instead = set(), None


async def seconds(world, fleet, count):
    """Let time pass; each process looks after its keys every second, as it does with every request. Count the calls."""
    calls = []
    for _ in range(count):
        world.clock.advance(SECOND)
        before = len(world.served.requests)
        for remote in fleet:
            await remote.keep_fresh()
        calls.append(len(world.served.requests) - before)
    return calls


@pytest.mark.parametrize("how", REFUSED)
async def test_for_minutes_tokens_are_verified_refreshes_are_503_and_no_cookie_is_cleared(world, how):
    [remote] = await applications(world, 1)
    reseal, jar = AsyncReseal(remote.settings, sessions=remote, clock=world.clock), CookieJar(world.clock)
    endpoints = AsyncEndpoints(reseal)

    def asked(path):
        lines = [("cookie", jar.header(API + path) or ""), ("origin", API), ("sec-fetch-site", "same-origin")]
        return RequestFacts.of("POST", path, lines, "192.0.2.1")

    def keep(path, response):
        jar.keep(API + path, [value for name, value in response.items() if name.lower() == "set-cookie"])

    await reseal.create_new_session(asked("/"), signed_in := SessionHeaders(), "alice")
    keep("/", signed_in)
    before = list(jar)
    cut_off(world, how)
    path = "/session/refresh"
    for _ in range(AWAY // (10 * SECOND)):
        await seconds(world, [remote], 10)
        session = await reseal.get_session(asked("/"), SessionHeaders())
        assert session.get_user_id() == "alice"
        response = SessionHeaders()
        with pytest.raises(StoreUnavailable) as refused:
            await endpoints.refresh(asked(path), response)
        answer = endpoints.of_error(asked(path), refused.value)
        assert answer.status == 503
        assert "set-cookie" not in {name.lower() for name, _ in [*response.items(), *answer.headers]}
        assert "Retry-After" in dict(answer.headers)
    assert list(jar) == before
    connect(world)
    await endpoints.refresh(asked(path), response := SessionHeaders())
    keep(path, response)
    assert (await reseal.get_session(asked("/"), SessionHeaders())).get_user_id() == "alice"


async def test_with_a_service_that_comes_and_goes_every_second_nobody_is_signed_out(world):
    [remote] = await applications(world, 1)
    pair = await remote.create("alice")
    access, seen = pair.access_token, Counter()
    for n in range(120):
        (cut_off if n % 2 else lambda world, _: connect(world))(world, "away")
        await seconds(world, [remote], 1)
        assert remote.verify(access).sub == "alice"
        try:
            pair = await remote.refresh(pair.refresh_token)
        except StoreUnavailable:
            seen["unavailable"] += 1
            continue
        seen["refreshed"] += 1
        access = pair.access_token
        await remote.check(remote.verify(access))
    assert seen == {"refreshed": 60, "unavailable": 60}


async def test_a_service_that_comes_back_is_not_met_by_all_processes_at_once(world):
    fleet = await applications(world, FLEET)
    token = (await fleet[0].create("alice")).access_token
    await seconds(world, fleet, 60)
    cut_off(world, "away")
    away = await seconds(world, fleet, AWAY // SECOND)
    for remote in fleet:
        assert remote.verify(token).sub == "alice"
    tries = len(BOTH) * remote_hosts.ROUNDS
    assert max(away[10:]) <= PEAK * sum(away[10:]) / len(away[10:])
    assert sum(away) <= FLEET * tries * (AWAY / (5 * SECOND)), "a process asks every five seconds at most"
    connect(world)
    back = await seconds(world, fleet, 10)
    assert sum(back) == FLEET, "each has its keys again within ten seconds"
    assert max(back) <= PEAK * sum(back) / len(back)
