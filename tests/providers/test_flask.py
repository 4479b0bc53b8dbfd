"""Logouts of identity providers in an application whose calls do not wait."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from flask import Flask

from reseal import Event, MemoryStore, ProviderSession, Remote, Settings
from reseal.flask import Reseal
from reseal.testing import ManualClock
from tests._sync.serving import API_KEY, Served
from tests.providers.conftest import API, PATH
from tests.providers.provider import ISSUER, Provider


@pytest.fixture(params=["embedded", "remote"])
def app(request: pytest.FixtureRequest, provider: Provider, clock: ManualClock, tmp_path: Path) -> Iterator[Flask]:
    uri = f"sqlite:///{tmp_path}/sessions.db"
    settings = Settings(api_domain=API, identity_providers=(provider.configured(),), database_uri=uri)
    events: list[Event] = []
    more = {}
    if request.param == "remote":
        served = Served(MemoryStore(clock), clock, events.append)
        more["sessions"] = Remote(settings, "https://one:3567", api_key=API_KEY, clock=clock, transport=served)
    app = Flask("shop")
    reseal = Reseal(settings=settings, clock=clock, on_event=events.append, **more)
    reseal.init_app(app)

    @app.post("/callback/<sid>")
    def callback(sid: str) -> dict[str, str]:
        its = ProviderSession(ISSUER, "alice at the provider", sid)
        return {"handle": reseal.create_new_session("alice", provider=its).get_handle()}

    yield app
    with app.app_context():
        reseal.close()


def sign_in(app: Flask, sid: str = "s1") -> str:
    answer = app.test_client().post(f"/callback/{sid}", headers={"st-auth-mode": "header"})
    assert answer.status_code == 200, answer.text
    return str(answer.headers["st-refresh-token"])


def refreshed(app: Flask, token: str) -> tuple[int, str | None]:
    headers = {"authorization": f"Bearer {token}", "st-auth-mode": "header"}
    answer = app.test_client().post("/session/refresh", headers=headers)
    return answer.status_code, (answer.json or {}).get("reason")


def test_a_logout_ends_the_sessions_that_it_names(app: Flask, provider: Provider) -> None:
    mine, other = sign_in(app), sign_in(app, "s2")
    token = provider.token()
    answer = app.test_client().post(PATH, data={"logout_token": token})
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert "set-cookie" not in answer.headers
    assert refreshed(app, mine) == (401, "provider_logout")
    assert refreshed(app, other)[0] == 200
    again = app.test_client().post(PATH, data={"logout_token": token})
    assert (again.status_code, again.json["error_description"]) == (400, "it was received before")


def test_of_many_requests_with_one_token_one_is_accepted_and_the_keys_are_fetched_once(
    app: Flask, provider: Provider
) -> None:
    mine, token = sign_in(app), provider.token()

    def send(_: int) -> int:
        return app.test_client().post(PATH, data={"logout_token": token}).status_code

    with ThreadPoolExecutor(8) as threads:
        assert sorted(threads.map(send, range(8))) == [200, *[400] * 7]
    assert provider.asked == 1
    assert refreshed(app, mine) == (401, "provider_logout")
