"""An application of any framework under test, with its clock, its store and its events, and browsers that visit it."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from html import unescape
from typing import Any, Final, Self, cast

import httpx

from reseal import AsyncEngine, Engine, EventName, Settings
from reseal._async.remote import AsyncRemote
from reseal._async.stores.memory import AsyncMemoryStore
from reseal._sync.remote import Remote
from reseal._sync.stores.memory import MemoryStore
from reseal.testing import AsyncFaultyStore, FaultyStore, ManualClock, Recorder
from tests._async.serving import API_KEY, AsyncServed
from tests._sync.serving import Served
from tests.frameworks.site import API, WEBSITE, Browser, Lines
from tests.scenarios.framework import App, Framework, Given, Socket, SocketApp

HOST: Final = "https://service:3567"


@dataclass
class Site:
    """One running application."""

    app: App
    settings: Settings
    clock: ManualClock
    store: AsyncFaultyStore | FaultyStore
    """With ``down`` set, every call of the store fails."""
    events: Recorder
    prefix: str = ""

    def visitor(self) -> Visitor:
        return Visitor(self)

    async def signed_in(self, user_id: str = "alice", **more: Any) -> Visitor:
        visitor = self.visitor()
        response = await visitor.login(user_id, **more)
        assert response.status_code == 200, response.text
        assert response.json()["user_id"] == user_id
        return visitor

    def told(self, name: EventName) -> int:
        """Count the events of a name."""
        return len(self.events.named(name))

    async def send(self, method: str, path: str, headers: Lines = (), **body: Any) -> httpx.Response:
        """Send one request with exactly these headers (and a host). ``path`` is that within the application."""
        sent: list[Any] = [("host", httpx.URL(API).host), *headers]
        return await self.app.send(httpx.Request(method, API + self.prefix + path, headers=sent, **body))

    def socket(self, headers: Lines) -> AbstractAsyncContextManager[Socket]:
        """Open a WebSocket on ``/live``."""
        sent: list[Any] = [("host", httpx.URL(API).host), *headers]
        request = httpx.Request("GET", f"{API}{self.prefix}/live", headers=sent)
        return cast("SocketApp", self.app).socket(request)


class Visitor(Browser):
    """A browser whose paths are those within the application."""

    site: Site  # type: ignore[assignment]  # a browser asks it for the same things

    def __init__(self, site: Site) -> None:
        super().__init__(cast("Any", site))

    def cookies_for(self, path: str) -> list[str]:
        return super().cookies_for(self.site.prefix + path)

    def copy(self) -> Self:
        """The same credentials in other hands."""
        other = type(self)(self.site)
        other.jar, other.anti_csrf, other.front_token = dict(self.jar), self.anti_csrf, self.front_token
        return other

    async def head(self, path: str) -> httpx.Response:
        return await self.send("HEAD", path)

    def socket(self, origin: str = WEBSITE) -> AbstractAsyncContextManager[Socket]:
        """Open a WebSocket on ``/live`` as a page of this origin does."""
        cookies = self.cookies_for("/live")
        return self.site.socket([("origin", origin), *([("cookie", "; ".join(cookies))] if cookies else [])])

    async def followed(self, page: httpx.Response) -> httpx.Response:
        """Do what the page that refreshes first does: send its form, and go where that leads."""
        (action,) = {unescape(found) for found in re.findall(r'action="([^"]*)"', page.text)}
        answer = await self.post(self.within(action))
        assert answer.status_code == 303, answer.text
        return await self.get(self.within(answer.headers["location"]))

    def within(self, path: str) -> str:
        """Turn a path of the site into one of the application."""
        assert path.startswith(f"{self.site.prefix}/"), path
        return path[len(self.site.prefix) :]


class Script(Visitor):
    """A page in header mode: its script keeps the tokens and sends them."""

    def __init__(self, site: Site) -> None:
        super().__init__(site)
        self.tokens = {"st-access-token": "", "st-refresh-token": ""}

    def copy(self) -> Self:
        other = super().copy()
        other.tokens = dict(self.tokens)
        return other

    async def send(
        self, method: str, path: str, headers: Lines = (), *, origin: str | None = WEBSITE, **body: Any
    ) -> httpx.Response:
        which = "st-refresh-token" if path == self.site.settings.refresh_api_path else "st-access-token"
        sent = [*headers, ("st-auth-mode", "header")]
        if self.tokens[which]:
            sent.append(("authorization", f"Bearer {self.tokens[which]}"))
        return await super().send(method, path, sent, origin=origin, **body)

    def _keep(self, response: httpx.Response) -> None:
        super()._keep(response)
        self.tokens |= {name: response.headers[name] for name in self.tokens if name in response.headers}


@asynccontextmanager
async def running(framework: Framework, *, remote: bool, prefix: str = "", **changes: Any) -> AsyncIterator[Site]:
    """Run the application of a framework, with sessions of its own or those of a service."""
    settings = Settings(**({"api_domain": API, "website_domain": WEBSITE, "database_uri": "memory:"} | changes))
    clock, events = ManualClock(), Recorder()
    make = _async_sessions if framework.engine == "async" else _sync_sessions
    sessions, store, close = await make(settings, clock, events, remote=remote)
    app = framework.make(Given(settings, sessions, clock, events, prefix))
    try:
        async with app:
            yield Site(app, settings, clock, store, events, prefix)
    finally:
        close()


async def _async_sessions(settings: Settings, clock: ManualClock, events: Recorder, *, remote: bool) -> Any:
    store = AsyncFaultyStore(AsyncMemoryStore(clock))
    if not remote:
        return AsyncEngine(settings, store, clock=clock, on_event=events), store, _nothing
    await store.put_tenant(settings.scope, b"{}")
    served = AsyncServed(store, clock, events)
    return AsyncRemote(settings, HOST, api_key=API_KEY, clock=clock, transport=served), store, _nothing


async def _sync_sessions(settings: Settings, clock: ManualClock, events: Recorder, *, remote: bool) -> Any:
    store = FaultyStore(MemoryStore(clock))
    if not remote:
        return Engine(settings, store, clock=clock, on_event=events), store, _nothing
    store.put_tenant(settings.scope, b"{}")
    served = Served(store, clock, events)
    return Remote(settings, HOST, api_key=API_KEY, clock=clock, transport=served), store, served.close


def _nothing() -> None:
    pass
