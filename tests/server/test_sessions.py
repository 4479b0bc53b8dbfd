"""Data, payload, information, listing, revoking, one tenant or all of them (core interface, section 4.6)."""

from __future__ import annotations

import pytest

from tests.server.material import DAY, core, is_older, under

GONE = {"status": "UNAUTHORISED", "message": "Session does not exist."}
TENANT_V2 = "/recipe/multitenancy/tenant/v2"
PATHS = {"userDataInDatabase": "/recipe/session/data", "userDataInJWT": "/recipe/jwt/data"}


@pytest.mark.parametrize("name", PATHS)
async def test_putting_replaces_the_whole_object(name):
    async with core() as it:
        handle = (await it.create(jwt={"a": 1}, data={"a": 1}))["session"]["handle"]
        for value in ({"b": None, "c": [1.5, "ü", {"d": False}]}, {}):
            assert await it.put(PATHS[name], {"sessionHandle": handle, name: value}) == {"status": "OK"}
            assert await it.get(PATHS[name], sessionHandle=handle) == {"status": "OK", name: value}


@pytest.mark.parametrize("handle", ["", "unknown", "a_b", "a_public", "x" * 500, "a\0b", "é", "a'--", "_", "../a"])
async def test_what_is_no_session_does_not_exist(handle):
    async with core() as it:
        for path in ("/recipe/session", *PATHS.values()):
            assert await it.get(path, sessionHandle=handle) == GONE
        for name, path in PATHS.items():
            assert await it.put(path, {"sessionHandle": handle, name: {}}) == GONE
        assert (await it.post("/recipe/session/remove", {"sessionHandles": [handle]}))["sessionHandlesRevoked"] == []


async def test_an_expired_or_revoked_session_does_not_exist():
    async with core(refresh_token_validity=60 * 24) as it:
        expired = (await it.create())["session"]["handle"]
        it.clock.advance(DAY)
        revoked = (await it.create())["session"]["handle"]
        await it.post("/recipe/session/remove", {"sessionHandles": [revoked]})
        for handle in (expired, revoked):
            assert await it.get("/recipe/session", sessionHandle=handle) == GONE
            body = {"sessionHandle": handle, "userDataInDatabase": {}}
            assert await it.put("/recipe/session/data", body) == GONE
        assert (await it.get("/recipe/session/user", userId="user-1"))["sessionHandles"] == []


async def test_listing_and_revoking_concern_one_user():
    async with core() as it:
        mine = []
        for _ in range(3):
            it.clock.advance(1)
            mine.append((await it.create("a"))["session"]["handle"])
        other = (await it.create("b"))["session"]["handle"]
        assert (await it.get("/recipe/session/user", userId="a"))["sessionHandles"] == mine
        revoked = await it.post("/recipe/session/remove", {"sessionHandles": [mine[0], "unknown", mine[0]]})
        assert revoked == {"status": "OK", "sessionHandlesRevoked": [mine[0]]}
        assert set((await it.post("/recipe/session/remove", {"userId": "a"}))["sessionHandlesRevoked"]) == set(mine[1:])
        assert (await it.post("/recipe/session/remove", {"userId": "a"}))["sessionHandlesRevoked"] == []
        assert (await it.get("/recipe/session/user", userId="b"))["sessionHandles"] == [other]


async def test_revoking_nothing_is_allowed():
    async with core() as it:
        shown = await it.post("/recipe/session/remove", {"sessionHandles": []})
        assert shown == {"status": "OK", "sessionHandlesRevoked": []}


async def test_the_first_version_revokes_by_user_handle_or_handles():
    async with core() as it:
        for body, count in (
            (lambda handle: {"userId": "user-1"}, 1),
            (lambda handle: {"sessionHandle": handle}, 1),
            (lambda handle: {"sessionHandles": [handle]}, 1),
            (lambda handle: {"sessionHandle": "unknown"}, 0),
        ):
            handle = (await it.create(cdi="1.0"))["session"]["handle"]
            shown = (await it.call("DELETE", "/session", body(handle), cdi=None)).json
            assert shown["numberOfSessionsRevoked"] == count


