"""From a path to an operation, an app and a tenant (core interface, section 2.1)."""

from __future__ import annotations

import pytest

from reseal.cdi.paths import ROUTES, choose, locate
from reseal.cdi.problem import Problem
from tests.server.material import core

APP_V2 = "/recipe/multitenancy/app/v2"
TENANT_V2 = "/recipe/multitenancy/tenant/v2"


@pytest.mark.parametrize(
    ("path", "rest", "app", "tenant"),
    [
        ("/hello", "/hello", "public", "public"),
        ("/", "/", "public", "public"),
        ("/hello/", "/hello", "public", "public"),
        ("/HELLO", "/hello", "public", "public"),
        ("/recipe/Session/", "/recipe/session", "public", "public"),
        ("/public/recipe/session", "/recipe/session", "public", "public"),
        ("/t1/recipe/session", "/recipe/session", "public", "t1"),
        ("/T1/recipe/session", "/recipe/session", "public", "t1"),
        ("/appid-a1/recipe/session", "/recipe/session", "a1", "public"),
        ("/APPID-A1/T1/recipe/session/", "/recipe/session", "a1", "t1"),
        ("/appid-public/public/recipe/session", "/recipe/session", "public", "public"),
        ("/appid-/recipe/session", "/recipe/session", "public", "public"),
        ("/appid-a/hello", "/hello", "a", "public"),
        ("/appid-a/t/.well-known/jwks.json", "/.well-known/jwks.json", "a", "t"),
        ("/session/user", "/session/user", "public", "public"),
        ("/session/hello", "/hello", "public", "session"),
    ],
)
def test_a_path_names_an_operation_an_app_and_a_tenant(path, rest, app, tenant):
    assert locate(path) == (ROUTES[rest], app, tenant)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/recipe",
        "/recipe/session//",
        "//recipe/session",
        "/recipe/session/verify/x",
        "/recipe/recipe/session",
        "/config/recipe/session",
        "/users/recipe/session",
        "/hello/recipe/session",
        "/a_b/recipe/session",
        "/t1/t2/recipe/session",
        "/t1/appid-a/recipe/session",
        "/appid-a_b/recipe/session",
        "/recipe/session/../session",
        "/recipe/se\u017f\u017fion",
        "/recipe/jwt/jw\u212as",
        "/recipe/session\n",
        "/recipe/session;a=b",
        "/recipe/session\0",
        "/docs",
        "/metrics/../hello",
    ],
)
def test_any_other_path_is_not_found(path):
    with pytest.raises(Problem) as refused:
        locate(path)
    assert (refused.value.status, refused.value.text) == (404, "Not found")


def test_every_path_is_written_as_it_is_looked_for():
    for path in ROUTES:
        assert path == path.lower()
        assert locate(path) == (ROUTES[path], "public", "public")


async def test_a_base_path_stands_in_front_of_everything():
    async with core(base_path="/auth/core") as it:
        assert (await it.call("GET", "/auth/core/hello")).problem == (200, "Hello")
        assert (await it.call("GET", "/auth/core")).problem == (200, "Hello")
        assert (await it.call("GET", "/auth/core/public/recipe/session/user", userId="u")).status == 200
        for path in ("/hello", "/auth/hello", "/auth/corehello", "/auth/cores/hello"):
            assert (await it.call("GET", path)).problem == (404, "Not found")


async def test_an_unknown_app_or_tenant_is_named():
    text = (
        "AppId or tenantId not found => Tenant with the following connectionURIDomain, appId and tenantId "
        "combination not found: (, {}, {})"
    )
    async with core() as it:
        for path, app, tenant in (
            ("/appid-nope/recipe/session/user", "nope", "public"),
            ("/nope/recipe/session/user", "public", "nope"),
            ("/appid-a/t/recipe/session/user", "a", "t"),
        ):
            assert (await it.call("GET", path, userId="u")).problem == (400, text.format(app, tenant))


async def test_before_tenants_a_path_with_one_is_not_found_but_one_with_an_app_is():
    async with core() as it:
        await it.put(APP_V2, {"appId": "a"})
        await it.put(TENANT_V2, {"tenantId": "t"})
        for cdi in ("2.4", "2.21"):
            assert (await it.call("GET", "/t/recipe/session/user", cdi=cdi, userId="u")).problem == (404, "Not found")
            assert (await it.call("GET", "/appid-a/recipe/session/user", cdi=cdi, userId="u")).status == 200
            assert (await it.call("GET", "/appid-a/public/recipe/session/user", cdi=cdi, userId="u")).status == 200
        assert (await it.call("GET", "/t/recipe/session/user", cdi="3.0", userId="u")).status == 200


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/recipe/jwt"),
        ("GET", "/recipe/jwt/jwks"),
        ("GET", "/apiversion"),
        ("PUT", "/ee/license"),
        ("GET", "/ee/featureflag"),
        ("GET", "/requests/stats"),
        ("PUT", APP_V2),
        ("GET", "/recipe/multitenancy/tenant/list/v2"),
    ],
)
async def test_what_is_the_apps_is_refused_through_another_tenant(method, path):
    async with core() as it:
        await it.put(TENANT_V2, {"tenantId": "t"})
        answer = await it.call(method, f"/t{path}", {})
        assert answer.problem == (403, "Only public tenantId can call this app specific API")


@pytest.mark.parametrize(
    ("cdi", "path", "found"),
    [
        ("2.3", "/session/user", True),
        ("2.4", "/session/user", False),
        ("2.3", "/recipe/session/user", False),
        ("2.4", "/recipe/session/user", True),
        ("2.7", "/recipe/session", False),
        ("2.8", "/recipe/session", True),
        ("2.8", "/recipe/jwt/jwks", False),
        ("2.9", "/recipe/jwt/jwks", True),
        ("3.1", "/user/id", False),
        ("4.0", "/user/id", True),
        ("2.21", TENANT_V2, False),
        ("3.0", TENANT_V2, True),
    ],
)
async def test_a_path_is_there_from_its_version_on(cdi, path, found):
    async with core() as it:
        answer = await it.call("GET", path, cdi=cdi, userId="u", sessionHandle="h")
        assert answer.status == (200 if found else 404)


async def test_the_handshake_is_gone_from_2_21_on():
    async with core() as it:
        assert (await it.call("POST", "/recipe/handshake", {}, cdi="2.20")).status == 200
        assert (await it.call("POST", "/recipe/handshake", {}, cdi="2.21")).problem == (404, "Not found")
        assert (await it.call("POST", "/recipe/handshake", {}, cdi=None)).problem == (404, "Not found")


async def test_old_paths_in_capitals_are_still_the_first_version():
    async with core() as it:
        assert "cookieDomain" in await it.post("/Handshake/", {}, cdi=None)


@pytest.mark.parametrize("path", [path for path, operations in ROUTES.items() if "GET" in operations])
def test_head_is_answered_wherever_get_is(path):
    assert choose(ROUTES[path], "HEAD") is ROUTES[path]["GET"]


async def test_head_is_answered_without_a_body_and_told_of_in_allow():
    async with core() as service:
        for path in ("/hello", "/apiversion", "/.well-known/jwks.json"):
            assert (await service.call("HEAD", path)).status == 200
        refused = await service.call("PATCH", "/apiversion")
        assert refused.status == 405
        assert refused.headers["allow"] == "GET, HEAD"
