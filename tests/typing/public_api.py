"""The public calls as an application writes them. It is read by the type checker, and never run."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any, assert_type

from fastapi import Depends, FastAPI, Request, WebSocket
from fastapi.testclient import TestClient
from starlette.applications import Starlette
from starlette.requests import Request as StarletteRequest
from starlette.responses import JSONResponse, Response, StreamingResponse

import reseal
from reseal import (
    AsyncEngine,
    AsyncMemoryStore,
    AsyncReseal,
    AsyncSession,
    AsyncSQLiteStore,
    ClaimCheck,
    DeviceKind,
    Event,
    FreshClaim,
    HasClaim,
    InvalidClaims,
    Refusal,
    RequestFacts,
    SessionHeaders,
    SessionInfo,
    Settings,
    TokenTheftDetected,
    Unauthorised,
)
from reseal.fastapi import Reseal, Session
from reseal.starlette import Reseal as StarletteReseal
from reseal.testing import (
    AsyncBrowser,
    Browser,
    ManualClock,
    Recorder,
    Report,
    Site,
    as_browser,
    assert_theft_detected,
    async_honest_user,
    honest_user,
    overridden,
    signed_in,
)

settings = Settings(api_domain="https://api.example.com", trusted_origins=("https://www.example.com",))
assert_type(settings.access_token_ms, int)
assert_type(settings.absolute_ms, int | None)
assert_type(settings.origins, frozenset[str])
assert_type(Settings.from_env(), Settings)


@dataclass
class Cart:
    items: list[str]


def listen(event: Event) -> None:
    assert_type(event.user_id, str | None)
    assert_type(event.name, reseal.EventName)


app = FastAPI()
sessions = Reseal(settings, clock=ManualClock(), on_event=listen)
sessions.install(app)
sessions.install_cors(app, allow_headers=["X-Own"], expose_headers=["X-Told"])
assert_type(reseal.get_cors_headers(), list[str])
assert_type(sessions.sessions, AsyncReseal)

SignedIn = Annotated[Session, Depends(sessions.session())]
Recently = Annotated[
    Session,
    Depends(sessions.session(check_database=True, claims=[HasClaim("mfa"), FreshClaim("mfa_at", max_age_ms=300_000)])),
]
Perhaps = Annotated[Session | None, Depends(sessions.optional_session())]


@app.post("/login", dependencies=[Depends(sessions.require_own_origin)])
async def login(request: Request) -> dict[str, str]:
    session = await sessions.create_new_session(request, "alice", {"role": "admin"}, {"cart": []})
    assert_type(session, AsyncSession)
    return {"handle": session.get_handle()}


@app.get("/feed")
async def feed(session: SignedIn, recent: Recently, perhaps: Perhaps) -> list[str]:
    assert_type(session, AsyncSession)
    assert_type(session.get_user_id(), str)
    assert_type(session.get_jwt_payload(), dict[str, Any])
    assert_type(session.get_expiry(), int)
    assert_type(await session.get_session_data(), dict[str, Any])
    assert_type(await session.get_session_data(as_=Cart), Cart)
    assert_type(await session.change_session_data(lambda cart: Cart([*cart.items, "tea"]), as_=Cart), Cart)
    await session.change_session_data(lambda data: {**data, "cart": [*data["cart"], "tea"]})
    assert_type(await recent.revoke_other_sessions(), tuple[str, ...])
    await session.update_session_data({"cart": ["tea"]})
    await session.update_jwt_payload({"plan": "gold"})
    await session.revoke_session()
    assert_type(perhaps, AsyncSession | None)
    return []


async def theft(_request: Request, error: Exception) -> Response:
    assert isinstance(error, TokenTheftDetected)
    assert_type(error.user_id, str)
    assert_type(error.session_handle, str)
    return JSONResponse({"message": "gone"}, 401)


app.add_exception_handler(TokenTheftDetected, theft)

plain = Starlette()
starlette_sessions = StarletteReseal(settings, sessions=AsyncEngine(settings, AsyncMemoryStore()))
starlette_sessions.install(plain, routes=False)


async def starlette_endpoint(request: StarletteRequest) -> Response:
    session = await starlette_sessions.get_session(request, enable_csrf_protection=True, claims=[HasClaim("mfa")])
    assert_type(session, AsyncSession)
    assert_type(await starlette_sessions.refresh_session(request), AsyncSession)
    await starlette_sessions.sign_out(request)
    return JSONResponse({})


@app.websocket("/live")
async def live(websocket: WebSocket) -> None:
    async with sessions.guard(websocket, subprotocols=["chat.v1"], claims=[HasClaim("mfa")]) as session:
        assert_type(session, AsyncSession)


@app.post("/ticket")
async def ticket(session: SignedIn) -> str:
    return assert_type(await session.create_ticket("/live"), str)


@app.get("/prices", response_model=None)
async def prices(session: SignedIn) -> Response:
    async def bytes_of_events() -> AsyncIterator[bytes]:
        yield b"data: 1\n\n"

    return StreamingResponse(sessions.guard_events(session, bytes_of_events()), media_type="text/event-stream")


@app.get("/account", response_model=None)
async def account(request: Request) -> Response:
    match await sessions.peek(request, check_database=True):
        case reseal.SignedIn(session):
            assert_type(session, AsyncSession)
            return Response(session.get_user_id())
        case reseal.RefreshFirst():
            return sessions.refresh_first(request)
        case other:
            assert_type(other, reseal.Anonymous)
            return Response("stranger")


class Adult:
    """A claim check of an application's own."""

    @property
    def id(self) -> str:
        return "adult"

    def failure(self, payload: "dict[str, object] | object", now: int) -> object | None:
        return None


