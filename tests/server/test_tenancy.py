"""Apps and tenants (core interface, section 2.9)."""

from __future__ import annotations

import asyncio

import pytest

from reseal import AsyncMemoryStore
from reseal.core.model import Scope
from reseal.testing import ManualClock
from tests.server.material import SECOND, Core, core

APP = "/recipe/multitenancy/app"
TENANT = "/recipe/multitenancy/tenant"
CREATED = {"status": "OK", "createdNew": True}
CHANGED = {"status": "OK", "createdNew": False}


async def test_a_test_suite_makes_an_app_of_its_own_without_naming_a_version():
    async with core() as it:
        body = {"appId": "A1-b", "coreConfig": {"access_token_validity": 7}}
        assert await it.put(f"{APP}/v2", body, cdi=None) == CREATED
        assert await it.put(f"{APP}/v2", body, cdi=None) == CHANGED
        created = await it.create(at="/appid-a1-b")
        assert created["accessToken"]["expiry"] == it.clock.wall() + 7_000
        assert (await it.create())["accessToken"]["expiry"] == it.clock.wall() + 3_600_000


async def test_configuration_is_merged_and_null_takes_a_key_back():
    async with core() as it:
        for change, shown in (
            ({"access_token_validity": 7}, {"access_token_validity": 7}),
            ({"refresh_token_validity": 500}, {"access_token_validity": 7, "refresh_token_validity": 500}),
            ({"access_token_validity": None}, {"refresh_token_validity": 500}),
            ({}, {"refresh_token_validity": 500}),
        ):
            await it.put(f"{APP}/v2", {"appId": "a", "coreConfig": change})
            assert (await it.get(f"/appid-a{TENANT}/v2"))["coreConfig"] == shown


@pytest.mark.parametrize(
    ("app_id", "text"),
    [
        ("a_b", "appId can only contain letters, numbers and hyphens"),
        ("a/b", "appId can only contain letters, numbers and hyphens"),
        ("é", "appId can only contain letters, numbers and hyphens"),
        ("appid-x", "appId must not start with 'appid-'"),
        ("x" * 65, "appId can have 64 characters at most"),
    ],
)
async def test_the_id_of_an_app_is_part_of_a_path(app_id, text):
    async with core() as it:
        assert (await it.call("PUT", f"{APP}/v2", {"appId": app_id})).problem == (400, text)


@pytest.mark.parametrize("tenant_id", ["recipe", "config", "users", "HELLO"])
async def test_a_tenant_may_not_be_called_like_a_path(tenant_id):
    async with core() as it:
        answer = await it.call("PUT", f"{TENANT}/v2", {"tenantId": tenant_id})
        assert answer.problem == (400, f"Cannot use '{tenant_id.lower()}' as a tenantId")


async def test_the_configuration_of_the_service_itself_is_not_changed_this_way():
    async with core() as it:
        body = {"coreConfig": {"access_token_validity": 7}}
        for path in (f"{APP}/v2", f"{TENANT}/v2", APP, TENANT):
            assert (await it.call("PUT", path, body)).problem == (400, "Cannot modify base config")
            assert await it.put(path, {}) == CHANGED


UNFIT = {
    "Invalid config key: no_such_key": {"no_such_key": 1},
    "port can only be set via the core's base config setting": {"port": 1},
    "'access_token_validity' must be between 1 and 86400000 seconds inclusive.": {"access_token_validity": 0},
    "'access_token_validity' must be a whole number": {"access_token_validity": "x"},
    "'refresh_token_validity' must be strictly greater than 'access_token_validity'.": {
        "access_token_validity": 600,
        "refresh_token_validity": 1,
    },
    "'access_token_dynamic_signing_key_update_interval' must be greater than, equal to 1 hour.": {
        "access_token_dynamic_signing_key_update_interval": 0
    },
    "'refresh_token_rotation_grace_period' must be between 0 and 300 seconds inclusive.": {
        "refresh_token_rotation_grace_period": 301
    },
    "'access_token_validity_jitter' must be between 0 and 0.25 inclusive.": {"access_token_validity_jitter": 0.3},
    "'access_token_blacklisting' must be true or false": {"access_token_blacklisting": "a"},
}
"""What is wrong with each configuration, in the words of the interface."""


