"""Requests that mean no good, and a store that fails (security: S74, S77, S79 to S82, S84, S85)."""

from __future__ import annotations

import json

import pytest

from reseal import AsyncMemoryStore
from reseal.cdi.paths import ROUTES, needs_key
from reseal.core.errors import StoreUnavailable
from reseal.server.http.messages import MAX_BODY
from reseal.testing import ManualClock
from tests.server.material import KEY, MINUTE, Core, core, keyed

PUBLIC = {"/", "/hello", "/healthz", "/readyz", "/.well-known/jwks.json", "/config", "/devproductionmode"}
CLOSED = [(method, path) for path, operations in ROUTES.items() if path not in PUBLIC for method in operations]
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "get", "PROPFIND", ""]
INVALID_KEY = (401, "Invalid API key")
INVALID_JSON = (400, "Invalid Json Input")
CREATE = {"userId": "u", "enableAntiCsrf": False, "userDataInJWT": {}, "userDataInDatabase": {}}


# -- S74 ------------------------------------------------------------------------------------------------------------


def test_only_the_named_paths_are_open_to_everyone():
    assert {path for path, operations in ROUTES.items() if not needs_key(operations)} == PUBLIC


@pytest.mark.parametrize(("method", "path"), CLOSED)
async def test_a_closed_path_opens_to_a_good_key_only(method, path):
    async with core(api_keys=(KEY,)) as it:
        before = await contents(it)
        for headers in (
            [],
            keyed(""),
            keyed(" "),
            keyed("wrong"),
            keyed(KEY[:-1]),
            keyed(KEY + "x"),
            keyed(KEY.upper()),
            keyed(f"{KEY},{KEY}"),
            keyed(KEY) + keyed("wrong"),
            keyed("wrong") + keyed(KEY),
            keyed(KEY) + keyed(KEY),
            [(b"authorization", b"Basic " + KEY.encode())],
            [(b"authorization", b"Bearer")],
            [(b"authorization", b"Bearer wrong"), (b"authorization", b"Bearer " + KEY.encode())],
            [(b"api-key", b"wrong"), (b"authorization", b"Bearer " + KEY.encode())],
            [(b"x-api-key", KEY.encode())],
            [(b"api-key", b"\xff\xfe")],
        ):
            for front in ("", "/nope", "/appid-nope", "/appid-nope/nope"):
                answer = await it.call(method, front + path, b"x", headers=headers)
                assert answer.problem == INVALID_KEY
                assert it.read == 0
        assert await contents(it) == before
        assert (await it.call(method, path, {}, headers=keyed())).status != 401


async def contents(it):
    return (await it.store.changed_tenants()).there, [key.kid for key in await it.store.keys("public")]


# -- S77 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["x-forwarded-for", "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip"]
)
async def test_the_callers_address_is_that_of_the_connection(name):
    async with core(ip_allow_regex=r"127\.0\.0\.1") as it:
        headers = [(name.encode(), b"for=127.0.0.1" if name == "forwarded" else b"127.0.0.1")]
        assert (await it.call("GET", "/hello", headers=headers, client=("8.8.8.8", 1))).status == 403
        headers = [(name.encode(), b"8.8.8.8")]
        await it.call("POST", "/recipe/session", CREATE, headers=headers)
        assert it.events[-1].device.ip == "127.0.0.1"


# -- S79, S80 -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", [str(MAX_BODY + 1), "9" * 15, "9" * 16, "9" * 5000])
async def test_a_body_that_says_it_is_too_large_is_not_read(length):
    async with core() as it:
        answer = await it.call("POST", "/recipe/session", b"{}", headers=[(b"content-length", length.encode())])
        assert answer.status == 413
        assert it.read == 0


@pytest.mark.parametrize("headers", [[], [(b"transfer-encoding", b"chunked")], [(b"content-length", b"10")]])
async def test_a_body_that_turns_out_too_large_is_not_read_to_its_end(headers):
    async with core() as it:
        chunks = [b"x" * 65536] * 10_000
        answer = await it.call("POST", "/recipe/session", chunks=chunks, headers=headers)
        assert answer.status == 413
        assert it.read == MAX_BODY // 65536 + 1


@pytest.mark.parametrize("length", [b"-1", b"+5", b"1e3", b"", b"0x10", b"5, 5"])
async def test_a_length_that_is_no_number_is_not_believed(length):
    async with core() as it:
        answer = await it.call("POST", "/recipe/session", CREATE, headers=[(b"content-length", length)])
        assert answer.status == 200


