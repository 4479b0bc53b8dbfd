"""One handle, one meaning: what one interface lists, the other reads, changes and ends; in every tenant."""

from __future__ import annotations

import httpx
import msgspec
import pytest

from reseal import AsyncRemote
from reseal.core.access_token import Claims
from reseal.core.errors import AccessTokenTooLarge, TryRefreshToken, Unauthorised
from reseal.core.events import EventName
from reseal.settings import Settings
from tests.server.material import KEY, Core, keyed

TENANTS = ["public", "t1"]
TENANT = "/recipe/multitenancy/tenant/v2"


@pytest.fixture
async def it():
    core = Core(api_keys=(KEY,))
    call = core.call
    core.call = lambda *args, headers=(), **more: call(*args, headers=[*headers, *keyed()], **more)
    await core.service.open()
    await core.put(TENANT, {"tenantId": "t1"})
    yield core
    await core.service.close()


@pytest.fixture
def remotes(it):
    """Callers of the native interface, one for each tenant."""
    return {tenant: remote(it, tenant_id=tenant) for tenant in TENANTS}


def remote(it, **changes):
    settings = Settings(api_domain="https://api.example.com", **changes)
    transport = httpx.ASGITransport(it.service)
    return AsyncRemote(settings, "https://service", api_key=KEY, clock=it.clock, transport=transport)


@pytest.mark.parametrize("tenant", TENANTS)
async def test_what_was_begun_natively_is_read_changed_and_ended_over_the_wire(it, remotes, tenant):
    async with remotes[tenant] as mine:
        pair = await mine.create("user", {"a": 1}, {"b": 1})
        listed = (await it.get("/recipe/session/user", userId="user"))["sessionHandles"]
        assert listed == [pair.claims.sid]
        (handle,) = listed
        shown = await it.get("/recipe/session", sessionHandle=handle)
        assert (shown["status"], shown["userId"], shown["tenantId"]) == ("OK", "user", tenant)
        assert (shown["userDataInJWT"], shown["userDataInDatabase"]) == ({"a": 1}, {"b": 1})
        for name, path in (("userDataInJWT", "jwt"), ("userDataInDatabase", "session")):
            changed = await it.put(f"/recipe/{path}/data", {"sessionHandle": handle, name: {"c": 2}})
            assert changed == {"status": "OK"}
        refreshed = await mine.refresh(pair.refresh_token)
        assert mine.verify(refreshed.access_token).jwt_payload() == {"c": 2}
        ended = await it.post("/recipe/session/remove", {"sessionHandles": [handle]})
        assert ended["sessionHandlesRevoked"] == [handle]
        with pytest.raises(Unauthorised):
            await mine.check(pair.claims)


@pytest.mark.parametrize("tenant", TENANTS)
async def test_what_was_begun_over_the_wire_is_read_changed_and_ended_natively(it, remotes, tenant):
    created = await it.create("user", at=f"/{tenant}", jwt={"a": 1})
    handle = created["session"]["handle"]
    async with remotes[tenant] as mine:
        assert [record.handle for record in await mine.list_user("user")] == [handle]
        assert (await mine.get(handle)).user_id == "user"
        await mine.update(handle, jwt_payload={"a": 2}, session_data={"b": 2})
        shown = await it.get("/recipe/session", sessionHandle=handle)
        assert (shown["userDataInJWT"], shown["userDataInDatabase"]) == ({"a": 2}, {"b": 2})
        body = {"accessToken": created["accessToken"]["token"]}
        regenerated = await it.post("/recipe/session/regenerate", body)
        assert regenerated["session"]["userDataInJWT"] == {"a": 2}
        assert await mine.revoke([handle]) == (handle,)
        assert (await it.get("/recipe/session", sessionHandle=handle))["status"] == "UNAUTHORISED"


async def test_either_interface_ends_all_sessions_of_a_user(it, remotes):
    async with remotes["public"] as public, remotes["t1"] as other:
        for ended_by in ("wire", "native"):
            pairs = [await each.create("user") for each in (public, other)]
            wired = [(await it.create("user", at=at))["session"]["handle"] for at in ("", "/t1")]
            everything = {*wired, *(pair.claims.sid for pair in pairs)}
            assert {*(await it.get("/recipe/session/user", userId="user"))["sessionHandles"]} == everything
            if ended_by == "wire":
                ended = (await it.post("/recipe/session/remove", {"userId": "user"}))["sessionHandlesRevoked"]
            else:
                ended = [*await public.revoke_user("user"), *await other.revoke_user("user")]
            assert {*ended} == everything
            assert (await it.get("/recipe/session/user", userId="user"))["sessionHandles"] == []


async def test_a_session_without_a_user_id_is_read_and_ended_natively(it, remotes):
    handle = (await it.create(""))["session"]["handle"]
    async with remotes["public"] as mine:
        assert (await mine.get(handle)).user_id == ""
        assert await mine.revoke([handle]) == (handle,)


async def test_a_payload_too_large_for_a_native_token_is_refused_at_the_refresh_and_nothing_is_lost(it, remotes):
    async with remotes["public"] as mine:
        pair = await mine.create("user")
        data = {"sessionHandle": pair.claims.sid, "userDataInJWT": {"text": "x" * 9_000}}
        assert await it.put("/recipe/jwt/data", data) == {"status": "OK"}
        with pytest.raises(AccessTokenTooLarge, match="'text'"):
            await mine.refresh(pair.refresh_token)
        await mine.update(pair.claims.sid, jwt_payload={"text": "short"})
        refreshed = await mine.refresh(pair.refresh_token)
        assert mine.verify(refreshed.access_token).jwt_payload() == {"text": "short"}


async def test_a_token_is_written_anew_from_the_stored_session_and_not_from_what_the_caller_says(it, remotes):
    async with remotes["public"] as mine:
        pair = await mine.create("user", {"role": "reader"})
        record = await mine.get(pair.claims.sid)
        said = changed(pair.claims, sub="admin", exp=2**50, payload=msgspec.Raw(b'{"role":"admin"}'), gen=7, iss="x")
        it.events.clear()
        claims = mine.verify((await mine.reissue(said, record)).access_token)
        assert (claims.sub, claims.jwt_payload(), claims.gen) == ("user", {"role": "reader"}, 0)
        assert claims.exp == it.clock.wall() // 1000 + 3600
        assert [(event.name, event.session_handle) for event in it.events] == [
            (EventName.ACCESS_TOKEN_REISSUED, pair.claims.sid)
        ]
        await mine.revoke([pair.claims.sid])
        for unknown in (pair.claims, changed(pair.claims, sid="nobody")):
            with pytest.raises(Unauthorised):
                await mine.reissue(unknown, record)


async def test_no_caller_makes_access_tokens_live_longer_than_the_app_allows(it):
    await it.put("/recipe/multitenancy/app/v2", {"appId": "a", "coreConfig": {"access_token_validity": 60}})
    async with remote(it, app_id="a", access_token_validity=86_400) as mine:
        pair = await mine.create("user")
        again = await mine.reissue(pair.claims, await mine.get(pair.claims.sid))
        refreshed = await mine.refresh(pair.refresh_token)
        assert {each.claims.exp - each.claims.iat for each in (pair, again, refreshed)} == {60}
        it.clock.advance(60_000)
        with pytest.raises(TryRefreshToken):
            mine.verify(pair.access_token)


def changed(claims: Claims, **changes) -> Claims:
    return msgspec.structs.replace(claims, **changes)