@pytest.mark.parametrize("reason", UNFIT)
async def test_an_unfit_configuration_is_refused_and_nothing_is_created(reason):
    async with core() as it:
        answer = await it.call("PUT", f"{APP}/v2", {"appId": "a", "coreConfig": UNFIT[reason]})
        assert answer.problem == (400, f"Invalid core config: {reason}")
        assert [app["appId"] for app in (await it.get(f"{APP}/list/v2"))["apps"]] == ["public"]


async def test_apps_are_listed_with_their_tenants():
    async with core() as it:
        await it.put(f"{APP}/v2", {"appId": "a", "coreConfig": {"access_token_validity": 7}})
        await it.put(f"/appid-a{TENANT}/v2", {"tenantId": "t"})
        plain = {"thirdParty": {"providers": []}}
        assert await it.get(f"{APP}/list/v2") == {
            "status": "OK",
            "apps": [
                {"appId": "public", "tenants": [{"tenantId": "public", **plain, "coreConfig": {}}]},
                {
                    "appId": "a",
                    "tenants": [
                        {"tenantId": "public", **plain, "coreConfig": {"access_token_validity": 7}},
                        {"tenantId": "t", **plain, "coreConfig": {}},
                    ],
                },
            ],
        }
        names = [tenant["tenantId"] for tenant in (await it.get(f"/appid-a{TENANT}/list/v2"))["tenants"]]
        assert names == ["public", "t"]


async def test_the_first_shape_says_which_ways_to_sign_in_are_on():
    async with core() as it:
        assert await it.put(TENANT, {"tenantId": "t", "emailPasswordEnabled": True}, cdi="3.0") == CREATED
        shown = {
            "tenantId": "t",
            "emailPassword": {"enabled": True},
            "thirdParty": {"enabled": False, "providers": []},
            "passwordless": {"enabled": False},
            "coreConfig": {},
        }
        assert await it.get(f"/t{TENANT}", cdi="3.0") == {"status": "OK"} | shown
        assert (await it.get(f"{TENANT}/list", cdi="3.0"))["tenants"][1] == shown
        assert (await it.get(f"{APP}/list", cdi="3.0"))["apps"][0]["tenants"][1] == shown
        assert (await it.get(TENANT, cdi="3.0"))["emailPassword"] == {"enabled": True}


async def test_factors_are_kept_and_null_takes_them_back():
    async with core() as it:
        factors = {"firstFactors": ["a", "b"], "requiredSecondaryFactors": ["c"]}
        await it.put(f"{TENANT}/v2", {"tenantId": "t", **factors})
        assert (await it.get(f"/t{TENANT}/v2")).items() >= factors.items()
        await it.put(f"{TENANT}/v2", {"tenantId": "t", "firstFactors": None})
        shown = await it.get(f"/t{TENANT}/v2")
        assert "firstFactors" not in shown
        assert shown["requiredSecondaryFactors"] == ["c"]
        answer = await it.call("PUT", f"{TENANT}/v2", {"tenantId": "t", "firstFactors": [1]})
        assert answer.problem == (400, "Field name 'firstFactors' is invalid in JSON input")


async def test_a_tenant_that_there_is_not_is_no_error_where_one_asks_for_it():
    async with core() as it:
        for path in (f"/nope{TENANT}", f"/nope{TENANT}/v2"):
            assert await it.get(path) == {"status": "TENANT_NOT_FOUND_ERROR"}


async def test_removing_a_tenant_removes_its_sessions():
    async with core() as it:
        await it.put(f"{TENANT}/v2", {"tenantId": "t"})
        handle = (await it.create(at="/t"))["session"]["handle"]
        assert await it.post(f"{TENANT}/remove", {"tenantId": "t"}) == {"status": "OK", "didExist": True}
        assert await it.post(f"{TENANT}/remove", {"tenantId": "t"}) == {"status": "OK", "didExist": False}
        assert (await it.get("/recipe/session", sessionHandle=handle))["status"] == "UNAUTHORISED"
        assert (await it.call("GET", "/t/recipe/session/user", userId="u")).status == 400
        answer = await it.call("POST", f"{TENANT}/remove", {"tenantId": "public"})
        assert answer.status == 403