own_check: ClaimCheck = Adult()


async def deliver() -> None:
    delivered = await sessions.sessions.deliver_events("mailer", listen)
    assert_type(delivered.events, int)
    assert_type(delivered.lost, int)


async def anywhere(request: RequestFacts, response: SessionHeaders) -> None:
    async with AsyncReseal(settings, sessions=AsyncEngine(settings, AsyncSQLiteStore("sessions.db"))) as asynchronous:
        assert_type(asynchronous, AsyncReseal)
        try:
            session = await asynchronous.get_session(request, response, claims=[own_check])
        except Unauthorised as error:
            assert_type(error.reason, Refusal)
            raise
        except InvalidClaims as error:
            assert_type(error.failures[0].id, str)
            raise
        assert_type(session, AsyncSession)
        assert_type(await asynchronous.get_all_session_handles_for_user("alice"), tuple[str, ...])
        assert_type(await asynchronous.revoke_session_using_session_handle("handle"), bool)
        assert_type(await asynchronous.revoke_multiple_sessions(["handle"]), tuple[str, ...])
        assert_type(await asynchronous.revoke_all_sessions_for_user("alice", keep="handle"), tuple[str, ...])
        assert_type(await asynchronous.end_sessions_before(datetime.now(UTC), user_id="alice"), int)
        assert_type(await asynchronous.get_session_data("handle"), dict[str, Any])
        assert_type(await asynchronous.answer_refresh(request, response), dict[str, object])
        asynchronous.require_own_origin(request)
        assert_type(asynchronous.set_relevant_headers_for_options_api(request, response), bool)


def in_a_thread(request: RequestFacts, response: SessionHeaders) -> None:
    with reseal.Reseal(settings) as synchronous:
        assert_type(synchronous, reseal.Reseal)
        session = synchronous.create_new_session(request, response, "alice")
        assert_type(session, reseal.Session)
        assert_type(session.get_session_data(), dict[str, Any])
        assert_type(synchronous.get_session(request, response, True), reseal.Session)
        assert_type(synchronous.refresh_session(request, response), reseal.Session)
        assert_type(response.items(), list[tuple[str, str]])


async def tested(app: FastAPI, sessions: Reseal, client: TestClient) -> None:
    clock, events = ManualClock(), Recorder()
    site = Site.of(settings, sign_in=("POST", "/login", {"json": {"user": "alice"}}), protected=("GET", "/me"))
    with overridden(sessions, clock=clock, on_event=events, database_uri="memory:") as same:
        assert_type(same, Reseal)
    assert_type(as_browser(client, settings), TestClient)
    assert_type(signed_in(client, sessions, "alice", {"role": "admin"}), TestClient)
    with Browser(app, site, clock=clock) as alice:
        assert_type(alice.thief(), Browser)
        assert_type(alice.get("/me").status_code, int)
    async with AsyncBrowser("https://staging.example.com", settings) as bob:
        assert_type(bob.tab(), AsyncBrowser)
    report = honest_user(app, site, tabs=4, clock=clock)
    assert_type(report, Report)
    assert_type(str(await async_honest_user(app, settings)), str)
    assert_type(assert_theft_detected(events, "alice"), Event)


async def lists(embedded: AsyncReseal, session: AsyncSession) -> None:
    assert_type(await embedded.list_sessions("alice", current=session.get_handle()), tuple[SessionInfo, ...])
    [own] = await session.list_sessions(ended_within=60_000)
    assert_type(own.device.kind, DeviceKind)
    assert_type(own.end_note, str | None)
    assert_type(await session.end_other(own.handle, note="you asked for it"), bool)
    assert_type(
        await embedded.end_sessions("alice", kind=DeviceKind.PHONE, begun_before=datetime.now(UTC)), tuple[str, ...]
    )
    assert_type(await embedded.end_sessions_before(datetime.now(UTC), claim=("plan", "trial")), int)
