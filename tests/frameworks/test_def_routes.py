"""Routes written with ``def``: sync sessions and calls that fit them, and calls of the wrong kind, which raise an error."""

import inspect
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any

import pytest
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.testclient import TestClient

from reseal import AsyncReseal, AsyncSession, EventName, HasClaim, Settings, correlated
from reseal._async.adapter import AsyncRequestCalls
from reseal.correlation import current_id
from reseal.fastapi import Reseal, Session, SyncSession
from reseal.starlette import Reseal as StarletteReseal
from reseal.testing import ManualClock
from tests.frameworks.site import API, Listener

PAGE = {"sec-fetch-site": "same-origin"}


class Shop:
    """An application all of whose routes are ``def``."""

    def __init__(self, database_uri: str) -> None:
        self.clock, self.events = ManualClock(), Listener()
        settings = Settings(api_domain=API, database_uri=database_uri)
        self.reseal = Reseal(settings, clock=self.clock, on_event=self.events)
        self.app = FastAPI()
        self.reseal.install(self.app)
        self.threads: set[int] = set()
        self._add_routes(self.app, self.reseal)

    def browser(self) -> TestClient:
        return TestClient(self.app, base_url=API, headers=PAGE)

    def _add_routes(self, app: FastAPI, reseal: Reseal) -> None:
        signed_in = Depends(reseal.sync_session())

        @app.post("/login")
        def login(request: Request, user: str = "alice") -> str:
            self.threads.add(threading.get_ident())
            return reseal.sync.create_new_session(request, user, {"plan": "gold"}, {"cart": []}).get_handle()

        @app.get("/feed")
        def feed(session: Annotated[SyncSession, signed_in]) -> str:
            return session.get_user_id()

        @app.get("/by-request")
        def by_request(request: Request, check_database: bool = False) -> str:
            return reseal.sync.get_session(request, check_database=check_database).get_user_id()

        @app.put("/cart/{item}")
        def add(item: str, session: Annotated[SyncSession, signed_in]) -> Any:
            return session.change_session_data(lambda data: {"cart": [*data["cart"], item]})["cart"]

        @app.post("/plan")
        def plan(session: Annotated[SyncSession, signed_in]) -> Any:
            session.update_jwt_payload({"plan": "silver"})
            return session.get_jwt_payload()

        @app.get("/silver")
        def silver(session: Annotated[SyncSession, Depends(reseal.sync_session(claims=[HasClaim("plan", "silver")]))]):
            return session.get_user_id()

        @app.get("/perhaps")
        def perhaps(session: Annotated[SyncSession | None, Depends(reseal.optional_sync_session())]) -> str | None:
            return session and session.get_user_id()

        @app.post("/own-refresh")
        def own_refresh(request: Request) -> str:
            return reseal.sync.refresh_session(request).get_user_id()

        @app.post("/leave")
        def leave(request: Request) -> None:
            reseal.sync.sign_out(request)

        @app.post("/revoke")
        def revoke(session: Annotated[SyncSession, signed_in]) -> int:
            session.revoke_session()
            return len(reseal.sync.sessions.revoke_all_sessions_for_user(session.get_user_id()))


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path):
    return Shop("memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db")


def test_a_session_lives_its_whole_life_in_def_routes(shop: Shop) -> None:
    with shop.browser() as alice:
        assert alice.get("/feed").status_code == 401
        assert alice.get("/perhaps").json() is None
        assert alice.post("/login").status_code == 200
        assert alice.get("/feed").json() == alice.get("/by-request").json() == alice.get("/perhaps").json() == "alice"
        assert alice.put("/cart/tea").json() == ["tea"]
        assert alice.get("/silver").status_code == 403
        assert alice.post("/plan").json() == {"plan": "silver"}
        assert alice.get("/silver").json() == "alice"
        before = dict(alice.cookies)
        assert alice.post("/session/refresh").status_code == 200
        assert dict(alice.cookies).keys() == before.keys()
        assert dict(alice.cookies) != before
        assert alice.post("/revoke").json() == 0
        assert alice.get("/feed").status_code == 401
        assert threading.get_ident() not in shop.threads


def test_a_revoked_session_is_noticed_in_a_def_route_that_asks_the_store(shop: Shop) -> None:
    with shop.browser() as alice:
        alice.post("/login")
        assert len(shop.reseal.sync.sessions.revoke_all_sessions_for_user("alice")) == 1
        assert alice.get("/by-request").status_code == 200
        assert alice.get("/by-request?check_database=true").status_code == 401


def test_a_refresh_of_ones_own_in_a_def_route_reads_a_token_from_the_body_too() -> None:
    shop = Shop("memory:")
    header = {"st-auth-mode": "header"}
    with shop.browser() as program:
        answer = program.post("/login", headers=header)
        refresh = answer.headers["st-refresh-token"]
        answer = program.post("/own-refresh", headers=header | {"authorization": f"Bearer {refresh}"})
        assert (answer.status_code, answer.json()) == (200, "alice")
        assert answer.headers["st-refresh-token"] != refresh
        assert program.post(
            "/leave", headers={"authorization": f"Bearer {answer.headers['st-access-token']}"}
        ).is_success


