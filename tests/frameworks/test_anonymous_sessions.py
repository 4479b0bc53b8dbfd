"""Sessions of visitors who are not signed in, in FastAPI: what accepts them, and what becomes of them at the sign-in."""

# Annotations are no strings here: FastAPI looks up those of functions within functions.

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request

from reseal import AsyncReseal, Event, EventName, RequestFacts, SessionHeaders, Settings, Unauthorised
from reseal._async.audit import AsyncAuditTrail
from reseal._async.engine import AsyncEngine
from reseal.core.ids import ANONYMOUS
from reseal.fastapi import Reseal, Session, SyncSession
from reseal.testing import Browser, ManualClock, Recorder
from tests.frameworks.site import API, HOUR

NOT_SIGNED_IN = {"message": "unauthorised", "reason": "not_signed_in"}


class Shop:
    """An application whose cart serves visitors and users."""

    def __init__(self, clock: ManualClock, events: Recorder, database_uri: str) -> None:
        self.settings = Settings(api_domain=API, database_uri=database_uri, device_list=True, event_outbox="all")
        self.reseal = reseal = Reseal(self.settings, clock=clock, on_event=events)
        self.clock = clock
        self.app = app = FastAPI()
        reseal.install(app)

        async def cart_session(request: Request) -> Session:
            try:
                return await reseal.get_any_session(request, check_database=True)
            except Unauthorised:
                return await reseal.create_anonymous_session(request, session_data={"cart": []})

        @app.post("/cart/{item}")
        async def put(item: str, session: Annotated[Session, Depends(cart_session)]) -> Any:
            return await session.change_session_data(lambda data: {**data, "cart": [*data.get("cart", []), item]})

        @app.get("/cart")
        async def cart(
            session: Annotated[Session | None, Depends(reseal.optional_session(allow_anonymous=True))],
        ) -> dict[str, Any]:
            return {} if session is None else await session.get_session_data()

        @app.get("/greeting")
        async def greeting(session: Annotated[Session | None, Depends(reseal.optional_session())]) -> str:
            return "nobody" if session is None else session.get_user_id()

        @app.get("/greeting-in-a-thread")
        def sync_greeting(session: Annotated[SyncSession | None, Depends(reseal.optional_sync_session())]) -> str:
            return "nobody" if session is None else session.get_user_id()

        @app.get("/me")
        async def me(session: Annotated[Session, Depends(reseal.session())]) -> str:
            return session.get_user_id()

        @app.get("/careless")
        async def careless(request: Request) -> str:
            return (await reseal.get_any_session(request)).get_user_id()

        @app.post("/visit")
        async def visit(request: Request) -> str:
            return (await reseal.create_anonymous_session(request)).get_handle()

        @app.post("/visit-in-a-thread")
        def sync_visit(request: Request) -> Any:
            try:
                return reseal.sync.get_any_session(request).get_session_data()
            except Unauthorised:
                reseal.sync.create_anonymous_session(request, session_data={"cart": ["thread"]})
                return None

        @app.post("/sign-in")
        async def sign_in(request: Request, user: str = "alice", *, keep: bool = True) -> str:
            return (await reseal.create_new_session(request, user, keep_anonymous=keep)).get_handle()

    def browser(self) -> Browser:
        return Browser(self.app, self.settings, clock=self.clock)


@pytest.fixture
def events() -> Recorder:
    return Recorder()


@pytest.fixture(params=["memory", "sqlite"])
def shop(request: pytest.FixtureRequest, tmp_path: Any, events: Recorder) -> Shop:
    uri = "memory:" if request.param == "memory" else f"sqlite:///{tmp_path}/sessions.db"
    return Shop(ManualClock(), events, uri)


@pytest.fixture
def alice(shop: Shop) -> Iterator[Browser]:
    with shop.browser() as browser:
        yield browser


def test_a_visitor_has_a_cart_and_is_nobody_to_everything_that_demands_a_user(alice: Browser) -> None:
    assert alice.get("/cart").json() == {}
    assert alice.post("/cart/tea").json() == alice.get("/cart").json() == {"cart": ["tea"]}
    assert alice.get("/greeting").json() == alice.get("/greeting-in-a-thread").json() == "nobody"
    for call in (alice.get("/me"), alice.get("/careless"), alice.get("/sessions")):
        assert (call.status_code, call.json()) == (403, NOT_SIGNED_IN), call.request.url
    assert alice.get("/cart").json() == {"cart": ["tea"]}


def test_at_the_sign_in_the_cart_becomes_the_user_s(alice: Browser, events: Recorder) -> None:
    visitor = alice.post("/visit").json()
    alice.post("/cart/tea")
    before = {cookie.value for cookie in alice.jar}
    handle = alice.post("/sign-in").json()
    assert handle != visitor
    assert before.isdisjoint(cookie.value for cookie in alice.jar)
    assert (alice.get("/me").json(), alice.get("/cart").json()) == ("alice", {"cart": ["tea"]})
    [event] = events.named(EventName.SESSION_CONVERTED)
    assert (event.session_handle, event.user_id, event.reason) == (handle, "alice", visitor)


