"""What is wrong first is said first: address, path, key, method, version, tenant, body (core interface, 2.1 and 2.2)."""

from __future__ import annotations

import pytest

from reseal.cdi.versions import Bounds, Version
from tests.server.material import KEY, core, keyed, opened

INVALID_KEY = (401, "Invalid API key")


async def test_a_bad_key_wins_over_everything_that_a_key_protects():
    async with core(api_keys=(KEY,)) as it:
        for path in ("/recipe/session", "/nope/recipe/session", "/appid-nope/recipe/session"):
            for method in ("POST", "PATCH"):
                for cdi in ("5.4", "9.9", "nonsense"):
                    answer = await it.call(method, path, b"{", cdi=cdi)
                    assert answer.problem == INVALID_KEY
                    assert it.read == 0


async def test_a_bad_version_wins_over_a_bad_tenant_and_a_bad_body():
    async with core() as it:
        answer = await it.call("POST", "/nope/recipe/session", b"{", cdi="9.9")
        assert answer.problem == (400, "cdi-version 9.9 not supported")
        assert it.read == 0


async def test_a_bad_tenant_wins_over_a_bad_body():
    async with core() as it:
        answer = await it.call("POST", "/nope/recipe/session", b"{")
        assert answer.text.startswith("AppId or tenantId not found")
        assert it.read == 0


async def test_an_unknown_path_needs_no_key():
    async with core(api_keys=(KEY,)) as it:
        assert (await it.call("GET", "/nothing/here")).problem == (404, "Not found")


async def test_the_address_comes_before_the_key():
    async with core(api_keys=(KEY,), ip_deny_regex=r"10\..*") as it:
        assert (await it.call("GET", "/recipe/session/user", client=("10.0.0.9", 1))).status == 403
        assert (await it.call("GET", "/hello", client=("10.0.0.9", 1))).status == 403
        assert (await it.call("GET", "/recipe/session/user", client=("110.0.0.9", 1))).problem == INVALID_KEY


async def test_only_allowed_addresses_pass():
    async with core(ip_allow_regex=r"127\.0\.0\.1|::1") as it:
        for address, status in (("127.0.0.1", 200), ("::1", 200), ("127.0.0.11", 403), ("8.8.8.8", 403)):
            assert (await it.call("GET", "/hello", client=(address, 1))).status == status


async def test_the_lower_bound_holds_for_the_first_clients_too():
    async with core(bounds=Bounds(Version(2, 4), Version(5, 0))) as it:
        answer = await it.call("POST", "/handshake", {}, cdi=None)
        assert answer.problem == (400, "cdi-version 1.0 is lower than the minimum allowed version 2.4")


CREATE = [("userId", "u"), ("enableAntiCsrf", True), ("userDataInJWT", {}), ("userDataInDatabase", {})]
VERIFY = [("accessToken", "x"), ("doAntiCsrfCheck", True), ("enableAntiCsrf", True), ("checkDatabase", True)]
REFRESH = [("refreshToken", "x"), ("enableAntiCsrf", True), ("useDynamicSigningKey", True)]


@pytest.mark.parametrize(
    ("method", "path", "cdi", "fields"),
    [
        ("POST", "/session", "1.0", [CREATE[0], *CREATE[2:]]),
        ("POST", "/session/verify", "1.0", VERIFY[:2]),
        ("POST", "/session/refresh", "2.3", REFRESH[:1]),
        ("POST", "/recipe/session", "2.5", [CREATE[0], *CREATE[2:]]),
        ("POST", "/recipe/session", "2.6", CREATE),
        ("POST", "/recipe/session", "5.6", CREATE),
        ("POST", "/recipe/session/verify", "2.4", VERIFY[:2]),
        ("POST", "/recipe/session/verify", "2.20", VERIFY[:3]),
        ("POST", "/recipe/session/verify", "2.21", VERIFY),
        ("POST", "/recipe/session/refresh", "2.4", REFRESH[:1]),
        ("POST", "/recipe/session/refresh", "4.0", REFRESH[:2]),
        ("POST", "/recipe/session/refresh", "5.0", REFRESH),
        ("POST", "/recipe/session/regenerate", "5.4", [("accessToken", "x")]),
        ("PUT", "/recipe/session/data", "5.4", [("sessionHandle", "x"), ("userDataInDatabase", {})]),
        ("PUT", "/recipe/jwt/data", "5.4", [("sessionHandle", "x"), ("userDataInJWT", {})]),
        (
            "POST",
            "/recipe/jwt",
            "5.4",
            [("algorithm", "RS256"), ("jwksDomain", "x"), ("payload", {}), ("validity", 1)],
        ),
        ("POST", "/recipe/multitenancy/app/remove", "5.4", [("appId", "x")]),
        ("POST", "/recipe/multitenancy/tenant/remove", "5.4", [("tenantId", "x")]),
    ],
)
async def test_the_first_field_that_is_missing_or_wrong_is_named(method, path, cdi, fields):
    async with core() as it:
        given = {}
        for name, good in fields:
            text = f"Field name '{name}' is invalid in JSON input"
            assert (await it.call(method, path, given, cdi=cdi)).problem == (400, text)
            for bad in wrong_values(name, good):
                assert (await it.call(method, path, given | {name: bad}, cdi=cdi)).problem == (400, text)
            given[name] = good
        assert (await it.call(method, path, given | {"somethingElse": None}, cdi=cdi)).status == 200