def test_carts_that_are_changed_in_many_threads_at_once_keep_every_item() -> None:
    shop = Shop("memory:")
    with shop.browser() as alice, ThreadPoolExecutor(8) as threads:
        alice.post("/login")
        answers = list(threads.map(lambda item: alice.put(f"/cart/{item}").status_code, range(16)))
        assert answers == [200] * 16
        assert sorted(map(int, alice.put("/cart/16").json())) == list(range(17))


def test_a_correlation_id_reaches_the_store_s_side_of_the_call() -> None:
    shop = Shop("memory:")
    seen: list[str | None] = []

    @shop.app.post("/followed")
    def followed(request: Request) -> None:
        with correlated("request-17"):
            shop.reseal.sync.create_new_session(request, "bob")
            seen.append(current_id())

    with shop.browser() as bob:
        assert bob.post("/followed").status_code == 200
    assert seen == ["request-17"]
    assert {event.user_id for event in shop.events.seen} >= {"bob"}


# -- the wrong kind -------------------------------------------------------------------------------------------------


def wrong_def_routes(reseal: Reseal) -> dict[str, Any]:
    session = Annotated[Session, Depends(reseal.session())]

    def create(request: Request) -> None:
        reseal.create_new_session(request, "alice")

    def get(request: Request) -> None:
        reseal.get_session(request)

    def own_origin(request: Request) -> None:
        reseal.require_own_origin(request)

    def sign_out(request: Request) -> None:
        reseal.sign_out(request)

    def by_user() -> None:
        reseal.sessions.revoke_all_sessions_for_user("alice")

    def data(session: session) -> None:  # type: ignore[valid-type]
        session.update_session_data({})

    def end(session: session) -> None:  # type: ignore[valid-type]
        session.revoke_session()

    return {route.__name__: route for route in (create, get, own_origin, sign_out, by_user, data, end)}


NAMES = {
    "create": "create_new_session",
    "get": "get_session",
    "own_origin": "require_own_origin",
    "sign_out": "sign_out",
    "by_user": "revoke_all_sessions_for_user",
    "data": "update_session_data",
    "end": "revoke_session",
}


@pytest.mark.parametrize("name", NAMES)
def test_an_awaitable_call_in_a_def_route_raises_at_once_and_names_the_right_one(name: str) -> None:
    shop = Shop("memory:")
    shop.app.post("/wrong")(wrong_def_routes(shop.reseal)[name])
    with shop.browser() as alice:
        alice.post("/login")
        with pytest.raises(RuntimeError, match=rf"{NAMES[name]} has to be awaited.*reseal\.sync\.{NAMES[name]}"):
            alice.post("/wrong")
        assert alice.get("/by-request?check_database=true").json() == "alice"


def test_a_sync_call_in_an_async_route_raises_at_once_instead_of_waiting_for_itself() -> None:
    shop = Shop("memory:")

    @shop.app.post("/wrong")
    async def wrong(request: Request) -> None:
        shop.reseal.sync.create_new_session(request, "alice")

    with shop.browser() as alice, pytest.raises(RuntimeError, match=r"in async code await the same call of reseal"):
        alice.post("/wrong")
    assert shop.events.of(EventName.SESSION_CREATED) == []


def test_a_sync_call_outside_a_started_application_says_so() -> None:
    shop = Shop("memory:")
    with pytest.raises(RuntimeError, match="the application has not been started"):
        shop.reseal.sync.sessions.get_all_session_handles_for_user("alice")
    with shop.browser():
        assert shop.reseal.sync.sessions.get_all_session_handles_for_user("alice") == ()
    with pytest.raises(RuntimeError, match="the application has not been started"):
        shop.reseal.sync.sessions.get_all_session_handles_for_user("alice")


def test_an_awaitable_call_as_a_background_task_is_still_awaited() -> None:
    shop = Shop("memory:")

    @shop.app.post("/block")
    async def block(tasks: BackgroundTasks) -> None:
        tasks.add_task(shop.reseal.sessions.revoke_all_sessions_for_user, "alice")

    with shop.browser() as alice:
        alice.post("/login")
        assert alice.post("/block").status_code == 200
        assert alice.get("/by-request?check_database=true").status_code == 401


@pytest.mark.parametrize(
    "kind", [AsyncReseal, AsyncSession, AsyncRequestCalls, Reseal, StarletteReseal], ids=lambda kind: kind.__qualname__
)
def test_no_call_that_has_to_be_awaited_is_silent_without_an_event_loop(kind: type) -> None:
    silent = [
        name
        for name, call in vars(kind).items()
        if not name.startswith("_")
        and inspect.iscoroutinefunction(inspect.unwrap(call))
        and call is inspect.unwrap(call)
    ]
    assert set(silent) <= {"open", "close"}
