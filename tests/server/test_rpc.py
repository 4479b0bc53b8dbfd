"""The native calls are closed, strict and bounded; that they work, the tests of ``Remote`` show."""

from __future__ import annotations

import httpx
import msgspec
import pytest
from fastapi import Depends, FastAPI, Request

from reseal import AsyncRemote
from reseal._async.stores.memory import AsyncMemoryStore
from reseal.fastapi import Reseal, Session
from reseal.rpc.calls import PREFIX, profile_of
from reseal.server import rpc
from reseal.server.app import Service
from reseal.server.config import ServiceSettings
from reseal.settings import Settings
from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.testing.clock import ManualClock

KEY = "a-key-of-twenty-characters"
PROFILE = msgspec.to_builtins(profile_of(Settings(api_domain="https://api.example.com")))
USER = {"user_id": "user", "jwt_payload": {}, "session_data": {}}


@pytest.fixture
def service():
    clock = ManualClock()
    settings = ServiceSettings(database_uri="memory:", api_keys=(KEY,), base_path="/core")
    return Service(settings, AsyncFaultyStore(AsyncMemoryStore(clock)), clock=clock)


@pytest.fixture
async def client(service):
    base = f"http://service/core{PREFIX}"
    async with httpx.AsyncClient(transport=httpx.ASGITransport(service), base_url=base) as client:
        client.headers["api-key"] = KEY
        yield client


@pytest.mark.parametrize("name", [*rpc.CALLS, "nothing"])
async def test_without_a_key_no_call_is_answered_and_none_is_named(client, name):
    for key in ("", KEY[:-1], f"{KEY}x"):
        for method in ("POST", "GET"):
            answer = await client.request(method, name, headers={"api-key": key}, json={"profile": PROFILE})
            assert answer.status_code == 401


async def test_what_is_no_call_is_not_found_and_only_post_calls(client):
    for name in ("nothing", "", "create/", "CREATE", "create/more"):
        assert (await client.post(name, json={"profile": PROFILE})).status_code == 404
    for name in rpc.CALLS:
        answer = await client.get(name)
        assert (answer.status_code, answer.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{}",
        b"[]",
        b"\xff",
        b"[" * 100_000,
        msgspec.json.encode({"profile": PROFILE}),
        msgspec.json.encode({"profile": PROFILE, **USER, "more": 1}),
        msgspec.json.encode({"profile": PROFILE, **USER, "user_id": 1}),
        msgspec.json.encode({"profile": PROFILE | {"secret_key": "x" * 32}, **USER}),
        msgspec.json.encode({"profile": {}, **USER}),
    ],
    ids=range(10),
)
async def test_a_body_of_another_shape_is_refused_and_not_repeated_back(client, body):
    answer = await client.post("create", content=body)
    assert (answer.status_code, answer.text) == (400, "Invalid Json Input\n")


async def test_a_configuration_that_does_not_fit_is_explained(client):
    answer = await client.post("create", json={"profile": PROFILE | {"access_token_validity": 0}, **USER})
    failure = answer.json()
    assert (answer.status_code, failure["error"], failure["code"]) == (422, "ConfigurationError", 1000)
    assert "access_token_validity" in failure["problems"][0]


async def test_the_engines_are_bounded_and_sessions_do_not_hang_on_them(client, service):
    first = await client.post("create", json={"profile": PROFILE, **USER})
    for n in range(rpc.MOST_ENGINES + 5):
        answer = await client.post("jwks", json={"profile": PROFILE | {"audience": f"audience-{n}"}})
        assert answer.status_code == 200
    assert len(service._rpc_engines._engines) == rpc.MOST_ENGINES
    again = await client.post("get", json={"profile": PROFILE, "handle": first.json()["claims"]["sid"]})
    assert again.json()["user_id"] == "user"


async def test_native_keys_and_those_of_the_core_interface_lie_beside_each_other(client, service):
    await service.open()
    await client.post("jwks", json={"profile": PROFILE})
    kids = [key["kid"] for key in (await client.post("jwks", json={"profile": PROFILE})).json()["keys"]]
    assert [kid[:2] for kid in kids] == ["n-"]
    published = (await client.get("http://service/core/.well-known/jwks.json")).json()["keys"]
    assert {key["kid"][:2] for key in published} == {"d-", "s-"}


async def test_an_application_works_over_the_service_as_it_does_over_a_store(service):
    settings = Settings(api_domain="https://api.example.com")
    transport = httpx.ASGITransport(service)
    remote = AsyncRemote(settings, "https://service/core", api_key=KEY, clock=service.clock, transport=transport)
    reseal = Reseal(settings, sessions=remote, clock=service.clock)
    app = FastAPI()
    reseal.install(app)
    signed_in = Depends(reseal.session(check_database=True))

    @app.post("/login")
    async def login(request: Request) -> None:
        await reseal.create_new_session(request, "alice", {"role": "reader"})

    @app.get("/me")
    async def me(session: Session = signed_in) -> str:
        return session.get_user_id()

    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(
            transport=httpx.ASGITransport(app),
            base_url="https://api.example.com",
            headers={"sec-fetch-site": "same-origin"},
        ) as browser,
    ):
        assert (await browser.get("/me")).status_code == 401
        assert (await browser.post("/login")).status_code == 200
        assert (await browser.get("/me")).json() == "alice"
        before = browser.cookies["__Secure-sRefreshToken"]
        assert (await browser.post(settings.refresh_api_path)).status_code == 200
        assert browser.cookies["__Secure-sRefreshToken"] != before
        assert (await browser.get("/me")).json() == "alice"
        service.store.down = True
        assert (await browser.get("/me")).status_code == 503
        assert (await browser.post(settings.refresh_api_path)).status_code == 503
        assert "__Secure-sRefreshToken" in browser.cookies
        service.store.down = False
        assert (await browser.post(settings.signout_api_path)).status_code == 200
        assert (await browser.get("/me")).status_code == 401


def test_a_caller_names_no_setting_that_is_as_it_comes_and_that_an_older_service_does_not_know():
    assert "device_list" not in PROFILE
    wanted = profile_of(Settings(api_domain="https://api.example.com", device_list=True))
    assert msgspec.to_builtins(wanted) == PROFILE | {"device_list": True}
