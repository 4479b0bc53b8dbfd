"""Tenants and apps that are removed while others work in them: nothing of them is left, and nothing comes back."""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager

import httpx
import msgspec
import pytest

from reseal import AsyncSQLiteStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal.core.errors import StoreUnavailable
from reseal.rpc.calls import PREFIX, profile_of
from reseal.settings import Settings
from reseal.testing import ManualClock
from tests.server.material import SECOND, Core

APP = "/recipe/multitenancy/app"
TENANT = "/recipe/multitenancy/tenant"
ROUNDS = 12
AT_ONCE = 6
PATIENCE = 30
"""Seconds for a busy machine."""


@pytest.fixture(params=["sqlite", "postgres"])
async def two(request, tmp_path):
    """Two processes of a service over one store, each with a connection of its own."""
    clock = ManualClock()
    if request.param == "sqlite":
        stores = [AsyncSQLiteStore(tmp_path / "r.db", clock) for _ in range(2)]
    else:
        uri = request.getfixturevalue("postgres_uri")
        stores = [AsyncPostgresStore(uri, clock=clock) for _ in range(2)]
    cores = [Core(store=Held(store), clock=clock) for store in stores]
    for each in cores:
        await each.service.open()
    yield cores
    for each in cores:
        await each.service.close()


class Held:
    """A store some of whose calls go through what a test puts in their way."""

    def __init__(self, store):
        self._store = store
        self.ways = {}

    def __getattr__(self, name):
        call = getattr(self._store, name)

        async def through(*arguments):
            return await (self.ways[name](call, *arguments) if name in self.ways else call(*arguments))

        return through


class Gate:
    """Lets a call of a store begin, or its answer go out, when a test says so."""

    def __init__(self, store, name, *, before):
        self.reached, self.opened, self._before = asyncio.Event(), asyncio.Event(), before
        store.ways[name] = self

    async def __call__(self, call, *arguments):
        if self._before:
            await self._wait()
        answer = await call(*arguments)
        if not self._before:
            await self._wait()
        return answer

    async def _wait(self):
        self.reached.set()
        await self.opened.wait()


@asynccontextmanager
async def meanwhile(gate, going_on):
    """Run the block while a call waits at the gate."""
    async with asyncio.timeout(PATIENCE):
        task = asyncio.ensure_future(going_on)
        await gate.reached.wait()
        yield task
        gate.opened.set()
        await asyncio.wait([task])


def session(user="u"):
    return {"userId": user, "userDataInJWT": {}, "userDataInDatabase": {}, "enableAntiCsrf": False}


async def native_create(it, tenant):
    """Create a session as Reseal's own clients do; gives the status and the error's name."""
    settings = Settings(api_domain="https://api.example.com", tenant_id=tenant)
    profile = msgspec.to_builtins(profile_of(settings))
    body = {"profile": profile, "user_id": "u", "jwt_payload": {}, "session_data": {}}
    async with httpx.AsyncClient(transport=httpx.ASGITransport(it.service), base_url="http://localhost") as client:
        answer = await client.post(f"{PREFIX}create", json=body)
    return answer.status_code, answer.json().get("error")


async def users_of(it, at, user="u"):
    return (await it.get(f"{at}/recipe/session/user", userId=user, fetchAcrossAllTenants="false"))["sessionHandles"]


@pytest.mark.parametrize("before", [True, False], ids=["before the session is written", "after it was written"])
@pytest.mark.parametrize("kind", ["wire", "native"])
async def test_a_session_that_begins_while_its_tenant_goes_is_refused_and_stays_gone(two, before, kind):
    one, other = two
    await one.put(f"{TENANT}/v2", {"tenantId": "t"})
    await other.call("GET", "/t/recipe/session/user", userId="u")  # it knows the tenant now
    create = native_create(other, "t") if kind == "native" else other.call("POST", "/t/recipe/session", session())
    async with meanwhile(Gate(other.store, "insert", before=before), create) as creating:
        assert (await one.post(f"{TENANT}/remove", {"tenantId": "t"}))["didExist"] is True
    if kind == "native":
        assert creating.result() == (422, "ConfigurationError")
    else:
        answer = creating.result()
        assert (answer.status, "AppId or tenantId not found" in answer.text) == (400, True)
    await one.put(f"{TENANT}/v2", {"tenantId": "t"})
    assert await users_of(one, "/t") == []


