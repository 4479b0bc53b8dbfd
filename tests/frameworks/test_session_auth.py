"""Programs that call an API: httpx clients, sync and async, over Flask and FastAPI."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request
from flask import Flask

import reseal.fastapi
import reseal.flask
from reseal import Event, EventName, Settings
from reseal.client import SessionAuth, SoftwareKey, Tokens
from reseal.testing import ManualClock
from tests.frameworks.site import API, HOUR


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

    await sessions.sessions.open()
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(base_url=API, transport=transport, auth=auth_of(clock, key=key)) as client:
        assert (await client.post("/login")).status_code == 200
        for _ in range(2):
            assert (await client.get("/me")).json() == "alice"
            clock.advance(HOUR)
    await sessions.sessions.close()