async def test_an_app_goes_only_without_tenants_and_takes_sessions_and_keys_along():
    async with core() as it:
        await it.put(f"{APP}/v2", {"appId": "a"})
        await it.put(f"/appid-a{TENANT}/v2", {"tenantId": "t"})
        token = (await it.create(at="/appid-a"))["accessToken"]["token"]
        assert (await it.call("POST", f"{APP}/remove", {"appId": "a"})).status == 403
        await it.post(f"/appid-a{TENANT}/remove", {"tenantId": "t"})
        assert await it.post(f"{APP}/remove", {"appId": "a"}) == {"status": "OK", "didExist": True}
        assert await it.post(f"{APP}/remove", {"appId": "a"}) == {"status": "OK", "didExist": False}
        assert (await it.call("GET", "/appid-a/recipe/session/user", userId="u")).status == 400
        it.clock.advance(1)
        await it.put(f"{APP}/v2", {"appId": "a"})
        assert (await it.verify(token, at="/appid-a"))["status"] == "TRY_REFRESH_TOKEN"
        assert (await it.get("/appid-a/recipe/session/user", userId="user-1"))["sessionHandles"] == []


async def test_one_app_does_not_manage_another():
    async with core() as it:
        for app in ("a", "b"):
            await it.put(f"{APP}/v2", {"appId": app})
        refused = (403, "Only the public app can manage other apps")
        assert (await it.call("PUT", f"/appid-a{APP}/v2", {"appId": "b"})).problem == refused
        assert (await it.call("PUT", f"/appid-a{APP}/v2", {"appId": "c"})).problem == refused
        assert (await it.call("POST", f"/appid-a{APP}/remove", {"appId": "b"})).problem == refused
        assert (await it.call("GET", f"/appid-a{APP}/list/v2")).problem == refused
        assert await it.put(f"/appid-a{APP}/v2", {"appId": "a"}) == CHANGED
        assert (await it.call("POST", f"{APP}/remove", {"appId": "public"})).status == 403


async def test_one_tenant_does_not_manage_another():
    async with core() as it:
        for tenant in ("t1", "t2"):
            await it.put(f"{TENANT}/v2", {"tenantId": tenant})
        assert (await it.call("PUT", f"/t1{TENANT}/v2", {"tenantId": "t2"})).status == 403
        assert (await it.call("PUT", f"/t1{TENANT}/v2", {"tenantId": "t3"})).status == 403
        assert await it.put(f"/t1{TENANT}/v2", {"tenantId": "t1"}) == CHANGED
        assert (await it.call("POST", f"/t1{TENANT}/remove", {"tenantId": "t2"})).status == 403


async def test_an_app_is_known_to_every_process_at_once():
    clock = ManualClock()
    store = AsyncMemoryStore(clock)
    one, two = Core(store=store, clock=clock), Core(store=store, clock=clock)
    for it in (one, two):
        await it.service.open()
    assert (await two.call("GET", "/appid-a/recipe/session/user", userId="u")).status == 400
    await one.put(f"{APP}/v2", {"appId": "a"})
    assert (await two.call("GET", "/appid-a/recipe/session/user", userId="u")).status == 200


async def test_whoever_has_no_key_cannot_make_the_store_look_for_apps():
    clock, reads = ManualClock(), []
    store = AsyncMemoryStore(clock)
    changed = store.changed_tenants

    async def counted(*since):
        reads.append(1)
        return await changed(*since)

    store.changed_tenants = counted
    it = Core(store=store, clock=clock)
    await it.service.open()
    assert len(reads) == 1
    for seconds in (1, 2):
        for n in range(50):
            assert (await it.call("GET", f"/appid-x{n}/hello")).status == 400
        assert len(reads) == seconds
        clock.advance(1_000)