async def test_a_body_in_many_pieces_is_one_body():
    async with core() as it:
        raw = json.dumps(CREATE | {"userId": "ü€😀"}, ensure_ascii=False).encode()
        answer = await it.call("POST", "/recipe/session", chunks=[raw[i : i + 1] for i in range(len(raw))])
        assert answer.json["session"]["userId"] == "ü€😀"


BAD_JSON = [
    b"", b" ", b"null", b"[]", b'"x"', b"5", b"true", b"{", b"}", b"{}}", b"{} {}", b"{}x", b"[{}]", b"\xef\xbb\xbf{}",
    b"{'userId':1}", b"{userId:1}", b'{"a":1,}', b'{"a" 1}', b'{"a":NaN}', b'{"a":Infinity}', b'{"a":-Infinity}',
    b'{"a":01}', b'{"a":.5}', b'{"a":1.}', b'{"a":+1}', b'{"a":0x1}', b'{"a":1e999}', b'{"a":"\x01"}', b'{"a":"\xff"}',
    b'{"a":"\\x41"}', b'{"a":"\\ud800"}', b'{"a":"\\udc00x"}', b"{/**/}", b"{}//", b"\x00{}", b"{}\x00",
    '{"a":1}'.encode("utf-16"), b'{"a":' * 100_000, b"[" * 100_000, b'{"a":' + b"[" * 50_000 + b"]" * 50_000 + b"}",
]  # fmt: skip


@pytest.mark.parametrize("raw", BAD_JSON, ids=range(len(BAD_JSON)))
async def test_what_is_no_json_object_is_refused(raw):
    async with core() as it:
        for path in ("/recipe/session", "/recipe/session/verify", "/recipe/session/remove", "/recipe/jwt"):
            assert (await it.call("POST", path, raw)).problem == INVALID_JSON


@pytest.mark.parametrize(
    "text",
    [
        '"userId":"admin"',
        '"\\u0075serId":"admin"',
        '"x":{"a":1,"a":1}',
        '"x":[[{"b":{}},{"a":1,"b":{"c":":","c":"\\":"}}]]',
        '"x":1,"x":1',
        '"":1,"":2',
    ],
)
async def test_a_name_that_is_repeated_is_refused(text):
    async with core() as it:
        body = json.dumps(CREATE)[:-1] + f",{text}}}"
        assert (await it.call("POST", "/recipe/session", body.encode())).problem == INVALID_JSON


@pytest.mark.parametrize(
    "value",
    [
        ':":\\":{"', "\\", "\\\\", '\\"', "\\\\:", ":", '"', '":"', {":": {":": ":"}}, [{"a": 1}, {"a": 1}],
        {"a": {"a": {"a": []}}}, "\\u003a", "a\\", {"\\": 1, '\\"': 2, '"': 3},
    ],
)  # fmt: skip
async def test_colons_and_quotes_inside_texts_are_no_members(value):
    async with core() as it:
        assert (await it.create(data={"x": value}))["status"] == "OK"
        indented = json.dumps(CREATE | {"userDataInJWT": {"x": value}}, indent=3).encode()
        assert (await it.call("POST", "/recipe/session", indented)).json["session"]["userDataInJWT"] == {"x": value}


@pytest.mark.parametrize("depth", [10, 200, 900, 2000, 20_000])
async def test_a_deep_payload_comes_back_or_is_refused(depth):
    async with core() as it:
        inner = f'{{"a":{"[" * depth}{"]" * depth}}}'
        body = json.dumps(CREATE).replace('"userDataInDatabase": {}', f'"userDataInDatabase": {inner}')
        answer = await it.call("POST", "/recipe/session", body.encode())
        assert answer.status in {200, 400}
        if answer.status == 200:
            handle = answer.json["session"]["handle"]
            shown = await it.call("GET", "/recipe/session/data", sessionHandle=handle)
            assert inner in shown.text


@pytest.mark.parametrize("number", ["-0", "1E400", "1e-400", "123456789012345678901234567890", "0.1", "1.0", "-1e2"])
async def test_numbers_come_back_or_are_refused(number):
    async with core() as it:
        body = json.dumps(CREATE).replace('"userDataInDatabase": {}', f'"userDataInDatabase": {{"n": {number}}}')
        answer = await it.call("POST", "/recipe/session", body.encode())
        assert answer.status in {200, 400}
        if answer.status == 200:
            handle = answer.json["session"]["handle"]
            shown = await it.get("/recipe/session/data", sessionHandle=handle)
            assert shown["userDataInDatabase"] == {"n": json.loads(number)}


async def test_fields_that_nobody_asked_for_change_nothing():
    async with core() as it:
        more = {"handle": "x", "sessionHandle": "x", "tenantId": "t", "expiry": 1, "isAdmin": True, "recipeUserId": "r"}
        created = await it.create(**more)
        assert created["session"]["recipeUserId"] == "user-1"
        assert created["session"]["tenantId"] == "public"
        assert created["session"]["handle"] != "x"


