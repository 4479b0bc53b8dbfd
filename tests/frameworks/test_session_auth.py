"""Programs that call an API: httpx clients, sync and async, over Flask and FastAPI."""

from __future__ import annotations

import asyncio
import json
import stat
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from io import BytesIO
from pathlib import Path
from typing import Any

import flask
import httpx
import pytest
from fastapi import FastAPI, Request
from flask import Flask

import reseal.fastapi
import reseal.flask
from reseal import Event, EventName, Settings
from reseal.client import BodyNotRepeatable, SessionAuth, SoftwareKey, Tokens, WrongRefreshPath
from reseal.core import base64url
from reseal.testing import ManualClock
from tests.frameworks.site import API, HOUR

REFRESH = "/session/refresh"


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def settings() -> Settings:
    return Settings(api_domain=API, database_uri="memory:", device_binding="offer")


@pytest.fixture
def key() -> SoftwareKey:
    return SoftwareKey.generate()


@pytest.fixture
def flask_api(settings: Settings, clock: ManualClock, events: list[Event]) -> httpx.WSGITransport:
    app = Flask(__name__)
    sessions = reseal.flask.Reseal(app, settings=settings, clock=clock, on_event=events.append)

    @app.post("/login")
    def login() -> dict[str, str]:
        sessions.create_new_session("alice")
        return {}

    @app.post("/echo")
    def echo() -> bytes:
        sessions.get_session()
        return flask.request.get_data()

    @app.get("/me")
    def me() -> dict[str, str]:
        return {"user": sessions.get_session().get_user_id()}

    return httpx.WSGITransport(app)


def auth_of(clock: ManualClock, **options: Any) -> SessionAuth:
    return SessionAuth(API, now=lambda: clock.wall() / 1000, **options)


def names(events: list[Event]) -> list[EventName]:
    return [event.name for event in events]


def test_a_program_signs_in_calls_and_goes_on_later(
    flask_api: httpx.WSGITransport, clock: ManualClock, events: list[Event], key: SoftwareKey
) -> None:
    kept: list[Tokens] = []
    auth = auth_of(clock, key=key, on_change=kept.append)
    with httpx.Client(base_url=API, transport=flask_api, auth=auth) as client:
        assert client.post("/login").status_code == 200
        for _ in range(3):
            assert client.get("/me?page=1").json() == {"user": "alice"}
            clock.advance(HOUR)
    again = auth_of(clock, key=key, tokens=kept[-1])
    with httpx.Client(base_url=API, transport=flask_api, auth=again) as client:
        assert client.get("/me").json() == {"user": "alice"}
    assert EventName.SESSION_BOUND in names(events)
    assert EventName.BINDING_REFUSED not in names(events)
    thief = auth_of(clock, key=SoftwareKey.generate(), tokens=again.tokens)
    with httpx.Client(base_url=API, transport=flask_api, auth=thief) as client:
        assert client.get("/me").status_code == 401
    assert thief.tokens == again.tokens
    with httpx.Client(base_url=API, transport=flask_api, auth=again) as client:
        assert client.post("/signout").status_code == 200
        assert again.tokens == Tokens()
        assert client.get("/me").status_code == 401


def test_a_program_with_a_wrong_clock_needs_one_more_round(
    flask_api: httpx.WSGITransport, clock: ManualClock, events: list[Event], key: SoftwareKey
) -> None:
    slow = SessionAuth(API, key=key, now=lambda: clock.wall() / 1000 - 7200)
    with httpx.Client(base_url=API, transport=flask_api, auth=slow) as client:
        assert client.post("/login").status_code == 200
        for _ in range(3):
            assert client.get("/me").status_code == 200
            clock.advance(HOUR)
    assert EventName.BINDING_REFUSED not in names(events)


def test_a_program_without_a_key_has_a_session_as_others(flask_api: httpx.WSGITransport, clock: ManualClock) -> None:
    with httpx.Client(base_url=API, transport=flask_api, auth=auth_of(clock)) as client:
        client.post("/login")
        clock.advance(HOUR)
        assert client.get("/me").json() == {"user": "alice"}


def test_nothing_goes_to_another_origin(clock: ManualClock, key: SoftwareKey) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(401, headers={"st-access-token": "x"})

    auth = auth_of(clock, key=key, tokens=Tokens("a", "b"))
    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth) as client:
        client.get("https://other.example/")
    assert len(seen) == 1
    assert {"authorization", "dpop"}.isdisjoint(seen[0].headers)
    assert auth.tokens == Tokens("a", "b")
    assert repr(auth.tokens) == "Tokens(signed in)"


