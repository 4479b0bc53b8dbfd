"""Programs whose session is bound to a key, at a project that knows nothing of it."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import httpx
import pytest
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections

from reseal.client import SessionAuth, SoftwareKey
from reseal.testing import ManualClock
from tests.django.dropin import project

HOUR = 60 * 60 * 1000
PLACES = {"/whoami": "alice", "/awhoami": "alice", "/peek": "SignedIn", "/rest": '{"user":"alice"}'}


@pytest.fixture
def wire(tables: object, clock: ManualClock) -> Iterator[httpx.WSGITransport]:
    settings = {"api_domain": project.SITE, "device_binding": "offer"}
    with project.running(clock, RESEAL=settings) as ours, project.users("alice"):
        ours.open()
        each = (request_started, request_finished)
        for signal in each:  # with its last connection the database in memory would be gone
            signal.disconnect(close_old_connections)
        yield httpx.WSGITransport(WSGIHandler())
        for signal in each:
            signal.connect(close_old_connections)


@pytest.mark.parametrize("skew", [0, -7200])
def test_a_bound_session_is_read_in_every_view(
    wire: httpx.WSGITransport, clock: ManualClock, caplog: pytest.LogCaptureFixture, skew: int
) -> None:
    auth = SessionAuth(project.SITE, key=SoftwareKey.generate(), now=lambda: clock.wall() / 1000 + skew)
    with httpx.Client(base_url=project.SITE, transport=wire, auth=auth) as client:
        answer = client.post("/sign-in", data={"username": "alice", "password": project.PASSWORD})
        assert answer.text == "alice"
        clock.advance(HOUR)
        for _ in range(2):
            assert {place: client.get(place).text for place in PLACES} == PLACES
            assert client.get("/session").status_code == 200
            clock.advance(6 * 60 * 1000)
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]


def test_a_copied_access_token_is_refused_with_the_reason(
    wire: httpx.WSGITransport, clock: ManualClock, caplog: pytest.LogCaptureFixture
) -> None:
    auth = SessionAuth(project.SITE, key=SoftwareKey.generate(), now=lambda: clock.wall() / 1000)
    with httpx.Client(base_url=project.SITE, transport=wire, auth=auth) as client:
        client.post("/sign-in", data={"username": "alice", "password": project.PASSWORD})
        clock.advance(HOUR)
        assert client.get("/whoami").text == "alice"
    with httpx.Client(base_url=project.SITE, transport=wire) as thief:
        for scheme, why in {"Bearer": "invalid_token", "DPoP": "invalid_dpop_proof"}.items():
            copied = {"authorization": f"{scheme} {auth.tokens.access}"}
            for place in ("/whoami", "/awhoami", "/session", "/rest"):
                answer = thief.get(place, headers=copied)
                assert answer.status_code == 401
                assert answer.headers["www-authenticate"].startswith(f'DPoP error="{why}"')
                assert "st-access-token" not in answer.headers
            assert thief.get("/public", headers=copied).text == "public"
    assert not [each for each in caplog.records if each.levelno >= logging.ERROR]
    with httpx.Client(base_url=project.SITE, transport=wire, auth=auth) as client:
        assert client.get("/whoami").text == "alice"