def test_the_list_of_devices_shows_users_only(shop: Shop, alice: Browser) -> None:
    alice.post("/cart/tea")
    alice.post("/sign-in")
    with shop.browser() as stranger:
        stranger.post("/cart/tea")
        listed = alice.get("/sessions").json()["sessions"]
        assert [device["current"] for device in listed] == [True]


def test_whoever_planted_the_session_of_a_visitor_gains_nothing(shop: Shop) -> None:
    with shop.browser() as victim:
        victim.post("/cart/planted")
        planter = victim.thief()
        assert victim.post("/sign-in", params={"keep": False}).status_code == 200
        victim.post("/cart/secret")
        assert planter.get("/me").status_code == 403
        replaced = {"message": "unauthorised", "reason": "replaced"}
        assert (planter.get("/cart").json(), planter.refresh().json()) == (replaced, replaced)
        assert planter.post("/sign-in", params={"user": "mallory"}).status_code == 200
        assert (planter.get("/me").json(), planter.get("/cart").json()) == ("mallory", {})
        assert (victim.get("/me").json(), victim.get("/cart").json()) == ("alice", {"cart": ["secret"]})


def test_a_sign_in_with_an_expired_token_refreshes_first(shop: Shop, alice: Browser) -> None:
    alice.post("/cart/tea")
    shop.clock.advance(HOUR)
    assert alice.post("/sign-in").status_code == 200
    assert alice.get("/cart").json() == {"cart": ["tea"]}


def test_two_tabs_that_sign_in_one_after_the_other_have_the_cart(alice: Browser) -> None:
    alice.post("/cart/tea")
    before = alice.thief()
    for tab in (alice, before):
        assert tab.post("/sign-in").status_code == 200
        assert tab.get("/cart").json() == {"cart": ["tea"]}


def test_a_user_s_session_gives_no_way_to_a_visitor_s(alice: Browser) -> None:
    alice.post("/sign-in")
    assert alice.post("/visit").status_code == 400
    assert alice.post("/cart/tea").status_code == 200
    assert alice.get("/me").json() == "alice"


def test_the_calls_are_there_for_def_routes_too(alice: Browser) -> None:
    assert alice.post("/visit-in-a-thread").json() is None
    assert alice.post("/visit-in-a-thread").json() == {"cart": ["thread"]}
    alice.post("/sign-in")
    assert alice.post("/visit-in-a-thread").json() == {"cart": ["thread"]}


def test_a_visitor_signs_out(alice: Browser) -> None:
    alice.post("/cart/tea")
    assert alice.sign_out().status_code == 200
    assert len(alice.jar) == 0
    assert alice.get("/cart").json() == {}


def test_a_foreign_page_begins_nothing(shop: Shop, alice: Browser, events: Recorder) -> None:
    foreign = {"origin": "https://evil.example.net", "sec-fetch-site": "cross-site"}
    assert alice.post("/visit", headers=foreign).status_code == shop.settings.session_expired_status_code
    assert events.named(EventName.SESSION_CREATED) == []


async def test_the_outbox_and_the_audit_trail_tell_of_the_sign_in_once(events: Recorder, tmp_path: Path) -> None:
    uri = f"sqlite:///{tmp_path}/sessions.db"
    settings = Settings(api_domain=API, database_uri=uri, event_outbox="all", audit=True)
    async with AsyncReseal(settings, on_event=events) as reseal:
        answer = SessionHeaders()
        shown = RequestFacts.of("POST", "/", [("st-auth-mode", "header")])
        visitor = await reseal.create_anonymous_session(shown, answer)
        token = dict(answer.items())["st-access-token"]
        shown = RequestFacts.of("POST", "/", [("st-auth-mode", "header"), ("authorization", f"Bearer {token}")])
        session = await reseal.create_new_session(shown, SessionHeaders(), "alice", keep_anonymous=True)
        heard: list[Event] = []
        await reseal.deliver_events("mailer", heard.append)
        assert isinstance(reseal.backend, AsyncEngine)
        trail = AsyncAuditTrail.of(reseal.backend.store, settings)
        await trail.seal()
        entries = [json.loads(row.entry) for row in await trail.read(0, 100)]
        assert (await trail.verify()).problems == ()
    names = [entry["name"] for entry in entries if entry["kind"] == "event"]
    assert sorted(names) == ["session_converted", "session_created", "session_created", "session_revoked"]
    told = [(each.name.value, each.session_handle, each.user_id, each.reason) for each in heard]
    assert sorted(told) == sorted(
        [
            ("session_converted", session.get_handle(), "alice", visitor.get_handle()),
            ("session_created", session.get_handle(), "alice", None),
            ("session_created", visitor.get_handle(), ANONYMOUS, None),
            ("session_revoked", visitor.get_handle(), ANONYMOUS, "replaced"),
        ]
    )
