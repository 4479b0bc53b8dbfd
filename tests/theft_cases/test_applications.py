"""Theft cases of whole applications: what races, lost answers and thieves leave behind in them."""

import re
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse
from flask import Flask, abort

from reseal import AsyncEngine, AsyncMemoryStore, AsyncSQLiteStore, Case, Engine, Settings, SQLiteStore
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._sync.stores.postgres import PostgresStore
from reseal.fastapi import Reseal as FastAPIReseal
from reseal.fastapi import Session
from reseal.flask import Reseal as FlaskReseal
from reseal.flask import current_session, session_required
from reseal.testing import (
    ManualClock,
    Recorder,
    Site,
    assert_catches_thieves,
    assert_keeps_users_signed_in,
    async_assert_catches_thieves,
    async_assert_keeps_users_signed_in,
)

API = "https://shop.example.com"
HOUR = 3_600_000
DATABASES = ("sqlite", "postgresql")
THIEF = "<script>alert('agent')</script>"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def settings() -> Settings:
    return Settings(api_domain=API, database_uri="memory:", theft_cases=90, device_list=True)


def described(settings: Settings) -> Site:
    return Site.of(settings, sign_in=("POST", "/login"))


def visited(page: str) -> list[str]:
    """Check that a page is whole and harmless; returns the results in its table."""
    assert "<svg" in page
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    return re.findall(r"<td>(refused; [^<]*)", page)


class ShopInFastAPI:
    """Sessions, a page for administrators, and a handler of thefts."""

    def __init__(self, settings: Settings, store: Any, clock: ManualClock) -> None:
        self.told: list[Case] = []
        engine = AsyncEngine(settings, store, clock=clock, on_event=Recorder())
        self.reseal = FastAPIReseal(settings, sessions=engine, clock=clock, on_event=Recorder())
        self.app = app = FastAPI()
        reseal = self.reseal
        reseal.install(app)

        @reseal.sessions.on_theft
        async def told(case: Case) -> None:
            self.told.append(case)

        def administrator(session: Annotated[Session, Depends(reseal.session())]) -> None:
            if session.get_user_id() != "admin":
                raise HTTPException(403)

        @app.post("/login")
        async def login(request: Request, user_id: str = "alice") -> None:
            await reseal.create_new_session(request, user_id)

        @app.get("/me")
        async def me(session: Annotated[Session, Depends(reseal.session())]) -> str:
            return session.get_user_id()

        @app.get("/admin/thefts/{case_id}", dependencies=[Depends(administrator)])
        async def theft(case_id: str) -> Response:
            page = await reseal.sessions.case_page(case_id)
            return HTMLResponse(page) if page is not None else Response(status_code=404)


def shop_in_flask(settings: Settings, store: Any, clock: ManualClock) -> tuple[Flask, FlaskReseal, list[Case]]:
    app, told = Flask("shop"), list[Case]()
    app.config["SECRET_KEY"] = "a key of the tests"
    engine = Engine(settings, store, clock=clock, on_event=Recorder())
    reseal = FlaskReseal(settings=settings, sessions=engine, clock=clock, on_event=Recorder())
    reseal.init_app(app)
    with app.app_context():
        reseal.sessions.on_theft(told.append)

    @app.post("/login")
    def login() -> dict[str, str]:
        return {"handle": reseal.create_new_session("alice").get_handle()}

    @app.get("/me")
    @session_required
    def me() -> str:
        return str(current_session.get_user_id())

    @app.get("/admin/thefts/<case_id>")
    def theft(case_id: str) -> str:
        return reseal.sessions.case_page(case_id) or abort(404)

    return app, reseal, told


