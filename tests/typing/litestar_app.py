"""The calls for Litestar as an application writes them. Read by type checkers, and never run."""

from collections.abc import AsyncIterator
from typing import Any, assert_type

from litestar import Litestar, Request, Response, Router, get, post
from litestar.connection import ASGIConnection
from litestar.di import Provide
from litestar.handlers import websocket_listener
from litestar.response import ServerSentEvent

import reseal
from reseal import AsyncReseal, AsyncSession, HasClaim
from reseal.litestar import Injected, Reseal, Session, Settings, SyncSession, cors_config, session_guard

settings = Settings(api_domain="https://api.example.com")
sessions = Reseal(settings, routes=True)
assert_type(sessions.sessions, AsyncReseal)
assert_type(sessions.session(claims=[HasClaim("admin")], check_database=True), Provide)

AnyRequest = Request[Any, Any, Any]


@post("/login")
async def login(request: AnyRequest) -> dict[str, str]:
    session = await sessions.create_new_session(request, "alice", {"role": "admin"}, {"cart": []})
    assert_type(session, AsyncSession)
    return {"handle": session.get_handle()}


@get("/feed", guards=[session_guard(claims=[HasClaim("mfa")])])
async def feed(session: Injected[Session], optional_session: Injected[Session | None]) -> list[str]:
    assert_type(session.get_user_id(), str)
    assert_type(await session.get_session_data(), dict[str, Any])
    assert_type(optional_session, AsyncSession | None)
    return [session.get_user_id()]


def cart(request: AnyRequest, sync_session: Injected[SyncSession]) -> dict[str, Any]:
    assert_type(sessions.sync.get_session(request), SyncSession)
    return assert_type(sync_session.get_session_data(), dict[str, Any])


@websocket_listener("/chat")
async def chat(data: str, session: Injected[Session]) -> str:
    return f"{session.get_user_id()}: {data}"


async def news() -> AsyncIterator[str]:
    yield "news"


@get("/events")
async def events(session: Injected[Session]) -> ServerSentEvent:
    return ServerSentEvent(sessions.guard_events(session, news()))


@get("/home")
async def home(request: AnyRequest) -> Response[Any]:
    match await sessions.peek(request):
        case reseal.SignedIn(session):
            assert_type(session, AsyncSession)
            return Response(session.get_user_id())
        case reseal.RefreshFirst():
            return sessions.refresh_first(request)
        case reseal.Anonymous():
            return Response("stranger")


async def find_user(session: Session, connection: ASGIConnection[Any, Any, Any, Any]) -> str | None:
    return session.get_user_id()


members = Router(
    "/members",
    route_handlers=[feed],
    middleware=[sessions.authentication(retrieve_user=find_user, exclude=["^/public"], claims=[HasClaim("mfa")])],
)
app = Litestar(
    [login, members, chat, events, home, get("/cart", sync_to_thread=True)(cart)],
    plugins=[sessions],
    cors_config=cors_config(settings, allow_headers=["X-Own"]),
)