@pytest.mark.parametrize(
    ("path", "cdi", "given", "name", "bad"),
    [
        ("/recipe/session/verify", "5.4", dict(VERIFY), "antiCsrfToken", [None, 5, {}]),
        ("/recipe/session/refresh", "5.4", dict(REFRESH), "antiCsrfToken", [None, 5, {}]),
        ("/recipe/session/refresh", "3.0", dict(REFRESH[:2]), "useDynamicSigningKey", [None, "true", 1]),
        ("/recipe/session", "5.4", dict(CREATE), "useDynamicSigningKey", [None, "true", 1]),
        ("/recipe/session", "5.6", dict(CREATE), "accessTokenValidity", [None, "1", 1.5, 0, -1, True]),
        ("/recipe/session/refresh", "5.6", dict(REFRESH), "accessTokenValidity", [None, "1", 1.5, 0, -1]),
        ("/recipe/session/regenerate", "5.4", {"accessToken": "x"}, "userDataInJWT", [None, "x", []]),
        ("/recipe/session/remove", "5.4", {}, "userId", [None, 5]),
        ("/recipe/session/remove", "5.4", {}, "sessionHandles", [None, "x", [5], [None]]),
        ("/recipe/session/remove", "5.4", {"userId": "u"}, "revokeAcrossAllTenants", [None, "true"]),
        ("/recipe/session/remove", "5.4", {"userId": "u"}, "revokeSessionsForLinkedAccounts", [None, "true"]),
    ],
)
async def test_an_optional_field_that_is_there_has_to_be_right(path, cdi, given, name, bad):
    async with core() as it:
        for value in bad:
            answer = await it.call("POST", path, given | {name: value}, cdi=cdi)
            assert answer.problem == (400, f"Field name '{name}' is invalid in JSON input"), value


async def test_fields_of_newer_versions_are_ignored():
    async with core() as it:
        assert (await it.create(cdi="2.20", useDynamicSigningKey=None, accessTokenValidity="x"))["status"] == "OK"
        assert (await it.create(cdi="5.4", accessTokenValidity="x"))["status"] == "OK"


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/recipe/session", "sessionHandle"),
        ("/recipe/session/user", "userId"),
        ("/recipe/session/data", "sessionHandle"),
        ("/recipe/jwt/data", "sessionHandle"),
        ("/user/id", "userId"),
        ("/config", "pid"),
        ("/devproductionmode", "pid"),
    ],
)
async def test_a_missing_parameter_is_named(path, name):
    async with core() as it:
        assert (await it.call("GET", path)).problem == (400, f"Field name '{name}' is missing in GET request")


async def test_revoking_asks_for_one_thing():
    one_of_three = "Invalid JSON input - use one of userId, sessionHandle, or sessionHandles array"
    one_of_two = "Invalid JSON input - use one of userId or sessionHandles array"
    async with core() as it:
        for body in ({}, {"userId": "u", "sessionHandle": "h"}, {"sessionHandle": "h", "sessionHandles": []}):
            assert (await it.call("DELETE", "/session", body, cdi=None)).problem == (400, one_of_three)
        for body in ({}, {"userId": "u", "sessionHandles": []}):
            assert (await it.call("POST", "/recipe/session/remove", body)).problem == (400, one_of_two)
            assert (await it.call("POST", "/session/remove", body, cdi="2.0")).problem == (400, one_of_two)
        for name in ("revokeAcrossAllTenants", "revokeSessionsForLinkedAccounts"):
            answer = await it.call("POST", "/recipe/session/remove", {"sessionHandles": [], name: True})
            assert answer.problem == (400, f"Invalid JSON input - {name} can only be set if userId is set")


async def test_each_generation_revokes_in_its_own_way():
    async with core() as it:
        assert (await it.call("DELETE", "/session", {}, cdi="2.0")).problem == (
            400,
            "/session DELETE is only available in CDI 1.0. Please call /session/remove POST instead",
        )
        assert (await it.call("POST", "/session/remove", {}, cdi=None)).problem == (
            400,
            "/session/remove POST is only available in >= CDI 2.0. Please call /session DELETE instead",
        )
        for method, path in (("POST", "/session/regenerate"), ("GET", "/jwt/data"), ("PUT", "/jwt/data")):
            assert (await it.call(method, path, {}, cdi=None)).problem == (400, "CDI version not supported")


async def test_a_good_key_opens_in_each_way_of_presenting_it():
    async with core(api_keys=("other-key-that-is-long-enough", KEY)) as it:
        for name, value in (
            (b"api-key", KEY),
            (b"api-key", f"  {KEY} "),
            (b"authorization", KEY),
            (b"authorization", f"Bearer {KEY}"),
            (b"authorization", f"bEARER   {KEY}"),
        ):
            assert (await it.call("GET", "/apiversion", headers=[(name, value.encode())])).status == 200
        assert (await it.call("GET", "/apiversion", headers=keyed("other-key-that-is-long-enough"))).status == 200


async def test_without_configured_keys_a_presented_one_is_ignored():
    async with core() as it:
        assert (await it.call("GET", "/apiversion", headers=keyed("anything"))).status == 200


async def test_the_validity_of_an_applications_token_may_be_a_fraction():
    async with core() as it:
        body = {"algorithm": "RS256", "jwksDomain": "x", "payload": {}, "validity": 1.9}
        claims = opened((await it.post("/recipe/jwt", body))["jwt"])[1]
        assert claims["exp"] - claims["iat"] == 1


def wrong_values(name, good):
    values = (None, 5, "text", True, {}, [], *(() if name == "validity" else (1.5,)))
    return [value for value in values if type(value) is not type(good)]