async def with_tenants(it):
    handles = {}
    for tenant in ("public", "t1", "t2"):
        if tenant != "public":
            await it.put(TENANT_V2, {"tenantId": tenant})
        handles[tenant] = (await it.create("u", at=f"/{tenant}"))["session"]["handle"]
    return handles


async def test_a_session_belongs_to_the_tenant_of_its_path():
    async with core() as it:
        handles = await with_tenants(it)
        assert handles["t1"].endswith("_t1")
        assert "_" not in handles["public"]
        for tenant, handle in handles.items():
            shown = await it.get("/recipe/session", sessionHandle=handle)
            assert shown["tenantId"] == tenant


@pytest.mark.parametrize("cdi", ["3.0", "5.4"])
async def test_a_user_is_listed_across_tenants_unless_told_otherwise(cdi):
    async with core() as it:
        handles = await with_tenants(it)
        everywhere = await it.get("/recipe/session/user", cdi=cdi, userId="u")
        assert everywhere["sessionHandles"] == list(handles.values())
        for tenant, handle in handles.items():
            path = f"/{tenant}/recipe/session/user"
            for value in ("false", "no", ""):
                shown = await it.get(path, cdi=cdi, userId="u", fetchAcrossAllTenants=value)
                assert shown["sessionHandles"] == [handle]


async def test_across_all_tenants_through_another_one_is_refused_from_5_0_on():
    only_public = (403, "Only public tenantId can call this app specific API")
    async with core() as it:
        handles = await with_tenants(it)
        for query in ("userId=u", "userId=u&fetchAcrossAllTenants=true"):
            assert (await it.call("GET", f"/t1/recipe/session/user?{query}")).problem == only_public
            shown = await it.get(f"/t1/recipe/session/user?{query}", cdi="4.0")
            assert len(shown["sessionHandles"]) == 3
        answer = await it.call("POST", "/t1/recipe/session/remove", {"userId": "u"})
        assert answer.problem == only_public
        shown = await it.post("/t1/recipe/session/remove", {"sessionHandles": [handles["t2"]]})
        assert shown["sessionHandlesRevoked"] == [handles["t2"]], "handles name their tenant themselves"


async def test_a_user_is_signed_out_of_one_tenant_or_of_all():
    async with core() as it:
        handles = await with_tenants(it)
        body = {"userId": "u", "revokeAcrossAllTenants": False}
        assert (await it.post("/t1/recipe/session/remove", body))["sessionHandlesRevoked"] == [handles["t1"]]
        rest = await it.post("/recipe/session/remove", {"userId": "u"}, cdi="3.0")
        assert set(rest["sessionHandlesRevoked"]) == {handles["public"], handles["t2"]}


@pytest.mark.parametrize("at", ["", "/public", "/t1", "/t2"])
async def test_tokens_and_handles_work_through_every_tenant_of_their_app(at):
    async with core() as it:
        await with_tenants(it)
        created = await it.create("v", at="/t1")
        refreshed = await it.refresh(created["refreshToken"]["token"], at=at)
        assert refreshed["session"]["tenantId"] == "t1"
        promoted = await it.verify(refreshed["accessToken"]["token"], at=at, check_database=True)
        assert promoted["session"]["tenantId"] == "t1"
        body = {"accessToken": promoted["accessToken"]["token"]}
        assert (await it.post(f"{at}/recipe/session/regenerate", body))["session"]["tenantId"] == "t1"
        handle = created["session"]["handle"]
        assert (await it.get(f"{at}/recipe/session", sessionHandle=handle))["status"] == "OK"


NASTY = [
    "Alice", "alice", "ALICE", "a", "a ", " a", "é", "e\u0301", "I", "ı", "i", "İ", "ß", "ss", "\U0001f600",
    "a\u200bb", "ab", "a+b", "a b", "a%20b", "a&userId=b", "' OR 1=1 --", "\u202eabc", "\ufeff", "x" * 512, "null",
]  # fmt: skip