def test_a_key_in_a_file_is_its_owner_s_alone(tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    assert SoftwareKey.in_file(path).jwk == SoftwareKey.in_file(path).jwk
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("none")
    with pytest.raises(ValueError, match="PEM"):
        SoftwareKey.in_file(path)


class Counted(httpx.BaseTransport):
    """Passes requests on, and notes the path and status of each; answers have the date of a clock."""

    def __init__(self, inner: httpx.BaseTransport, clock: ManualClock) -> None:
        self.inner = inner
        self.clock = clock
        self.seen: list[tuple[str, int]] = []
        self.keys: list[str | None] = []
        self.lose = 0
        self.instead: dict[str, httpx.Response] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        path = request.url.path
        assert isinstance(request.stream, httpx.SyncByteStream)
        body = b"".join(request.stream)  # as over a network: a stream is used up, and not kept by the request
        copy = httpx.Request(request.method, request.url, headers=request.headers, content=body)
        response = self.instead.pop(path, None) or self.inner.handle_request(copy)
        response.headers["date"] = formatdate(self.clock.wall() / 1000, usegmt=True)
        self.seen.append((path, response.status_code))
        if path == REFRESH:
            self.keys.append(request.headers.get("idempotency-key"))
            if self.lose:
                self.lose -= 1
                raise httpx.ReadError("lost")
        return httpx.Response(response.status_code, headers=response.headers, content=response.read())


@pytest.fixture
def counted(flask_api: httpx.WSGITransport, clock: ManualClock) -> Counted:
    return Counted(flask_api, clock)


def test_a_wrong_clock_is_set_right_by_the_server(
    counted: Counted, clock: ManualClock, events: list[Event], key: SoftwareKey
) -> None:
    for skew in (-7200, 7200):
        counted.seen.clear()
        auth = SessionAuth(API, key=key, now=lambda: clock.wall() / 1000 + skew)  # noqa: B023 - used in this round
        with httpx.Client(base_url=API, transport=counted, auth=auth) as client:
            client.post("/login")
            for _ in range(5):
                client.get("/me")
                clock.advance(HOUR // 3)
        assert [path for path, status in counted.seen if status == 401] == ["/login"]
    assert EventName.BINDING_REFUSED not in names(events)


@pytest.mark.parametrize("answer", [(404, {}), (405, {}), (307, {"location": "/app/session/refresh"}), (200, {})])
def test_a_wrong_refresh_path_is_named(counted: Counted, clock: ManualClock, answer: tuple[int, Any]) -> None:
    auth = auth_of(clock)
    with httpx.Client(base_url=API, transport=counted, auth=auth) as client:
        client.post("/login")
        clock.advance(HOUR)
        counted.instead[REFRESH] = httpx.Response(answer[0], headers=answer[1])
        with pytest.raises(WrongRefreshPath, match=rf"refresh_path: POST {API}/session/refresh .* {answer[0]}"):
            client.get("/me")
        assert client.get("/me").json() == {"user": "alice"}


def test_a_refresh_that_fails_for_the_moment_is_the_answer_and_ends_nothing(
    counted: Counted, clock: ManualClock, key: SoftwareKey
) -> None:
    with httpx.Client(base_url=API, transport=counted, auth=auth_of(clock, key=key)) as client:
        client.post("/login")
        clock.advance(HOUR)
        counted.instead[REFRESH] = httpx.Response(503, headers={"retry-after": "1"})
        assert (response := client.get("/me")).status_code == 503
        assert (response.url.path, response.headers["retry-after"]) == (REFRESH, "1")
        assert client.get("/me").json() == {"user": "alice"}
        clock.advance(HOUR - 3 * 1000)
        counted.instead[REFRESH] = httpx.Response(503)
        assert client.get("/me").json() == {"user": "alice"}, "the access token was good for a moment"


@pytest.mark.parametrize("has_key", [True, False])
def test_a_refresh_whose_answer_is_lost_is_repeated_as_the_same_client(
    counted: Counted, clock: ManualClock, events: list[Event], key: SoftwareKey, *, has_key: bool
) -> None:
    with httpx.Client(base_url=API, transport=counted, auth=auth_of(clock, key=key if has_key else None)) as client:
        client.post("/login")
        for _ in range(3):
            clock.advance(HOUR)
            counted.lose = 4
            for _ in range(4):
                with pytest.raises(httpx.ReadError):
                    client.get("/me")
                clock.advance(HOUR)
            assert client.get("/me").json() == {"user": "alice"}
    assert len(set(counted.keys)) == 3
    assert {EventName.TOKEN_THEFT, EventName.BINDING_REFUSED}.isdisjoint(names(events))


BODIES: dict[str, dict[str, Any]] = {
    "bytes": {"content": b"abc"},
    "json": {"json": {"a": 1}},
    "form": {"data": {"a": "1"}},
    "file of a form": {"files": {"f": BytesIO(b"abc")}},
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES.keys())
def test_a_body_is_sent_again(counted: Counted, clock: ManualClock, body: dict[str, Any]) -> None:
    auth = auth_of(clock)
    with httpx.Client(base_url=API, transport=counted, auth=auth) as client:
        client.post("/login")
        counted.instead["/echo"] = httpx.Response(401)
        assert (echo := client.post("/echo", **body)).content == echo.request.read() != b""


def test_a_streamed_body_that_has_to_be_sent_again_is_an_error_once(
    counted: Counted, clock: ManualClock, key: SoftwareKey
) -> None:
    slow = SessionAuth(API, key=key, now=lambda: clock.wall() / 1000 - 7200)
    with httpx.Client(base_url=API, transport=counted, auth=slow) as client:
        with pytest.raises(BodyNotRepeatable, match=f"POST {API}/login .* 401, .* bytes"):
            client.post("/login", content=iter([b"{}"]))
        assert client.post("/login", content=iter([b"{}"])).status_code == 200
        counted.instead["/echo"] = httpx.Response(401)
        with pytest.raises(BodyNotRepeatable):
            client.post("/echo", content=BytesIO(b"abc"))
        assert counted.seen[-1] == (REFRESH, 200)
        assert client.post("/echo", content=BytesIO(b"abc")).content == b"abc"


def test_an_answer_of_another_host_changes_nothing(clock: ManualClock, key: SoftwareKey) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(str(request.url))
        if request.url.host == "other.example":
            said = {"st-access-token": "x", "dpop-nonce": "n", "www-authenticate": 'DPoP error="use_dpop_nonce"'}
            return httpx.Response(401, headers=said)
        return httpx.Response(302, headers={"location": "https://other.example/"})

    far = base64url.encode(json.dumps({"exp": 2**40, "scheme": "DPoP"}).encode())
    auth = auth_of(clock, key=key, tokens=Tokens(f"a.{far}.c", "b"))
    with httpx.Client(transport=httpx.MockTransport(answer), auth=auth, follow_redirects=True) as client:
        assert client.get(f"{API}/me").status_code == 401
    assert seen == [f"{API}/me", "https://other.example/"]
    assert auth.tokens.refresh == "b"


def test_a_redirect_within_the_api_gets_a_proof_of_its_own(
    counted: Counted, clock: ManualClock, key: SoftwareKey
) -> None:
    client = httpx.Client(base_url=API, transport=counted, auth=auth_of(clock, key=key), follow_redirects=True)
    with client:
        client.post("/login")
        counted.instead["/old"] = httpx.Response(307, headers={"location": f"{API}/me"})
        assert client.get("/old").json() == {"user": "alice"}


@pytest.mark.parametrize("has_key", [True, False])
def test_of_many_threads_one_refreshes(
    counted: Counted, clock: ManualClock, key: SoftwareKey, *, has_key: bool
) -> None:
    auth = auth_of(clock, key=key if has_key else None)
    with httpx.Client(base_url=API, transport=counted, auth=auth) as client, ThreadPoolExecutor(8) as threads:
        client.post("/login")
        for _ in range(3):
            clock.advance(HOUR)
            answers = [threads.submit(client.get, "/me") for _ in range(8)]
            assert {each.result().status_code for each in answers} == {200}
    assert [path for path, _ in counted.seen].count(REFRESH) == 3


async def test_an_async_program(settings: Settings, clock: ManualClock, key: SoftwareKey) -> None:
    sessions = reseal.fastapi.Reseal(settings, clock=clock)
    app = FastAPI()
    sessions.install(app)

    @app.post("/login")
    async def login(request: Request) -> None:
        await sessions.create_new_session(request, "alice")

    @app.get("/me")
    async def me(request: Request) -> str:
        return (await sessions.get_session(request)).get_user_id()

    refreshes = 0

    class Counting(httpx.ASGITransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            nonlocal refreshes
            refreshes += request.url.path == REFRESH
            await asyncio.sleep(0)
            return await super().handle_async_request(request)

    await sessions.sessions.open()
    async with httpx.AsyncClient(base_url=API, transport=Counting(app), auth=auth_of(clock, key=key)) as client:
        assert (await client.post("/login")).status_code == 200
        for number in range(3):
            answers = await asyncio.gather(*[client.get("/me") for _ in range(20)])
            assert {each.json() for each in answers} == {"alice"}
            assert refreshes == number
            clock.advance(HOUR)
        leaving = asyncio.create_task(client.get("/me"))
        await asyncio.sleep(0)
        leaving.cancel()
        assert (await client.get("/me")).json() == "alice", "who leaves while it refreshes holds up nobody"
    await sessions.sessions.close()