class TestFastAPI:
    @pytest.fixture(params=DATABASES)
    async def shop(
        self, request: pytest.FixtureRequest, settings: Settings, clock: ManualClock, tmp_path: Any
    ) -> AsyncIterator[ShopInFastAPI]:
        store: Any = (
            AsyncSQLiteStore(tmp_path / "s.db", clock)
            if request.param == "sqlite"
            else AsyncPostgresStore(request.getfixturevalue("postgres_uri"), clock=clock)
        )
        shop = ShopInFastAPI(settings, store, clock)
        async with shop.app.router.lifespan_context(shop.app):
            yield shop

    async def test_honest_users_leave_no_case(
        self, shop: ShopInFastAPI, settings: Settings, clock: ManualClock
    ) -> None:
        await async_assert_keeps_users_signed_in(_running(shop.app), described(settings), tabs=4, clock=clock)
        assert (await shop.reseal.sessions.list_cases()).cases == ()
        assert shop.told == []

    async def test_each_thief_leaves_one_with_both_parties(
        self, shop: ShopInFastAPI, settings: Settings, clock: ManualClock
    ) -> None:
        await async_assert_catches_thieves(_running(shop.app), described(settings), clock=clock)
        found = (await shop.reseal.sessions.list_cases("alice", open_only=True)).cases
        assert len(found) == len({case.id for case in found}) == 3
        assert {case.verdict for case in found} == {"token_theft"}
        assert {case.id for case in shop.told} == {case.id for case in found}

    async def test_an_administrator_sees_the_case_and_nobody_else(
        self, shop: ShopInFastAPI, clock: ManualClock
    ) -> None:
        async with _client(shop.app) as owner, _client(shop.app) as thief, _client(shop.app) as admin:
            await owner.post("/login")
            thief.cookies.update(dict(owner.cookies))
            for _ in range(2):
                clock.advance(HOUR)
                assert (await owner.post("/session/refresh")).status_code == 200
            clock.advance(HOUR)
            stolen = await thief.post("/session/refresh", headers={"user-agent": THIEF})
            assert stolen.json() == {"message": "token theft detected"}
            assert (await owner.post("/session/refresh")).json() == {"message": "unauthorised", "reason": "theft"}
            [case] = (await shop.reseal.sessions.list_cases()).cases
            assert (await owner.get(f"/admin/thefts/{case.id}")).status_code == 401
            await admin.post("/login?user_id=mallory")
            assert (await admin.get(f"/admin/thefts/{case.id}")).status_code == 403
            await admin.post("/login?user_id=admin")
            page = await admin.get(f"/admin/thefts/{case.id}")
            assert visited(page.text) == ["refused; the session was ended", "refused; the session had ended"]
            assert (await admin.get("/admin/thefts/absent")).status_code == 404
        [told] = shop.told
        assert told.id == case.id


@pytest.mark.parametrize(
    ("details", "clients"),
    [
        ("full", [("203.0.113.9", "Thief/1")]),
        ("truncated", [("203.0.113.0/24", "Thief/1")]),
        ("no_address", [(None, "Thief/1")]),
        ("none", []),
    ],
)
async def test_a_case_has_no_more_of_a_client_than_may_be_kept(
    clock: ManualClock, details: str, clients: list[tuple[str | None, str]]
) -> None:
    settings = Settings(api_domain=API, database_uri="memory:", theft_cases=90, client_details=details)
    shop = ShopInFastAPI(settings, AsyncMemoryStore(clock), clock)
    async with shop.app.router.lifespan_context(shop.app), _client(shop.app) as owner:
        await owner.post("/login")
        cookie = "; ".join(f"{name}={value}" for name, value in owner.cookies.items())
        for _ in range(2):
            await owner.post("/session/refresh", headers={"user-agent": ""})
        owner.cookies.clear()
        clock.advance(HOUR)
        there = httpx.ASGITransport(shop.app, client=("203.0.113.9", 1))
        async with httpx.AsyncClient(transport=there, base_url=API) as thief:
            await thief.post("/session/refresh", headers={"cookie": cookie, "user-agent": "Thief/1", "origin": API})
    [case] = shop.told
    assert [tuple(client) for client in case.clients if client.user_agent == "Thief/1"] == clients
    assert details != "none" or case.clients == ()


@pytest.mark.parametrize("database", DATABASES)
class TestFlask:
    @pytest.fixture
    def store(self, request: pytest.FixtureRequest, database: str, clock: ManualClock, tmp_path: Any) -> Iterator[Any]:
        sqlite = database == "sqlite"
        store: Any = (
            SQLiteStore(tmp_path / "s.db", clock)
            if sqlite
            else PostgresStore(request.getfixturevalue("postgres_uri"), clock=clock)
        )
        yield store
        store.close()

    def test_honest_users_leave_no_case_and_each_thief_one(
        self, store: Any, settings: Settings, clock: ManualClock
    ) -> None:
        app, reseal, told = shop_in_flask(settings, store, clock)
        assert_keeps_users_signed_in(app, described(settings), tabs=4, clock=clock)
        with app.app_context():
            sessions = reseal.sessions
        assert sessions.list_cases().cases == ()
        assert_catches_thieves(app, described(settings), clock=clock)
        found = sessions.list_cases("alice", open_only=True).cases
        assert len(found) == 3
        assert {case.id for case in told} == {case.id for case in found}
        page = app.test_client().get(f"/admin/thefts/{found[0].id}")
        assert "Token theft" in page.get_data(as_text=True)
        closed = sessions.close_case(found[0].id, note="a copied profile", by="ops")
        assert closed is not None
        assert "by ops: a copied profile" in app.test_client().get(f"/admin/thefts/{closed.id}").get_data(as_text=True)
        assert len(sessions.list_cases(open_only=True).cases) == 2
        assert sessions.erase_cases("alice") == 3


class _running(httpx.AsyncBaseTransport):  # noqa: N801 - used like a function
    """Sends requests to an application that is started."""

    def __init__(self, app: FastAPI) -> None:
        self._to = httpx.ASGITransport(app)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._to.handle_async_request(request)


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=API, headers={"origin": API})
