"""A member of the staff acts as a customer, in an async and a sync framework, embedded and by a service, in each store."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Request
from flask import Flask
from flask import request as flask_request

from reseal import AsyncEngine, Engine, EventName, HasClaim, NotImpersonated, Settings
from reseal._async.remote import AsyncRemote
from reseal._async.stores.postgres import AsyncPostgresStore
from reseal._async.stores.sqlite import AsyncSQLiteStore
from reseal._sync.remote import Remote
from reseal._sync.stores.postgres import PostgresStore
from reseal._sync.stores.sqlite import SQLiteStore
from reseal.fastapi import Reseal as FastAPIReseal
from reseal.fastapi import Session
from reseal.flask import Reseal as FlaskReseal
from reseal.flask import current_session, session_required
from reseal.testing import AsyncFaultyStore, FaultyStore, ManualClock, Recorder
from tests._async.serving import API_KEY, AsyncServed
from tests._sync.serving import Served
from tests.frameworks.site import API, MINUTE, WEBSITE
from tests.scenarios.framework import App, Given
from tests.scenarios.servers import AsgiApp, WsgiApp
from tests.scenarios.site import HOST, Site, Visitor

STAFF = HasClaim("role", "support")
TRY_REFRESH = {"message": "try refresh token"}


def in_fastapi(given: Given) -> App:
    reseal, app = FastAPIReseal(given.settings, **given.parts), FastAPI()
    reseal.install(app)
    any_session = Depends(reseal.session(check_database=True))
    staff = Depends(reseal.session(claims=[STAFF], check_database=True))
    the_user = Depends(reseal.session(claims=[NotImpersonated()]))

    @app.post("/login")
    async def login(request: Request) -> dict[str, Any]:
        body: dict[str, Any] = await request.json()
        await reseal.create_new_session(request, body["user_id"], body.get("jwt_payload"))
        return body

    @app.post("/act/{user_id}", dependencies=[staff])
    async def act(request: Request, user_id: str) -> None:
        await reseal.impersonate(request, user_id, reason="ticket 4711", at_most=15 * MINUTE)

    @app.get("/who")
    async def who(session: Annotated[Session, any_session]) -> list[str | None]:
        return [session.get_user_id(), session.get_actor()]

    @app.post("/password", dependencies=[the_user])
    async def password() -> None: ...

    @app.post("/elevate")
    async def elevate(session: Annotated[Session, any_session]) -> None:
        await session.elevate(for_=5 * MINUTE, acr="high")

    return AsgiApp(app)


def in_flask(given: Given) -> App:
    app = Flask(__name__)
    reseal = FlaskReseal(app, settings=given.settings, **given.parts)

    @app.post("/login")
    def login() -> Any:
        body = flask_request.get_json()
        reseal.create_new_session(body["user_id"], body.get("jwt_payload"))
        return body

    @app.post("/act/<user_id>")
    @session_required(claims=[STAFF], check_database=True)
    def act(user_id: str) -> Any:
        reseal.impersonate(user_id, reason="ticket 4711", at_most=15 * MINUTE)
        return {}

    @app.get("/who")
    @session_required(check_database=True)
    def who() -> Any:
        return [current_session.get_user_id(), current_session.get_actor()]

    @app.post("/password")
    @session_required(claims=[NotImpersonated()])
    def password() -> Any:
        return {}

    @app.post("/elevate")
    @session_required(check_database=True)
    def elevate() -> Any:
        current_session.elevate(for_=5 * MINUTE, acr="high")
        return {}

    def close() -> None:
        with app.app_context():
            reseal.close()

    return WsgiApp(app, closing=close)


class Place:
    """Where sessions are: the store, and whether a service is in between."""

    def __init__(self, name: str, path: str, postgres_uri: Callable[[], str]) -> None:
        self.store, self.form = name.split("-")
        self._path, self._postgres_uri = path, postgres_uri
        self.clock, self.events = ManualClock(), Recorder()
        self.settings = Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:", device_list=True)

    @asynccontextmanager
    async def in_async(self) -> AsyncIterator[tuple[Any, Any]]:
        is_file = self.store == "sqlite"
        made: Any = (
            AsyncSQLiteStore(self._path, self.clock)
            if is_file
            else AsyncPostgresStore(self._postgres_uri(), clock=self.clock)
        )
        store = AsyncFaultyStore(made)
        if self.form == "embedded":
            yield AsyncEngine(self.settings, store, clock=self.clock, on_event=self.events), store
            return
        await store.open()
        await store.put_tenant(self.settings.scope, b"{}")
        served = AsyncServed(store, self.clock, self.events)
        yield AsyncRemote(self.settings, HOST, api_key=API_KEY, clock=self.clock, transport=served), store
        await store.close()

    @asynccontextmanager
    async def in_sync(self) -> AsyncIterator[tuple[Any, Any]]:
        is_file = self.store == "sqlite"
        made: Any = (
            SQLiteStore(self._path, self.clock) if is_file else PostgresStore(self._postgres_uri(), clock=self.clock)
        )
        store = FaultyStore(made)
        if self.form == "embedded":
            yield Engine(self.settings, store, clock=self.clock, on_event=self.events), store
            return
        await asyncio.to_thread(store.open)
        await asyncio.to_thread(store.put_tenant, self.settings.scope, b"{}")
        served = Served(store, self.clock, self.events)
        yield Remote(self.settings, HOST, api_key=API_KEY, clock=self.clock, transport=served), store
        served.close()
        await asyncio.to_thread(store.close)


@pytest.fixture(params=["sqlite-embedded", "sqlite-remote", "postgres-embedded", "postgres-remote"])
def place(request: pytest.FixtureRequest, tmp_path: Any) -> Place:
    return Place(request.param, str(tmp_path / "sessions.db"), lambda: str(request.getfixturevalue("postgres_uri")))


@pytest.fixture(params=["fastapi", "flask"])
async def site(request: pytest.FixtureRequest, place: Place) -> AsyncIterator[Site]:
    is_async = request.param == "fastapi"
    async with AsyncExitStack() as stack:
        sessions, store = await stack.enter_async_context(place.in_async() if is_async else place.in_sync())
        given = Given(place.settings, sessions, place.clock, place.events)
        app = await stack.enter_async_context((in_fastapi if is_async else in_flask)(given))
        yield Site(app, place.settings, place.clock, store, place.events)


async def acting(site: Site) -> Visitor:
    sam = await site.signed_in("sam", jwt_payload={"role": "support"})
    assert (await sam.post("/act/alice")).status_code == 200
    return sam


async def who(visitor: Visitor) -> list[str | None]:
    answer = await visitor.get("/who")
    assert answer.status_code == 200, answer.text
    found: list[str | None] = answer.json()
    return found


async def test_it_is_seen_by_all_and_leads_back(site: Site) -> None:
    alice = await site.signed_in("alice")
    sam = await acting(site)
    assert await who(sam) == ["alice", "sam"]
    shown = await sam.get("/sessions/impersonation")
    assert shown.json() == {"actor": "sam", "user_id": "alice", "ends_in": 15 * MINUTE}
    listed = (await alice.get("/sessions")).json()["sessions"]
    assert {each.get("actor") for each in listed} == {None, "sam"}
    assert (await sam.post("/act/bob")).status_code == 403, "alice is no member of the staff"
    assert (await sam.post("/sessions/impersonation/stop")).status_code == 200
    assert (await sam.refresh()).status_code == 200
    assert await who(sam) == ["sam", None]
    assert [
        each.get("actor") for each in (await alice.get("/sessions")).json()["sessions"] if "ended_at" not in each
    ] == [None]
    [begun] = site.events.named(EventName.IMPERSONATION_BEGUN)
    assert (begun.user_id, begun.by, begun.note) == ("alice", "sam", "ticket 4711")
    [ended] = site.events.named(EventName.IMPERSONATION_ENDED)
    assert (ended.session_handle, ended.by, ended.reason) == (begun.session_handle, "sam", "signed_out")


async def test_what_only_the_user_may_do_is_refused(site: Site) -> None:
    alice = await site.signed_in("alice")
    sam = await acting(site)
    for method, path in (
        ("POST", "/password"),
        ("POST", "/elevate"),
        ("POST", "/sessions/end-others"),
        ("DELETE", f"/sessions/{alice.handle}"),
        ("PUT", f"/sessions/{alice.handle}"),
    ):
        refused = await sam.send(method, path, json={"name": "theirs"})
        assert (refused.status_code, refused.json()["claimValidationErrors"]) == (
            403,
            [{"id": "act", "reason": {"message": "not while acting as another user"}}],
        )
    assert (await alice.post("/password")).status_code == 200
    assert await who(alice) == ["alice", None]


async def test_the_end_of_the_own_session_elsewhere_ends_it(site: Site) -> None:
    sam = await acting(site)
    other = await site.signed_in("sam", jwt_payload={"role": "support"})
    assert (await other.post("/sessions/end-others")).json()["ended"] == 1
    over = await sam.get("/who")
    assert (over.status_code, over.json()) == (401, TRY_REFRESH)
    refused = await sam.refresh()
    assert (refused.status_code, refused.json()["reason"]) == (401, "user_revoked")
    assert sam.jar == {}
    [ended] = site.events.named(EventName.IMPERSONATION_ENDED)
    assert (ended.user_id, ended.by, ended.reason) == ("alice", "sam", "user_revoked")


ENDS: list[Callable[[Visitor], Awaitable[Any]]] = [Visitor.sign_out, Visitor.refresh]


@pytest.mark.parametrize("end", ENDS, ids=["sign_out", "refresh"])
async def test_the_actor_s_own_ways_out_end_it_also_for_a_copy_of_its_token(
    site: Site, end: Callable[[Visitor], Awaitable[Any]]
) -> None:
    sam = await acting(site)
    copy = sam.copy()
    assert (await end(sam)).status_code == 200
    over = await copy.get("/who")
    assert (over.status_code, over.json()) == (401, TRY_REFRESH)
    alice = await site.signed_in("alice")
    [live] = [each for each in (await alice.get("/sessions")).json()["sessions"] if "ended_at" not in each]
    assert (live["handle"], live.get("actor")) == (alice.handle, None)


async def test_its_time_ends_it(site: Site) -> None:
    sam = await acting(site)
    site.clock.advance(15 * MINUTE)
    over = await sam.get("/who")
    assert (over.status_code, over.json()) == (401, TRY_REFRESH)
    assert (await sam.refresh()).status_code == 200
    assert await who(sam) == ["sam", None]
