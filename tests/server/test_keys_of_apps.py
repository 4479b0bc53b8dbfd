"""API keys that an app has of its own (``coreConfig``): valid for that app and no other, by whichever interface."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from reseal import AsyncMemoryStore
from reseal.rpc.calls import PREFIX, profile_of
from reseal.settings import Settings
from reseal.testing import ManualClock
from tests.server.material import KEY, Core, core, keyed

APP = "/recipe/multitenancy/app/v2"
LIST = "/recipe/multitenancy/app/list/v2"
OWN = "own-key-of-the-shop-0123456789"
NEXT = "next-key-of-the-shop-012345678"
OTHER = "own-key-of-the-other-012345678"
USER = "/recipe/session/user?userId=u"
REFUSED = (401, "Invalid API key")
BASES = pytest.mark.parametrize("base", [(), (KEY,)], ids=["no key of the service", "a key of the service"])


async def with_shops(it, base):
    for app, key in (("shop", OWN), ("other", OTHER)):
        body = {"appId": app, "coreConfig": {"api_keys": key}}
        assert (await it.call("PUT", APP, body, headers=keyed(*base))).json["createdNew"] is True


async def status(it, path, key):
    return (await it.call("GET", path, headers=keyed(key) if key else [])).status


@BASES
async def test_a_key_of_an_app_opens_this_app_and_nothing_else(base):
    async with core(api_keys=base) as it:
        await with_shops(it, base)
        for path in (f"/appid-shop{USER}", "/appid-shop/recipe/multitenancy/tenant/list/v2", "/appid-shop/apiversion"):
            assert await status(it, path, OWN) == 200
            for wrong in (None, OTHER, OWN[:-1], f"{OWN}x", OWN.upper()):
                assert await status(it, path, wrong) == 401, (path, wrong)
            if base:
                assert await status(it, path, KEY) == 200, "the service's own keys go on"
        for path in (USER, f"/appid-other{USER}", LIST, "/metrics"):
            assert await status(it, path, OWN) == (401 if base or "other" in path else 200)
        assert (await it.call("GET", "/appid-shop/.well-known/jwks.json")).status == 200


async def test_a_key_of_an_app_cannot_do_what_concerns_the_service():
    async with core(api_keys=(KEY,)) as it:
        await with_shops(it, (KEY,))
        for method, path, body in (
            ("GET", f"/appid-shop{LIST}", None),
            ("PUT", f"/appid-shop{APP}", {"appId": "other", "coreConfig": {}}),
            ("PUT", f"/appid-shop{APP}", {"appId": "third", "coreConfig": {}}),
            ("GET", "/appid-shop/metrics", None),
        ):
            assert (await it.call(method, path, body, headers=keyed(OWN))).status in {403, 404}, path


@BASES
async def test_over_the_native_interface_it_opens_the_same_app_and_nothing_else(base):
    async with (
        core(api_keys=base) as it,
        httpx.AsyncClient(transport=httpx.ASGITransport(it.service), base_url=f"http://service{PREFIX}") as client,
    ):
        await with_shops(it, base)

        async def answered(app_id, key):
            settings = Settings(api_domain="https://api.example.com", app_id=app_id)
            body = {"profile": msgspec.to_builtins(profile_of(settings)), "user_id": "u"}
            reply = await client.post("list_user", json=body, headers={"api-key": key} if key else {})
            return reply.status_code

        assert await answered("shop", OWN) == 200
        assert await answered("other", OTHER) == 200
        for app_id, key in (("shop", None), ("shop", "x" * 32)):
            assert await answered(app_id, key) == 401
        for app_id, key in (("shop", OTHER), ("other", OWN), ("public", OWN)):
            assert await answered(app_id, key) == 403
        assert await answered("public", base[0] if base else None) == 200


async def test_only_hashes_are_stored_and_shown_and_may_be_put_back():
    async with core() as it:
        await with_shops(it, ())
        shown = (await it.call("GET", "/appid-shop/recipe/multitenancy/tenant/v2", headers=keyed(OWN))).json
        text = shown["coreConfig"]["api_keys"]
        assert text.startswith("sha256:")
        listed = (await it.call("GET", LIST)).text
        stored = b"".join(row.config for row in (await it.store.changed_tenants(0)).there).decode()
        assert text in listed
        assert OWN not in listed + stored
        answer = await it.call("PUT", APP, {"appId": "shop", "coreConfig": {"api_keys": text}})
        assert answer.json == {"status": "OK", "createdNew": False}
        assert await status(it, f"/appid-shop{USER}", OWN) == 200


async def test_keys_are_rolled_over_and_taken_back():
    async with core(api_keys=(KEY,)) as it:
        await with_shops(it, (KEY,))

        async def put(keys, sender=KEY, at=""):
            body = {"appId": "shop", "coreConfig": {"api_keys": keys}}
            return (await it.call("PUT", f"{at}{APP}", body, headers=keyed(sender))).status

        assert await put(f"{OWN}, {NEXT}", OWN, "/appid-shop") == 200, "through the app itself"
        assert [await status(it, f"/appid-shop{USER}", key) for key in (OWN, NEXT)] == [200, 200]
        assert await put(NEXT) == 200
        assert [await status(it, f"/appid-shop{USER}", key) for key in (OWN, NEXT)] == [401, 200]
        for nothing in ("", None):
            assert await put(NEXT) == 200
            assert await put(nothing) == 200
            assert [await status(it, f"/appid-shop{USER}", key) for key in (NEXT, KEY)] == [401, 200]
        assert await put("short") == 400
        assert await status(it, f"/appid-shop{USER}", KEY) == 200


async def test_a_tenant_may_not_have_keys_of_its_own():
    async with core() as it:
        await with_shops(it, ())
        path = "/appid-shop/recipe/multitenancy/tenant/v2"
        for keys, expected in ((OWN, 200), (NEXT, 400)):
            body = {"tenantId": "t1", "coreConfig": {"api_keys": keys}}
            assert (await it.call("PUT", path, body, headers=keyed(OWN))).status == expected
        assert await status(it, f"/appid-shop/t1{USER}&fetchAcrossAllTenants=false", OWN) == 200
        assert await status(it, f"/appid-shop/t1{USER}&fetchAcrossAllTenants=false", None) == 401


@BASES
async def test_another_process_asks_for_the_key_at_once_and_takes_it_within_a_second(base):
    clock = ManualClock()
    store = AsyncMemoryStore(clock)
    one, two = (Core(store=store, clock=clock, api_keys=base) for _ in range(2))
    for it in (one, two):
        await it.service.open()
    await with_shops(one, base)
    assert await status(two, f"/appid-shop{USER}", None) == 401
    clock.advance(1_000)
    assert await status(two, f"/appid-shop{USER}", OWN) == 200
    body = {"appId": "shop", "coreConfig": {"api_keys": NEXT}}
    assert (await one.call("PUT", APP, body, headers=keyed(*base))).status == 200
    clock.advance(1_000)
    assert [await status(two, f"/appid-shop{USER}", key) for key in (OWN, NEXT)] == [401, 200]
    for it in (one, two):
        await it.service.close()


async def test_the_key_of_a_removed_app_is_worth_nothing_and_not_either_for_one_of_the_same_name():
    async with core(api_keys=(KEY,)) as it:
        await with_shops(it, (KEY,))
        body = {"appId": "shop"}
        await it.call("POST", "/recipe/multitenancy/app/remove", body, headers=keyed())
        assert await status(it, f"/appid-shop{USER}", OWN) == 401
        await it.call("PUT", APP, body, headers=keyed())
        assert await status(it, f"/appid-shop{USER}", OWN) == 401
        assert await status(it, f"/appid-shop{USER}", KEY) == 200