class Counting(AsyncMemoryStore):
    """A store that counts the questions for changes and the rows that it gives, and answers when it is let."""

    def __init__(self, clock):
        super().__init__(clock)
        self.asked, self.given = 0, 0
        self.free = asyncio.Event()
        self.free.set()

    async def changed_tenants(self, since=0, limit=500):
        self.asked += 1
        await self.free.wait()
        changes = await super().changed_tenants(since, limit)
        self.given += len(changes.there) + len(changes.gone)
        return changes


@pytest.fixture
async def many():
    """A service with 300 apps and 300 tenants of one app, all of them read, and its store."""
    clock = ManualClock()
    store = Counting(clock)
    for n in range(300):
        await store.put_tenant(Scope(f"app{n}", "public"), b"{}")
        await store.put_tenant(Scope("app0", f"tenant{n}"), b'{"coreConfig": {}}')
    it = Core(store=store, clock=clock)
    await it.service.open()
    store.asked = store.given = 0
    yield it
    await it.service.close()


async def test_of_many_apps_and_tenants_only_those_that_changed_are_read(many):
    directory, store, clock = many.service.directory, many.store, many.clock
    apps = await directory.apps()
    store.asked = 0
    for _ in range(5):
        clock.advance(SECOND)
        assert await directory.find("app7", "public") is apps["app7"]
    assert (store.asked, store.given) == (5, 0)
    await store.put_tenant(Scope("app0", "tenant5"), b'{"coreConfig": {"access_token_validity": 3600}}')
    await store.put_tenant(Scope("app9", "public"), b'{"coreConfig": {"access_token_validity": 60}}')
    await store.remove_tenant(Scope("app8", "public"))
    clock.advance(SECOND)
    changed = await directory.find("app9", "public")
    assert (store.asked, store.given) == (6, 3)
    assert changed.driver.app.access_token_ms == 60_000
    assert await directory.find("app8", "public") is None
    now = await directory.apps()
    assert now["app0"].tenants["tenant5"] == {"access_token_validity": 3600}
    assert [name for name in apps if now.get(name) is not apps[name]] == ["app8", "app9"]


async def test_a_busy_service_asks_for_changes_beside_its_requests(many):
    directory, store, clock = many.service.directory, many.store, many.clock
    known = await directory.find("app1", "public")
    store.free.clear()  # from now on the store is slow
    clock.advance(SECOND // 2)
    for _ in range(20):
        assert await directory.find("app1", "public") is known
    await asyncio.sleep(0)
    assert store.asked == 1
    await store.put_tenant(Scope("app1", "public"), b'{"coreConfig": {"access_token_validity": 60}}')
    store.free.set()
    await directory._reloading
    assert (await directory.find("app1", "public")).driver.app.access_token_ms == 60_000


async def test_while_the_store_is_silent_an_idle_service_goes_by_what_it_knows(many, monkeypatch):
    monkeypatch.setattr("reseal.server.tenants.directory.WAIT_AT_MOST", 0.01)
    directory, store, clock = many.service.directory, many.store, many.clock
    known = await directory.find("app1", "public")
    await store.put_tenant(Scope("app1", "public"), b'{"coreConfig": {"access_token_validity": 60}}')
    store.free.clear()
    clock.advance(60 * SECOND)
    assert await directory.find("app1", "public") is known
    assert store.asked == 1
    assert await directory.find("app1", "public") is known
    store.free.set()
    await directory._reloading
    assert (await directory.find("app1", "public")).driver.app.access_token_ms == 60_000


async def test_after_an_older_state_was_restored_the_tenants_are_those_of_that_state():
    clock = ManualClock()
    store, older = AsyncMemoryStore(clock), AsyncMemoryStore(clock)
    await older.put_tenant(Scope("a", "public"), b"{}")
    for name in ("a", "b", "c"):
        await store.put_tenant(Scope(name, "public"), b"{}")
    it = Core(store=store, clock=clock)
    await it.service.open()
    assert set(await it.service.directory.apps()) == {"public", "a", "b", "c"}
    vars(store).update(vars(older))
    assert set(await it.service.directory.apps()) == {"public", "a"}
