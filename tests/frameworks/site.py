"""What the tests of the adapters stand on: a store that fails when told to, a site, and browsers that visit it.

Requests go straight into the ASGI application; no cookie jar but :class:`Browser`'s decides what is sent.
"""

from __future__ import annotations

import json
import sqlite3
from base64 import b64decode
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from email.utils import parsedate_to_datetime
from typing import Any

import httpx
from starlette.applications import Starlette

from reseal import AsyncEngine, Event, EventName, Settings, StoreUnavailable
from reseal._async.stores import make_store
from reseal.starlette import OwnRoutes, Reseal
from reseal.testing import ManualClock

API = "https://api.example.com"
WEBSITE = "https://www.example.com"
EVIL = "https://evil.example.net"
SECOND, MINUTE, HOUR = 1000, 60_000, 3_600_000
ACCESS, REFRESH = "__Host-sAccessToken", "__Secure-sRefreshToken"
REFRESH_PATH = "/session/refresh"

Lines = Iterable[tuple[str | bytes, str | bytes]]


class FaultyStore:
    """A store whose methods fail while they are named in ``failing``; ``"*"`` names all of them."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.failing: set[str] = set()

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)

        async def call(*args: Any, **kwargs: Any) -> Any:
            if name != "close" and self.failing & {"*", name}:
                raise StoreUnavailable
            return await method(*args, **kwargs)

        return call


class Listener:
    """Remembers every event; raises ``failure`` where one is set."""

    def __init__(self) -> None:
        self.seen: list[Event] = []
        self.failure: Exception | None = None

    def __call__(self, event: Event) -> None:
        self.seen.append(event)
        if self.failure is not None:
            raise self.failure

    def of(self, name: EventName) -> list[Event]:
        return [event for event in self.seen if event.name is name]


@dataclass
class Site:
    """One application with its sessions, ready to be visited."""

    app: Starlette
    reseal: Reseal
    settings: Settings
    clock: ManualClock
    store: FaultyStore
    events: Listener
    ran: list[str] = field(default_factory=list)
    """The handlers whose body was entered, by path."""

    def browser(self) -> Browser:
        return Browser(self)

    async def signed_in(self, user_id: str = "alice", **more: Any) -> Browser:
        browser = self.browser()
        response = await browser.login(user_id, **more)
        assert response.status_code == 200, response.text
        return browser

    def rows(self) -> dict[tuple[str, str, str], Any]:
        """Everything the store keeps of sessions, by app, tenant and handle."""
        if self.settings.database_path is None:
            return {
                (*scope, handle): record
                for scope, sessions in self.store.inner._sessions.items()
                for handle, record in sessions.items()
            }
        with sqlite3.connect(self.settings.database_path) as db:
            found = db.execute("SELECT app_id, tenant_id, handle, session.* FROM session").fetchall()
        db.close()
        return {row[:3]: row[3:] for row in found}

    def paths(self) -> set[str]:
        """The paths of the application's routes, ours included, which are in a route of their own."""
        routes = [
            part for route in self.app.routes for part in (route.routes if isinstance(route, OwnRoutes) else [route])
        ]
        return {str(getattr(route, "path", "")) for route in routes}

    async def live(self, user_id: str) -> set[str]:
        return set(await self.reseal.sessions.get_all_session_handles_for_user(user_id))

    async def end_reason(self, handle: str) -> str | None:
        record = (await self.store.get(self.settings.scope, handle)).record
        return record.end_reason.value if record and record.end_reason else None

    async def send(self, method: str, path: str, headers: Lines = (), **body: Any) -> httpx.Response:
        """Send one request with exactly these headers (and a host)."""
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        sent: list[Any] = list(headers)  # of text and of bytes, which the type of httpx does not mix
        request = httpx.Request(method, self.settings.api_domain + path, headers=sent, **body)
        response = await transport.handle_async_request(request)
        await response.aread()
        response.request = request
        return response


def make_site(make_app: Any, settings: Settings, clock: ManualClock | None = None, store: Any = None) -> Site:
    clock, events = clock or ManualClock(), Listener()
    ran: list[str] = []
    faulty = FaultyStore(store or make_store(settings, clock))
    engine = AsyncEngine(settings, faulty, clock=clock, on_event=events)
    reseal = make_app.reseal(settings, sessions=engine, clock=clock, on_event=events)
    return Site(make_app(reseal, ran), reseal, settings, clock, faulty, events, ran)


class Pool:
    """Sites to be used again by a later test, with everything new but the routes: those take long to make."""

    def __init__(self) -> None:
        self._idle: dict[tuple[str, str], list[tuple[Site, list[Any]]]] = {}

    def take(self, make_app: Any, settings: Settings, clock: ManualClock | None) -> tuple[Site, Callable[[], None]]:
        """Give a site, and what is to be called when it is no longer used."""
        key = make_app.name, repr(replace(settings, database_uri="memory:"))
        idle = self._idle.setdefault(key, [])
        old, routes = idle.pop() if idle else (None, [])
        site = make_site(make_app, settings, clock) if old is None else _renewed(old, settings, clock)
        routes = routes or list(site.app.router.routes)

        def give_back() -> None:
            site.app.router.routes[:] = routes
            idle.append((site, routes))

        return site, give_back