async def test_a_session_that_is_answered_is_of_a_tenant_that_is_there_or_was_removed_with_it(two):
    one, other = two
    chance = random.Random(7)

    async def create(it):
        await asyncio.sleep(chance.random() / 100)
        answer = await it.call("POST", "/t/recipe/session", session())
        return answer.json["session"]["handle"] if answer.status == 200 else None

    begun = refused = 0
    for _ in range(ROUNDS):
        await one.put(f"{TENANT}/v2", {"tenantId": "t"})
        await other.call("GET", "/t/recipe/session/user", userId="u")
        creating = asyncio.gather(*(create(it) for it in (one, other) for _ in range(AT_ONCE)))
        await asyncio.sleep(chance.random() / 100)
        await chance.choice(two).post(f"{TENANT}/remove", {"tenantId": "t"})
        handles = await creating
        begun, refused = begun + len([h for h in handles if h]), refused + handles.count(None)
        for handle in filter(None, handles):
            assert (await one.get("/recipe/session", sessionHandle=handle))["status"] == "UNAUTHORISED"
        await one.put(f"{TENANT}/v2", {"tenantId": "t"})
        assert await users_of(one, "/t") == []
        await one.post(f"{TENANT}/remove", {"tenantId": "t"})
    assert begun + refused == ROUNDS * AT_ONCE * 2


async def test_a_removal_that_was_not_finished_has_happened_and_is_finished_by_whoever_comes_next(two):
    one, other = two
    await one.put(f"{TENANT}/v2", {"tenantId": "t"})
    handle = (await one.create(at="/t"))["session"]["handle"]
    one.store.ways["remove_tenant"] = away
    assert (await one.call("POST", f"{TENANT}/remove", {"tenantId": "t"})).status == 503
    del one.store.ways["remove_tenant"]
    assert [each["tenantId"] for each in (await one.get(f"{TENANT}/list/v2"))["tenants"]] == ["public"]
    assert (await one.put(f"{TENANT}/v2", {"tenantId": "t"}))["createdNew"] is True
    assert await users_of(one, "/t") == []
    assert (await other.get("/recipe/session", sessionHandle=handle))["status"] == "UNAUTHORISED"


async def test_a_tenant_created_while_its_app_goes_goes_with_it(two):
    one, other = two
    await one.put(f"{APP}/v2", {"appId": "a"})
    await other.call("GET", "/appid-a/recipe/session/user", userId="u")
    put = other.call("PUT", f"/appid-a{TENANT}/v2", {"tenantId": "t"})
    async with meanwhile(Gate(other.store, "put_tenant", before=True), put) as creating:
        assert (await one.post(f"{APP}/remove", {"appId": "a"}))["didExist"] is True
    assert (creating.result().status, "not found" in creating.result().text) == (400, True)
    await one.put(f"{APP}/v2", {"appId": "a"})
    assert [each["tenantId"] for each in (await one.get(f"/appid-a{TENANT}/list/v2"))["tenants"]] == ["public"]


async def test_an_app_takes_along_a_tenant_that_was_created_after_it_was_found_empty(two):
    one, other = two
    await one.put(f"{APP}/v2", {"appId": "a"})
    await other.call("GET", "/appid-a/recipe/session/user", userId="u")
    removal = one.call("POST", f"{APP}/remove", {"appId": "a"})
    async with meanwhile(Gate(one.store, "put_tenant", before=True), removal) as removing:
        await other.put(f"/appid-a{TENANT}/v2", {"tenantId": "t"})
        assert (await other.create(at="/appid-a/t"))["status"] == "OK"
    assert removing.result().json["didExist"] is True
    await one.put(f"{APP}/v2", {"appId": "a"})
    await one.put(f"/appid-a{TENANT}/v2", {"tenantId": "t"})
    assert await users_of(one, "/appid-a/t", "user-1") == []


async def test_an_app_of_the_same_name_is_another_app_in_every_process(two):
    one, other = two
    await one.put(f"{APP}/v2", {"appId": "a"})
    old = await other.create(at="/appid-a")
    await one.post(f"{APP}/remove", {"appId": "a"})
    await one.put(f"{APP}/v2", {"appId": "a"})
    two[0].clock.advance(SECOND)
    assert (await other.verify(old["accessToken"]["token"], at="/appid-a"))["status"] == "TRY_REFRESH_TOKEN"
    assert (await other.refresh(old["refreshToken"]["token"], at="/appid-a"))["status"] == "UNAUTHORISED"
    new = await other.create(at="/appid-a")
    assert (await one.verify(new["accessToken"]["token"], at="/appid-a"))["status"] == "OK"
    assert (await one.refresh(new["refreshToken"]["token"], at="/appid-a"))["status"] == "OK"


async def test_a_list_of_tenants_that_is_asked_for_while_the_app_goes_is_refused(two):
    one, other = two
    await one.put(f"{APP}/v2", {"appId": "a"})
    await other.call("GET", "/appid-a/recipe/session/user", userId="u")
    await one.post(f"{APP}/remove", {"appId": "a"})
    assert (await other.call("GET", f"/appid-a{TENANT}/list/v2")).status == 400


async def away(*_):
    raise StoreUnavailable("away")