# -- S82 ------------------------------------------------------------------------------------------------------------


class Failing:
    """A store whose n-th call fails."""

    def __init__(self, store):
        self.store = store
        self.left = None
        self.error = None

    def __getattr__(self, name):
        method = getattr(self.store, name)

        async def call(*args, **more):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise self.error
            return await method(*args, **more)

        return call


async def everything(it, made):
    """Each operation once; the requests do not depend on each other's replies."""
    handle, access, child = made["handle"], made["access"], made["child"]
    verify = {"accessToken": child, "doAntiCsrfCheck": False, "enableAntiCsrf": False, "checkDatabase": True}
    refresh = {"enableAntiCsrf": False, "useDynamicSigningKey": False}
    return [
        ("POST", "/recipe/session", CREATE),
        ("POST", "/recipe/session/verify", verify),
        ("POST", "/recipe/session/refresh", {"refreshToken": made["refresh"], **refresh}),
        ("POST", "/recipe/session/refresh", {"refreshToken": made["old"], **refresh}),
        ("POST", "/recipe/session/regenerate", {"accessToken": access, "userDataInJWT": {"a": 1}}),
        ("GET", f"/recipe/session?sessionHandle={handle}", None),
        ("GET", f"/recipe/session/data?sessionHandle={handle}", None),
        ("PUT", "/recipe/session/data", {"sessionHandle": handle, "userDataInDatabase": {}}),
        ("PUT", "/recipe/jwt/data", {"sessionHandle": handle, "userDataInJWT": {}}),
        ("GET", "/recipe/session/user?userId=u", None),
        ("POST", "/recipe/session/remove", {"userId": "nobody"}),
        ("POST", "/recipe/session/remove", {"sessionHandles": ["x"]}),
        ("PUT", "/recipe/multitenancy/app/v2", {"appId": "a"}),
        ("PUT", "/recipe/multitenancy/tenant/v2", {"tenantId": "t"}),
        ("GET", "/recipe/multitenancy/app/list/v2", None),
        ("GET", "/.well-known/jwks.json", None),
        ("POST", "/recipe/jwt", {"algorithm": "RS256", "jwksDomain": "x", "payload": {}, "validity": 1}),
        ("POST", "/recipe/multitenancy/tenant/remove", {"tenantId": "t"}),
        ("POST", "/recipe/multitenancy/app/remove", {"appId": "a"}),
        ("GET", "/nope/recipe/session/user?userId=u", None),
    ]


SECRET = 'select * from "sessions" where password = hunter2 /var/lib/reseal'


@pytest.mark.parametrize(
    ("error", "status"), [(StoreUnavailable(SECRET), 503), (RuntimeError(SECRET), 500), (KeyError(SECRET), 500)]
)
async def test_whatever_fails_in_the_store_the_caller_learns_nothing_and_the_service_lives(error, status, caplog):
    clock = ManualClock()
    store = Failing(AsyncMemoryStore(clock))
    it = Core(store=store, clock=clock)
    await it.service.open()
    created = await it.create("u")
    refreshed = await it.refresh(created["refreshToken"]["token"])
    made = {
        "handle": created["session"]["handle"],
        "access": created["accessToken"]["token"],
        "child": refreshed["accessToken"]["token"],
        "refresh": refreshed["refreshToken"]["token"],
        "old": created["refreshToken"]["token"],
    }
    store.error = error
    failures = 0
    for method, path, body in await everything(it, made):
        for nth in range(12):
            clock.advance(MINUTE if nth % 2 else 1)
            store.left = nth
            answer = await it.call(method, path, body)
            happened = store.left < 0
            store.left = None
            if answer.status >= 500:
                failures += 1
                assert answer.status == status
                assert happened
                text = "Session store unavailable, try again" if status == 503 else "Internal Error"
                assert answer.problem == (status, text)
                assert "hunter2" not in str(answer)
                assert ("retry-after" in answer.headers) is (status == 503)
            elif not happened:
                break
    assert failures > 20
    assert (await it.create())["status"] == "OK"


async def test_a_plain_token_is_verified_while_the_store_is_silent():
    clock = ManualClock()
    store = Failing(AsyncMemoryStore(clock))
    it = Core(store=store, clock=clock)
    await it.service.open()
    token = (await it.create())["accessToken"]["token"]
    store.left, store.error = 0, StoreUnavailable()
    for _ in range(10):
        clock.advance(MINUTE)
        assert (await it.verify(token))["status"] == "OK"
        assert (await it.call("GET", "/.well-known/jwks.json")).status == 200
        assert (await it.call("GET", "/hello")).status == 200