def _renewed(old: Site, settings: Settings, clock: ManualClock | None) -> Site:
    clock, events = clock or ManualClock(), Listener()
    store = FaultyStore(make_store(settings, clock))
    engine = AsyncEngine(settings, store, clock=clock, on_event=events)
    old.reseal.settings = settings
    old.reseal.sessions.__init__(settings, sessions=engine, clock=clock, on_event=events)  # type: ignore[misc]  # its routes keep it
    old.ran.clear()
    return Site(old.app, old.reseal, settings, clock, store, events, old.ran)


@dataclass(frozen=True)
class SetCookie:
    """One ``Set-Cookie`` line, taken apart as a browser does."""

    name: str
    value: str
    attributes: dict[str, str]

    @property
    def place(self) -> tuple[str, str, str | None]:
        return self.name, self.attributes["path"], self.attributes.get("domain")

    @property
    def clears(self) -> bool:
        return self.value == "" and self.expires_ms == 0

    @property
    def expires_ms(self) -> int:
        return round(parsedate_to_datetime(self.attributes["expires"]).timestamp() * 1000)


def set_cookies(response: httpx.Response) -> list[SetCookie]:
    found = []
    for line in response.headers.get_list("set-cookie"):
        first, *rest = [part.strip().partition("=") for part in line.split(";")]
        found.append(SetCookie(first[0], first[2], {name.lower(): value for name, _, value in rest}))
    return found


def cookie_names(response: httpx.Response) -> list[str]:
    return [cookie.name for cookie in set_cookies(response)]


def cleared(response: httpx.Response) -> bool:
    """Both cookies are cleared, each by one line, and the page is told."""
    found = set_cookies(response)
    names = sorted(cookie.name.removeprefix("__Host-").removeprefix("__Secure-") for cookie in found)
    gone = names == ["sAccessToken", "sRefreshToken"] and all(cookie.clears for cookie in found)
    return gone and response.headers.get("front-token") == "remove"


def keeps_cookies(response: httpx.Response) -> bool:
    return not response.headers.get_list("set-cookie") and "front-token" not in response.headers


def front_token(response: httpx.Response) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(b64decode(response.headers["front-token"], validate=True))
    return told


class Browser:
    """A user's browser: keeps cookies by name, path and domain, and what the page's script would keep."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.jar: dict[tuple[str, str, str | None], str] = {}
        self.anti_csrf: str | None = None
        self.front_token: str | None = None

    def cookies_for(self, path: str) -> list[str]:
        fits = [place for place in self.jar if path == place[1] or path.startswith(place[1].rstrip("/") + "/")]
        return [f"{place[0]}={self.jar[place]}" for place in sorted(fits, key=lambda place: -len(place[1]))]

    def value(self, name: str) -> str:
        return next(value for place, value in self.jar.items() if place[0] == name)

    @property
    def access(self) -> str:
        return self.value(self.site.settings.access_cookie_name)

    @property
    def refresh_token(self) -> str:
        return self.value(self.site.settings.refresh_cookie_name)

    @property
    def handle(self) -> str:
        return self.refresh_token.split(".")[1]

    def copy(self) -> Browser:
        """The same cookies in other hands."""
        other = Browser(self.site)
        other.jar, other.anti_csrf, other.front_token = dict(self.jar), self.anti_csrf, self.front_token
        return other

    def plant(self, victim: Browser) -> None:
        """Put this browser's cookies into another one."""
        victim.jar |= self.jar

    async def send(
        self, method: str, path: str, headers: Lines = (), *, origin: str | None = WEBSITE, **body: Any
    ) -> httpx.Response:
        """Send a request as a page would: cookies, an ``Origin`` where something is changed, the anti-CSRF token."""
        sent = list(headers)
        if cookies := self.cookies_for(path.partition("?")[0]):
            sent.append(("cookie", "; ".join(cookies)))
        if origin is not None and method not in {"GET", "HEAD"}:
            sent.append(("origin", origin))
        if self.anti_csrf is not None and not any(name == "anti-csrf" for name, _ in sent):
            sent.append(("anti-csrf", self.anti_csrf))
        response = await self.site.send(method, path, sent, **body)
        self._keep(response)
        return response

    async def get(self, path: str) -> httpx.Response:
        return await self.send("GET", path)

    async def post(self, path: str, **body: Any) -> httpx.Response:
        return await self.send("POST", path, **body)

    async def login(self, user_id: str = "alice", **more: Any) -> httpx.Response:
        return await self.post("/login", json={"user_id": user_id, **more})

    async def refresh(self) -> httpx.Response:
        return await self.post(self.site.settings.refresh_api_path)

    async def sign_out(self) -> httpx.Response:
        return await self.post(self.site.settings.signout_api_path)

    async def fetch(self, method: str, path: str, **body: Any) -> httpx.Response:
        """Do what the page's script does: send, refresh on "expired", and repeat."""
        response = await self.send(method, path, **body)
        if response.status_code == self.site.settings.session_expired_status_code:
            await self.refresh()
            response = await self.send(method, path, **body)
        return response

    def _keep(self, response: httpx.Response) -> None:
        now = self.site.clock.wall()
        for cookie in set_cookies(response):
            if "expires" in cookie.attributes and cookie.expires_ms <= now:
                self.jar.pop(cookie.place, None)
            else:
                self.jar[cookie.place] = cookie.value
        said = response.headers.get("front-token")
        if said == "remove":
            self.front_token = self.anti_csrf = None
        elif said is not None:
            self.front_token = said
        self.anti_csrf = response.headers.get("anti-csrf", self.anti_csrf)
