"""Every operation of the interface has its function before the first request comes; routes are kept for callers."""

import pytest

from reseal.server import app, routes
from reseal.server.routes import HANDLERS, joined
from tests.server.material import KEY, core


def test_an_operation_without_a_function_is_named_at_import():
    with pytest.raises(LookupError, match="create"):
        joined({name: handler for name, handler in HANDLERS.items() if name != "create"})


def test_a_function_without_an_operation_is_named_at_import():
    with pytest.raises(LookupError, match="craete"):
        joined({**HANDLERS, "craete": HANDLERS["create"]})


@pytest.fixture
def looked_up(monkeypatch):
    """The paths whose route was looked for."""
    paths, route = [], routes.route
    monkeypatch.setattr(app, "route", lambda method, path, *rest: (paths.append(path), route(method, path, *rest))[1])
    return paths


async def test_a_route_is_looked_for_once_for_each_version(looked_up):
    async with core() as it:
        for cdi in ("5.4", "5.4", "3.0", "3.0"):
            assert (await it.create(cdi=cdi))["status"] == "OK"
        assert ("recipeUserId" in (await it.create(cdi="5.4"))["session"]) is True
        assert ("recipeUserId" in (await it.create(cdi="3.0"))["session"]) is False
    assert looked_up == ["/recipe/session"] * 2


async def test_a_request_that_is_refused_leaves_no_route(looked_up):
    async with core(api_keys=(KEY,)) as it:
        for path in ("/recipe/session", "/nothing/here", "/hello"):
            for _ in range(2):
                await it.call("POST", path, {})
        key = [(b"api-key", KEY.encode())]
        for method, path, cdi in (("PATCH", "/recipe/session", "5.4"), ("POST", "/recipe/session", "9.9")):
            for _ in range(2):
                assert (await it.call(method, path, {}, cdi=cdi, headers=key)).status >= 400
        for _ in range(2):
            assert (await it.call("POST", "/nope/recipe/session", {}, headers=key)).text.startswith("AppId or tenantId")
    assert len(looked_up) == 12


async def test_so_many_routes_are_kept(looked_up, monkeypatch):
    monkeypatch.setattr(app, "_MOST_ROUTES", 2)
    async with core() as it:
        for cdi in ("5.4", "3.0", "4.0", "4.0", "5.4"):
            assert (await it.create(cdi=cdi))["status"] == "OK"
    assert len(looked_up) == 4


async def test_a_route_that_is_kept_lets_nobody_in_and_finds_no_tenant_that_is_gone():
    async with core(api_keys=(KEY,)) as it:
        key = [(b"api-key", KEY.encode())]
        await it.call("PUT", "/recipe/multitenancy/tenant", {"tenantId": "t1"}, headers=key)
        assert (
            await it.call("GET", "/t1/recipe/session/user", headers=key, userId="u", fetchAcrossAllTenants="false")
        ).status == 200
        assert (await it.call("GET", "/t1/recipe/session/user", userId="u")).problem == (401, "Invalid API key")
        await it.call("POST", "/recipe/multitenancy/tenant/remove", {"tenantId": "t1"}, headers=key)
        answer = await it.call("GET", "/t1/recipe/session/user", headers=key, userId="u", fetchAcrossAllTenants="false")
        assert answer.text.startswith("AppId or tenantId not found")
