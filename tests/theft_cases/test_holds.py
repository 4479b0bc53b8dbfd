"""Held sessions of whole applications: the page is not signed out, and the user goes on after a confirmation."""

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from flask import Flask

from reseal import AsyncEngine, AsyncSQLiteStore, Engine, Settings, SQLiteStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._sync.stores.postgres import PostgresStore
from reseal.fastapi import Reseal as FastAPIReseal
from reseal.flask import Reseal as FlaskReseal
from reseal.flask import current_session, session_required
from reseal.testing import ManualClock, Recorder

API = "https://shop.example.com"
HOUR = 3_600_000
DATABASES = ("sqlite", "postgresql")
OWN = {"origin": API, "sec-fetch-site": "same-origin"}
HELD = {"message": "session held", "reason": "step_up"}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings() -> Settings:
    return Settings(api_domain=API, database_uri="memory:", theft_response="step_up", access_token_validity=10 * 3600)


class TestFastAPI:
    @pytest.fixture(params=DATABASES)
    async def app(
        self, request: pytest.FixtureRequest, settings: Settings, clock: ManualClock, tmp_path: Any
    ) -> AsyncIterator[FastAPI]:
        store: Any = (
            AsyncSQLiteStore(tmp_path / "s.db", clock)
            if request.param == "sqlite"
            else AsyncPostgresStore(request.getfixturevalue("postgres_uri"), clock=clock)
        )
        engine = AsyncEngine(settings, store, clock=clock, on_event=Recorder())
        reseal = FastAPIReseal(settings, sessions=engine, clock=clock, on_event=Recorder())
        app = FastAPI()
        reseal.install(app)

        @app.post("/login")
        async def login(request: Request) -> str:
            return (await reseal.create_new_session(request, "alice", session_data={"cart": 1})).get_handle()

        @app.post("/confirm")
        async def confirm(request: Request) -> dict[str, Any]:
            session = await reseal.get_session(request)
            await session.elevate(for_=60_000, amr=["pwd"])
            return await session.get_session_data()

        @app.get("/checked")
        async def checked(request: Request) -> str:
            return (await reseal.get_session(request, check_database=True)).get_user_id()

        async with app.router.lifespan_context(app):
            yield app

    async def test_a_page_whose_session_is_held_is_not_signed_out_and_goes_on_after_an_elevation(
        self, app: FastAPI, clock: ManualClock
    ) -> None:
        async with _client(app) as owner, _client(app) as thief:
            await owner.post("/login")
            thief.cookies.update(dict(owner.cookies))
            for _ in range(2):
                clock.advance(HOUR)
                assert (await owner.post("/session/refresh")).status_code == 200
            before = dict(owner.cookies)
            for client, method, path in (
                (thief, "POST", "/session/refresh"),
                (owner, "POST", "/session/refresh"),
                (owner, "GET", "/checked"),
            ):
                answer = await client.request(method, path)
                assert (answer.status_code, answer.json()) == (403, HELD)
                assert "set-cookie" not in answer.headers
                assert "front-token" not in answer.headers
            assert dict(owner.cookies) == before
            assert (await owner.post("/confirm")).json() == {"cart": 1}
            assert (await owner.post("/session/refresh")).status_code == 200
            assert (await owner.get("/checked")).json() == "alice"
            refused = await thief.post("/session/refresh")
            assert (refused.status_code, refused.json()) == (401, {"message": "unauthorised", "reason": "theft"})

    async def test_another_sign_in_takes_the_place_of_a_held_session(self, app: FastAPI, clock: ManualClock) -> None:
        async with _client(app) as owner, _client(app) as thief:
            held = (await owner.post("/login")).json()
            thief.cookies.update(dict(owner.cookies))
            for _ in range(2):
                clock.advance(HOUR)
                await owner.post("/session/refresh")
            assert (await thief.post("/session/refresh")).json() == HELD
            clock.advance(20 * HOUR)  # no access token is valid any longer
            assert (await owner.post("/session/refresh")).json() == HELD
            assert (await owner.post("/login")).json() != held
            assert (await owner.post("/session/refresh")).status_code == 200
            refused = await thief.post("/session/refresh")
            assert refused.json() == {"message": "unauthorised", "reason": "replaced"}

    @pytest.mark.parametrize("held_is_first", [True, False])
    async def test_a_cookie_of_a_held_session_does_not_hold_another_session(
        self, app: FastAPI, clock: ManualClock, *, held_is_first: bool
    ) -> None:
        async with _client(app) as one, _client(app) as thief, _client(app) as other:
            await one.post("/login")
            thief.cookies.update(dict(one.cookies))
            for _ in range(2):
                clock.advance(HOUR)
                await one.post("/session/refresh")
            assert (await thief.post("/session/refresh")).json() == HELD
            await other.post("/login")
            held, live = (_refresh_cookie(client) for client in (one, other))
            both = "; ".join((held, live) if held_is_first else (live, held))
            async with _client(app) as browser:
                assert (await browser.post("/session/refresh", headers={"cookie": both})).status_code == 200
                assert (await browser.post("/session/refresh", headers={"cookie": held})).json() == HELD


@pytest.mark.parametrize("database", DATABASES)
def test_the_same_in_flask(
    request: pytest.FixtureRequest, settings: Settings, clock: ManualClock, tmp_path: Any, database: str
) -> None:
    store: Any = (
        SQLiteStore(tmp_path / "s.db", clock)
        if database == "sqlite"
        else PostgresStore(request.getfixturevalue("postgres_uri"), clock=clock)
    )
    app = Flask("shop")
    app.config["SECRET_KEY"] = "a key of the tests"
    engine = Engine(settings, store, clock=clock, on_event=Recorder())
    reseal = FlaskReseal(settings=settings, sessions=engine, clock=clock, on_event=Recorder())
    reseal.init_app(app)

    @app.post("/login")
    def login() -> str:
        return reseal.create_new_session("alice").get_handle()

    @app.post("/confirm")
    @session_required
    def confirm() -> dict[str, Any]:
        current_session.elevate(for_=60_000, amr=["pwd"])
        return {}

    with engine:
        owner, thief = (app.test_client() for _ in range(2))
        signed_in = owner.post("/login", base_url=API, headers=OWN)
        for cookie in signed_in.headers.getlist("set-cookie"):
            name, value = cookie.partition(";")[0].split("=", 1)
            path = "/session/refresh" if "/session/refresh" in cookie else "/"
            thief.set_cookie(name, value, domain="shop.example.com", path=path, secure=True)
        for _ in range(2):
            clock.advance(HOUR)
            assert owner.post("/session/refresh", base_url=API, headers=OWN).status_code == 200
        for client in (thief, owner):
            answer = client.post("/session/refresh", base_url=API, headers=OWN)
            assert (answer.status_code, answer.json) == (403, HELD)
            assert "set-cookie" not in answer.headers
        assert owner.post("/confirm", base_url=API, headers=OWN).status_code == 200
        assert owner.post("/session/refresh", base_url=API, headers=OWN).status_code == 200
        assert thief.post("/session/refresh", base_url=API, headers=OWN).json == {
            "message": "unauthorised",
            "reason": "theft",
        }


def _refresh_cookie(client: httpx.AsyncClient) -> str:
    [cookie] = [each for each in client.cookies.jar if "efresh" in each.name]
    return f"{cookie.name}={cookie.value}"


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=API, headers=OWN)