async def test_user_ids_survive_byte_for_byte_and_never_meet():
    async with core() as it:
        handles = {}
        for user in NASTY:
            created = await it.create(user)
            assert created["session"]["userId"] == user
            handles[user] = created["session"]["handle"]
        for user in NASTY:
            shown = await it.get("/recipe/session/user", userId=user)
            assert shown["sessionHandles"] == [handles[user]], user
            assert (await it.get("/recipe/session", sessionHandle=handles[user]))["userId"] == user
        for user in NASTY:
            shown = await it.post("/recipe/session/remove", {"userId": user})
            assert shown["sessionHandlesRevoked"] == [handles[user]], user


@pytest.mark.parametrize("cdi", ["1.0", "2.0", "2.3", "2.4", "2.8", "2.20", "2.21", "3.0", "4.0", "5.0", "5.4", "5.6"])
async def test_a_user_without_an_id_has_a_session_like_any_other(cdi):
    async with core() as it:
        first, others = await it.create("", cdi=cdi, jwt={"a": 1}), await it.create("somebody", cdi=cdi)
        assert first["session"]["userId"] == ""
        handle = first["session"]["handle"]
        refreshed = await it.refresh(first["refreshToken"]["token"], cdi=cdi)
        verified = await it.verify(refreshed["accessToken"]["token"], cdi=cdi)
        assert (verified["status"], verified["session"]["userId"]) == ("OK", "")
        if not is_older(cdi, "2.0"):
            body = {"accessToken": refreshed["accessToken"]["token"], "userDataInJWT": {"a": 2}}
            regenerated = await it.post(f"{under(cdi)}/session/regenerate", body, cdi=cdi)
            assert (regenerated["session"]["userId"], regenerated["session"]["userDataInJWT"]) == ("", {"a": 2})
        if not is_older(cdi, "2.8"):
            assert (await it.get("/recipe/session", sessionHandle=handle, cdi=cdi))["userId"] == ""
        listed = await it.get(f"{under(cdi)}/session/user", userId="", cdi=cdi)
        assert listed["sessionHandles"] == [handle]
        if is_older(cdi, "2.0"):
            assert (await it.call("DELETE", "/session", {"userId": ""}, cdi=cdi)).json["numberOfSessionsRevoked"] == 1
        else:
            ended = await it.post(f"{under(cdi)}/session/remove", {"userId": ""}, cdi=cdi)
            assert ended["sessionHandlesRevoked"] == [handle]
        left = await it.get(f"{under(cdi)}/session/user", userId="somebody", cdi=cdi)
        assert left["sessionHandles"] == [others["session"]["handle"]]


@pytest.mark.parametrize("user", ["a\0b", "x" * 513])
async def test_a_user_id_that_no_store_can_keep_is_refused(user):
    async with core() as it:
        body = {"userId": user, "enableAntiCsrf": False, "userDataInJWT": {}, "userDataInDatabase": {}}
        answer = await it.call("POST", "/recipe/session", body)
        assert answer.problem == (400, "Field name 'userId' is invalid in JSON input")
        assert (await it.get("/recipe/session/user", userId=user))["sessionHandles"] == []
        assert (await it.post("/recipe/session/remove", {"userId": user}))["sessionHandlesRevoked"] == []


async def test_a_query_that_is_not_text_is_refused():
    async with core() as it:
        for query in ("userId=%ff", "userId=\xe9", "userId=%ed%a0%80", "&".join(["a=b"] * 200)):
            assert (await it.call("GET", f"/recipe/session/user?{query}")).problem == (400, "Invalid query")
        first = (await it.create("a"))["session"]["handle"]
        await it.create("b")
        shown = await it.get("/recipe/session/user?userId=a&userId=b")
        assert shown["sessionHandles"] == [first]