# -- S84 ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ROUTES)
async def test_a_path_has_its_methods_and_no_others(path):
    async with core() as it:
        for method in METHODS:
            answer = await it.call(method, path, {})
            allowed = [*ROUTES[path], *(["HEAD"] if "GET" in ROUTES[path] else [])]
            if method in allowed:
                assert answer.status != 405
            else:
                assert answer.problem == (405, "Method not supported")
                assert answer.headers["allow"] == ", ".join(allowed)


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/debug", "/metrics.json", "/admin", "/.git/config", "/server-status", "/swagger.json"]
)
async def test_there_is_no_page_for_the_curious(path):
    async with core() as it:
        assert (await it.call("GET", path)).problem == (404, "Not found")


# -- S85 ------------------------------------------------------------------------------------------------------------


async def test_no_app_reaches_into_another():
    async with core() as it:
        apps = {}
        for app in ("public", "a", "b"):
            await it.put("/recipe/multitenancy/app/v2", {"appId": app})
            for tenant in ("t1", "t2"):
                await it.put(f"/appid-{app}/recipe/multitenancy/tenant/v2", {"tenantId": tenant})
            apps[app] = [await it.create("u", at=f"/appid-{app}/{tenant}") for tenant in ("public", "t1", "t2")]
        for owner, created in apps.items():
            for other in apps.keys() - {owner}:
                for session in created:
                    await is_a_stranger(it, f"/appid-{other}", session)
        for app, created in apps.items():
            handles = [session["session"]["handle"] for session in created]
            shown = await it.get(f"/appid-{app}/recipe/session/user", userId="u")
            assert shown["sessionHandles"] == handles
        await it.post("/appid-a/recipe/session/remove", {"userId": "u"})
        assert len((await it.get("/appid-b/recipe/session/user", userId="u"))["sessionHandles"]) == 3


async def is_a_stranger(it, at, session):
    handle, gone = session["session"]["handle"], {"status": "UNAUTHORISED", "message": "Session does not exist."}
    unknown = f"{handle[:-1]}{'0' if handle[-1] != '0' else '1'}"
    for path in ("/recipe/session", "/recipe/session/data", "/recipe/jwt/data"):
        assert await it.get(at + path, sessionHandle=handle) == gone
        assert await it.get(at + path, sessionHandle=unknown) == gone
    for path, name in (("/recipe/session/data", "userDataInDatabase"), ("/recipe/jwt/data", "userDataInJWT")):
        assert await it.put(at + path, {"sessionHandle": handle, name: {"x": 1}}) == gone
    revoked = await it.post(f"{at}/recipe/session/remove", {"sessionHandles": [handle]})
    assert revoked["sessionHandlesRevoked"] == []
    assert (await it.verify(session["accessToken"]["token"], at=at))["status"] == "TRY_REFRESH_TOKEN"
    assert (await it.refresh(session["refreshToken"]["token"], at=at))["status"] == "UNAUTHORISED"
    body = {"accessToken": session["accessToken"]["token"], "userDataInJWT": {"x": 1}}
    assert await it.post(f"{at}/recipe/session/regenerate", body) == gone


async def test_by_user_a_tenant_reaches_only_its_own_sessions():
    async with core() as it:
        tenants = ("public", "t1", "t2")
        handles = {}
        for tenant in tenants:
            await it.put("/recipe/multitenancy/tenant/v2", {"tenantId": tenant})
            handles[tenant] = (await it.create("u", at=f"/{tenant}"))["session"]["handle"]
        for tenant in tenants:
            path = f"/{tenant}/recipe/session"
            shown = await it.get(f"{path}/user", userId="u", fetchAcrossAllTenants="false")
            assert shown["sessionHandles"] == [handles[tenant]]
            body = {"userId": "u", "revokeAcrossAllTenants": False}
            assert (await it.post(f"{path}/remove", body))["sessionHandlesRevoked"] == [handles[tenant]]
            left = await it.get("/recipe/session/user", userId="u")
            assert handles[tenant] not in left["sessionHandles"]


async def test_a_handle_with_another_tenants_name_is_no_handle():
    async with core() as it:
        await it.put("/recipe/multitenancy/tenant/v2", {"tenantId": "t1"})
        plain = (await it.create())["session"]["handle"]
        for handle in (f"{plain}_t1", f"{plain}_", f"{plain}_public_t1", f"x_{plain}"):
            assert (await it.get("/recipe/session", sessionHandle=handle))["status"] == "UNAUTHORISED"
