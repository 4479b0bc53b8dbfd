from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, Request

from reseal import AsyncEngine, AsyncRemote, ProviderSession, Settings
from reseal._async.stores import make_store
from reseal.fastapi import Reseal
from reseal.testing import ManualClock, Recorder
from tests._async.serving import API_KEY, AsyncServed
from tests.frameworks.site import FaultyStore
from tests.providers.provider import ISSUER, Provider, running

API = "https://api.example.com"
PATH = "/backchannel-logout"
FORMS = ("embedded", "remote")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def provider(clock: ManualClock) -> Iterator[Provider]:
    with running(clock) as one:
        yield one


@dataclass
class Shop:
    """An application of FastAPI whose users sign in with a provider."""

    provider: Provider
    reseal: Reseal
    store: FaultyStore
    client: httpx.AsyncClient
    events: Recorder = field(default_factory=Recorder)

    async def sign_in(self, user_id: str = "alice", sid: str | None = "s1", sub: str | None = None) -> dict[str, str]:
        """Sign in as the callback of a provider does; gives the tokens of a client that keeps them itself."""
        body = {"user_id": user_id, "sid": sid, "sub": sub or f"{user_id} at the provider"}
        answer = await self.client.post("/callback", json=body, headers={"st-auth-mode": "header"})
        assert answer.status_code == 200, answer.text
        return {"access": answer.headers["st-access-token"], "refresh": answer.headers["st-refresh-token"]}

    async def log_out(self, token: str, **more: Any) -> httpx.Response:
        return await self.client.post(PATH, **({"data": {"logout_token": token}} | more))

    async def refresh(self, tokens: dict[str, str]) -> httpx.Response:
        """Refresh; a live session gets its new tokens into ``tokens``."""
        headers = {"authorization": f"Bearer {tokens['refresh']}", "st-auth-mode": "header"}
        answer = await self.client.post("/session/refresh", headers=headers)
        if answer.status_code == 200:
            tokens["refresh"] = answer.headers["st-refresh-token"]
        return answer

    async def is_live(self, tokens: dict[str, str]) -> bool:
        return (await self.refresh(tokens)).status_code == 200


@asynccontextmanager
async def opened(
    provider: Provider, form: str, database_uri: str, clock: ManualClock, **changes: Any
) -> AsyncIterator[Shop]:
    given: dict[str, Any] = {"api_domain": API, "identity_providers": (provider.configured(),), "device_list": True}
    settings, events = Settings(database_uri=database_uri, **(given | changes)), Recorder()
    store = FaultyStore(make_store(settings, clock))
    sessions: Any
    if form == "embedded":
        sessions = AsyncEngine(settings, store, clock=clock, on_event=events)
    else:
        await store.open()
        served = AsyncServed(store, clock, events)
        sessions = AsyncRemote(settings, "https://one:3567", api_key=API_KEY, clock=clock, transport=served)
    reseal = Reseal(settings, sessions=sessions, clock=clock, on_event=events)
    app = FastAPI()
    reseal.install(app)

    @app.post("/callback")
    async def callback(request: Request) -> dict[str, str]:
        body = await request.json()
        its = ProviderSession(ISSUER, body["sub"], body["sid"])
        await reseal.create_new_session(request, body["user_id"], provider=its)
        return {}

    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with app.router.lifespan_context(app), httpx.AsyncClient(transport=transport, base_url=API) as client:
        yield Shop(provider, reseal, store, client, events)
    if form == "remote":
        await store.close()


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
async def shop(provider: Provider, clock: ManualClock, tmp_path: Path) -> AsyncIterator[Shop]:
    async with opened(provider, "embedded", f"sqlite:///{tmp_path}/sessions.db", clock) as one:
        yield one
