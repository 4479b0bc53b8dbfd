"""WebSockets of all kinds and event streams: who may open one, and when it ends."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, ClassVar

import pytest
from litestar import Litestar, WebSocket, get, handlers, websocket
from litestar.exceptions import WebSocketDisconnect
from litestar.handlers import WebsocketListener, websocket_listener
from litestar.response import ServerSentEvent

from reseal import HasClaim, RequestFacts, SessionHeaders
from reseal.litestar import Injected, Reseal, Session, session_guard
from tests.litestar.site import API, EVIL, AnyRequest, Client, cookies, make, sessions, settings, visiting
from tests.litestar.test_protection import find_user
from tests.support.program import Program

AnySocket = WebSocket[Any, Any, Any]


@websocket("/echo", guards=[session_guard(subprotocols=["chat"])])
async def echo(socket: AnySocket) -> None:
    await socket.accept()
    while True:
        await socket.send_text(await socket.receive_text())


@websocket("/injected")
async def injected(socket: AnySocket, session: Injected[Session]) -> None:
    await socket.accept()
    await socket.send_text(session.get_user_id())
    await socket.receive_text()


@websocket_listener("/listener")
async def listener(data: str, session: Injected[Session]) -> str:
    return f"{session.get_user_id()}: {data}"


class Listener(WebsocketListener):
    path = "/listener-class"
    guards: ClassVar[Any] = [session_guard()]

    async def on_receive(self, data: str) -> str:
        return data


@websocket("/admin", guards=[session_guard(claims=[HasClaim("admin")])])
async def admin(socket: AnySocket) -> None:
    await socket.accept()
    await socket.send_text("welcome")


@websocket("/free")
async def free(socket: AnySocket) -> None:
    await socket.accept()
    await socket.send_text("free")


HANDLERS = [echo, injected, listener, Listener, admin, free]


@pytest.fixture
def client() -> Any:
    with visiting(make(*HANDLERS)) as client:
        client.post("/login")
        yield client


def from_page(client: Client, **more: str) -> dict[str, str]:
    return {"cookie": cookies(client), "origin": API} | more


def end_sessions(client: Client) -> None:
    with client.portal() as portal:
        portal.call(sessions(client.app).sessions.revoke_all_sessions_for_user, "alice")


def closed(socket: Any) -> tuple[int, str]:
    with pytest.raises(WebSocketDisconnect) as caught:
        socket.receive_text(timeout=10)
    return caught.value.code, caught.value.detail


@pytest.mark.parametrize(
    ("path", "sent", "answer"),
    [
        ("/echo", "hello", "hello"),
        ("/injected", None, "alice"),
        ("/listener", "hello", "alice: hello"),
        ("/listener-class", "hello", "hello"),
    ],
)
def test_a_websocket_is_open_for_as_long_as_its_session_lives(
    client: Client, path: str, sent: str | None, answer: str
) -> None:
    with client.websocket_connect(path, headers=from_page(client)) as socket:
        if sent is not None:
            socket.send_text(sent)
        assert socket.receive_text(timeout=10) == answer
        end_sessions(client)
        assert closed(socket) == (4001, "user_revoked")


if hasattr(handlers, "websocket_stream"):  # since Litestar 2.14

    def test_streams_end_with_the_session_as_well() -> None:
        @handlers.websocket_stream("/stream")
        async def stream(session: Injected[Session]) -> AsyncGenerator[str, None]:
            yield session.get_user_id()
            await asyncio.Event().wait()

        with visiting(make(stream)) as client:
            client.post("/login")
            with client.websocket_connect("/stream", headers=from_page(client)) as socket:
                assert socket.receive_text(timeout=10) == "alice"
                end_sessions(client)
                assert closed(socket) == (4001, "user_revoked")


@pytest.mark.parametrize("path", ["/echo", "/injected", "/listener", "/listener-class"])
def test_without_a_session_no_websocket_is_opened(client: Client, path: str) -> None:
    with pytest.raises(WebSocketDisconnect), client.websocket_connect(path, headers={"origin": API}):
        pass


def test_a_websocket_that_demands_nothing_stays_free(client: Client) -> None:
    with client.websocket_connect("/free") as socket:
        assert socket.receive_text(timeout=10) == "free"


async def handshake(app: Litestar, path: str, headers: dict[str, str], *, can_deny: bool = True) -> list[Any]:
    """Ask for a WebSocket as a server would; returns what the application says until it waits for a message."""
    raw = [(name.encode(), value.encode()) for name, value in headers.items()]
    scope = {
        "type": "websocket",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": [(b"host", b"api.example.com"), *raw],
        "client": ("127.0.0.1", 1),
        "server": ("api.example.com", 443),
        "scheme": "wss",
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if can_deny else None,
        "asgi": {"version": "3.0"},
    }
    waiting = [{"type": "websocket.connect"}, {"type": "websocket.disconnect", "code": 1001}]
    told: list[Any] = []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        told.append(message)

    await app(scope, receive, send)  # type: ignore[arg-type]
    return told


async def signed_in(app: Litestar, **payload: object) -> tuple[Session, dict[str, str]]:
    """Sign in beside the application; returns the session and a header that shows it."""
    facts = RequestFacts.of("POST", "/login", [("st-auth-mode", "header")])
    headers = SessionHeaders()
    session = await sessions(app).sessions.create_new_session(facts, headers, "alice", payload)
    return session, {"authorization": f"Bearer {dict(headers.items())['st-access-token']}"}


async def test_a_session_that_is_bound_to_a_key_needs_a_proof() -> None:
    app = make(*HANDLERS, changes={"device_binding": "offer"})
    async with app.lifespan():
        ours = sessions(app)
        program = Program(ours.sessions, None, ours.sessions.clock)
        await program.sign_in()
        url = f"wss{API.removeprefix('https')}/injected"
        shown = {"authorization": f"DPoP {program.access}"}
        proven = shown | {"dpop": program.proof("GET", "/injected", program.access, htu=url)}
        said = await handshake(app, "/injected", proven)
        assert [each["type"] for each in said[:2]] == ["websocket.accept", "websocket.send"]
        for headers in (shown, proven):  # without one, and with the same one
            start, _ = await handshake(app, "/injected", headers)
            assert start["status"] == 401
            assert b'DPoP error="invalid_dpop_proof"' in dict(start["headers"])[b"www-authenticate"]


async def test_a_handshake_is_refused_as_a_request_would_be() -> None:
    app = make(*HANDLERS)
    async with app.lifespan():
        start, body = await handshake(app, "/echo", {})
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 401)
        assert dict(start["headers"])[b"cache-control"] == b"no-store"
        assert json.loads(body["body"]) == {"message": "unauthorised", "reason": "no_token"}
        assert await handshake(app, "/echo", {}, can_deny=False) == [{"type": "websocket.close"}]
        _, shown = await signed_in(app)
        assert (await handshake(app, "/echo", shown))[0]["type"] == "websocket.accept"
        assert (await handshake(app, "/admin", shown))[0]["status"] == 403
        _, shown = await signed_in(app, admin=True)
        assert (await handshake(app, "/admin", shown))[0]["type"] == "websocket.accept"


async def test_a_page_of_another_site_opens_none_with_the_users_cookies() -> None:
    app = make(echo)
    with visiting(app) as client:
        client.post("/login")
        shown = cookies(client)
    async with app.lifespan():
        start, _ = await handshake(app, "/echo", {"cookie": shown, "origin": EVIL})
        assert start["status"] == 403
        start, _ = await handshake(app, "/echo", {"cookie": shown})
        assert start["status"] == 403


async def test_a_ticket_opens_one_websocket_and_the_sub_protocol_is_chosen() -> None:
    app = make(*HANDLERS)
    async with app.lifespan():
        session, _ = await signed_in(app)
        ticket = await session.create_ticket("/echo")
        offered = {"sec-websocket-protocol": f"reseal.ticket.{ticket}, reseal, chat"}
        accepted = (await handshake(app, "/echo", offered))[0]
        assert (accepted["type"], accepted["subprotocol"]) == ("websocket.accept", "chat")
        assert (await handshake(app, "/echo", offered))[0]["status"] == 401  # it was used
        ticket = await session.create_ticket("/listener")
        offered = {"sec-websocket-protocol": f"reseal.ticket.{ticket}, reseal"}
        assert (await handshake(app, "/echo", offered))[0]["status"] == 401  # it is for another path
        ticket = await session.create_ticket("/listener")
        offered = {"sec-websocket-protocol": f"reseal.ticket.{ticket}, reseal"}
        assert (await handshake(app, "/listener", offered))[0]["subprotocol"] == "reseal"


def test_the_middleware_admits_websockets_too() -> None:
    reseal = Reseal(settings())

    @websocket("/who")
    async def who(socket: AnySocket) -> None:
        await socket.accept()
        await socket.send_json([socket.user["name"], socket.auth.get_user_id()])
        await socket.receive_text()

    @websocket("/open", opt={"exclude_from_auth": True})
    async def open_(socket: AnySocket) -> None:
        await socket.accept()
        await socket.send_text("open")

    @get("/login", opt={"exclude_from_auth": True})
    async def login(request: AnyRequest) -> None:
        await reseal.create_new_session(request, request.query_params.get("user_id", "alice"))

    middleware = [reseal.authentication(retrieve_user=find_user)]
    app = Litestar([who, open_, login], plugins=[reseal], middleware=middleware, logging_config=None)
    with visiting(app) as client:
        with client.websocket_connect("/open") as socket:
            assert socket.receive_text(timeout=10) == "open"
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/who", headers={"origin": API}):
            pass
        client.get("/login?user_id=nobody")
        with pytest.raises(WebSocketDisconnect), client.websocket_connect("/who", headers=from_page(client)):
            pass
        client.get("/login")
        with client.websocket_connect("/who", headers=from_page(client)) as socket:
            assert json.loads(socket.receive_text(timeout=10)) == ["Alice", "alice"]
            end_sessions(client)
            assert closed(socket) == (4001, "user_revoked")


async def test_a_call_that_sets_cookies_says_that_a_websocket_has_no_response() -> None:
    failures: list[str] = []

    async def note(error: Exception, scope: Any) -> None:
        failures.append(str(error))

    @websocket("/wrong")
    async def wrong(socket: AnySocket) -> None:
        await sessions(socket.app).create_new_session(socket, "alice")

    app = make(wrong, after_exception=[note])
    async with app.lifespan():
        [closing] = await handshake(app, "/wrong", {})
    assert closing["type"] == "websocket.close"
    assert failures == ["a WebSocket has no response that could carry headers: use guards=[session_guard()]"]


async def test_the_last_event_of_a_stream_says_that_the_session_has_ended() -> None:
    app = make()
    reseal = sessions(app)

    async def prices() -> AsyncIterator[str]:
        yield "1"
        await reseal.sessions.revoke_all_sessions_for_user("alice")
        yield "2"

    async with app.lifespan():
        session, _ = await signed_in(app)
        stream = ServerSentEvent(reseal.guard_events(session, prices()))
        told = b"".join([part if isinstance(part, bytes) else part.encode() async for part in stream.iterator])
    assert told.replace(b"\r\n", b"\n") == b"data: 1\n\nevent: session-ended\ndata: user_revoked\n\n"
