"""A small application with every kind of route that a browser may meet, and the tabs that look at it."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from playwright.async_api import BrowserContext, Frame, Page
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from reseal import AsyncEngine, Settings
from reseal._async.stores import make_store
from reseal.core.errors import TryRefreshToken
from reseal.core.model import SessionRecord
from reseal.starlette import Reseal
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder
from tests.browser.line import PATIENCE, Line, Server

FEED = "/api/feed"
CHECKED = "/api/checked"
NOTE = "/api/note"
TOKENS = {"sAccessToken", "sRefreshToken"}
WAYS: dict[str, dict[str, Any]] = {"cookie": {}, "header": {"tokenTransferMethod": "header"}}
EACH_WAY = pytest.mark.parametrize("page_options", WAYS.values(), ids=WAYS)
"""The session travels in cookies, or in headers."""

PAGE = """<!doctype html><title>Page</title><link rel="icon" href="data:,"><p id="state"></p>
<script type="module">
import { createSessionClient } from "/reseal-browser.js";
const EVENTS = ["SESSION_CREATED", "REFRESH_SESSION", "SIGN_OUT", "SESSION_EXPIRED", "TOKEN_THEFT", "REFRESH_FAILED"];
window.told = [];
window.start = () => {
  window.session = createSessionClient(%(options)s);
  for (const event of EVENTS) session.on(event, ({ reason }) => told.push(reason ? `${event} ${reason}` : event));
};
const described = (e) => ({ error: e.name, code: e.code ?? null, status: e.status ?? null });
window.call = async (path, init) => {
  try {
    const response = await session.fetch(path, init);
    return { status: response.status, body: await response.text() };
  } catch (e) {
    return described(e);
  }
};
window.attempt = (name) => session[name]().then((value) => ({ value: value ?? null }), described);
start();
if (location.pathname === "/home") {
  document.querySelector("#state").textContent = (await session.doesSessionExist()) ? "signed in" : "signed out";
}
</script>"""

PATIENT = """const start = window.setTimeout;
window.setTimeout = (call, ms, ...given) => start(call, { 100: 2000, 5000: 60000, 15000: 60000 }[ms] ?? ms, ...given);"""
"""For tests that count the refreshes of several tabs, on a machine as busy as it may be: the client's lock is kept 2 s for
the news to travel instead of 100 ms, and waited for a minute instead of 5 s, as is an answer instead of 15 s."""

STORED = "() => JSON.stringify(Object.entries(localStorage).sort())"
STORED_TOKENS = """() => Object.fromEntries([["sAccessToken", "st-access-token"], ["sRefreshToken", "st-refresh-token"]]
  .map(([name, key]) => [name, localStorage.getItem(key)]).filter(([, token]) => token))"""


@dataclass
class Site:
    """A running application and everything a test may want to look at or to break."""

    origin: str
    settings: Settings
    reseal: Reseal
    clock: ManualClock
    store: AsyncFaultyStore
    events: Recorder
    line: Line
    notes: list[str]
    """What the handlers of the state-changing route wrote."""

    def expire(self) -> None:
        """Let the access token's time run out."""
        self.clock.advance(self.settings.access_token_ms)

    def leave_race_window(self) -> None:
        self.clock.advance(self.settings.policy.race_window)

    @property
    def refresh_path(self) -> str:
        return self.settings.refresh_api_path

    @property
    def refreshes(self) -> list[Any]:
        return self.line.to(self.refresh_path)

    async def row(self, handle: str) -> SessionRecord:
        record = (await self.store.inner.get(self.settings.scope, handle)).record
        assert record is not None
        return record


class Tab:
    """A page of the site."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site

    async def call(self, path: str = FEED, **init: Any) -> dict[str, Any]:
        answer: dict[str, Any] = await self.page.evaluate("([path, init]) => call(path, init)", [path, init])
        return answer

    async def calls(self, number: int, path: str = FEED) -> list[int | None]:
        """Make calls at the same time; gives their status."""
        script = "([n, path]) => Promise.all(Array.from({ length: n }, () => call(path)))"
        return [answer.get("status") for answer in await self.page.evaluate(script, [number, path])]

    def calling(self, path: str = FEED, **init: Any) -> asyncio.Task[dict[str, Any]]:
        return asyncio.create_task(self.call(path, **init))

    async def attempt(self, name: str) -> dict[str, Any]:
        """Call a method of the session client; gives its value, or its error."""
        outcome: dict[str, Any] = await self.page.evaluate("attempt", name)
        return outcome

    async def sign_in(self, user: str = "alice", **body: Any) -> str:
        """Sign in; gives the session's handle."""
        answer = await self.call("/login", method="POST", body=json.dumps({"user": user} | body))
        assert answer["status"] == 200, answer
        return str(json.loads(answer["body"])["handle"])

    async def told(self) -> list[str]:
        """The events of this tab, oldest first."""
        events: list[str] = await self.page.evaluate("told")
        return events

    async def until(self, condition: str, arg: Any = None) -> None:
        """Wait until a function of the page says yes."""
        await until(self.page, condition, arg)

    async def hears(self, event: str, times: int = 1) -> None:
        """Wait until the page was told so often, without touching the session.

        A tab that has heard of a session holds all of it; see ``in_step`` for what is not told.
        """
        await self.until("([event, times]) => told.filter((each) => each === event).length >= times", [event, times])

    async def tokens(self) -> dict[str, str]:
        """The tokens of this browser, from where they are kept: the jar, or in header mode the storage."""
        stored: dict[str, str] = await self.page.evaluate(STORED_TOKENS)
        return await tokens(self.page.context) | stored


async def open_tab(context: BrowserContext, site: Site, path: str = "/") -> Tab:
    page = await context.new_page()
    await page.goto(site.origin + path)
    return Tab(page, site)


async def until(page: Page | Frame, condition: str, arg: Any = None) -> None:
    await page.wait_for_function(condition, arg=arg, timeout=PATIENCE * 1000, polling=50)


async def in_step(*tabs: Tab) -> None:
    """Wait until each tab sees what any has stored: cookies are there at once, the storage is read from a copy."""
    async with asyncio.timeout(PATIENCE):
        while len(set(await asyncio.gather(*[tab.page.evaluate(STORED) for tab in tabs]))) > 1:
            pass


async def jar(context: BrowserContext, names: set[str] | None = None) -> dict[str, str]:
    """The browser's cookies, those that scripts cannot see included."""
    return {each["name"]: each["value"] for each in await context.cookies() if names is None or each["name"] in names}


async def tokens(context: BrowserContext) -> dict[str, str]:
    return await jar(context, TOKENS)


@asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket, certificate: Path | None = None) -> AsyncIterator[Line]:
    """Serve an application on a socket that listens already, behind a line."""
    line = Line(app)
    config = uvicorn.Config(
        line,
        log_config=None,
        access_log=False,
        timeout_keep_alive=60,
        timeout_graceful_shutdown=2,
        ssl_certfile=certificate,
        ssl_keyfile=certificate,
    )
    line.server = server = Server(config)
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        await asyncio.wait_for(server.up.wait(), PATIENCE)
        assert server.started
        yield line
    finally:
        server.should_exit = True
        await running


def listen(port: int = 0) -> socket.socket:
    """Take this port, or a free one."""
    # Told that this is TCP, asyncio switches off the delay of small packets: 40 ms an answer otherwise.
    listener = socket.socket(proto=socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # of a server that has just stopped, too
    listener.bind(("127.0.0.1", port))
    return listener


@asynccontextmanager
async def opened_site(
    *,
    host: str = "localhost",
    port: int = 0,
    certificate: Path | None = None,
    page_options: dict[str, Any] | None = None,
    **given: Any,
) -> AsyncIterator[Site]:
    """Serve the application below with settings of the test's choice. Its time stands still unless moved."""
    listener = listen(port)
    origin = f"{'https' if certificate else 'http'}://{host}:{listener.getsockname()[1]}"
    settings = Settings(**{"api_domain": origin, "database_uri": "memory:"} | given)
    clock = ManualClock(time.time_ns() // 1_000_000)
    store = AsyncFaultyStore(make_store(settings, clock))
    events = Recorder()
    engine = AsyncEngine(settings, store, clock=clock, on_event=events)
    reseal = Reseal(settings, sessions=engine, clock=clock, on_event=events)
    notes: list[str] = []
    options = {
        "refreshPath": settings.refresh_api_path,
        "signOutPath": settings.signout_api_path,
        "sessionExpiredStatus": settings.session_expired_status_code,
    } | (page_options or {})
    async with serving(make_app(reseal, notes, options), listener, certificate) as line:
        yield Site(origin, settings, reseal, clock, store, events, line, notes)


@dataclass
class Pages:
    """Somebody else's web server: an empty page at every address."""

    origin: str
    line: Line


@asynccontextmanager
async def opened_pages(
    *, host: str = "localhost", certificate: Path | None = None, cookies: Sequence[str] = ()
) -> AsyncIterator[Pages]:
    async def empty(scope: Scope, receive: Receive, send: Send) -> None:
        response = HTMLResponse("<!doctype html><title>Elsewhere</title><link rel=icon href=data:,>")
        for cookie in cookies:
            response.headers.append("set-cookie", cookie)
        await response(scope, receive, send)

    app = Starlette()
    app.router.default = empty
    listener = listen()
    origin = f"{'https' if certificate else 'http'}://{host}:{listener.getsockname()[1]}"
    async with serving(app, listener, certificate) as line:
        yield Pages(origin, line)


def page_of(options: dict[str, Any]) -> str:
    """The page whose client has these options; ``dpop`` means the module of that name."""
    script = json.dumps(options)
    if "dpop" not in options:
        return PAGE % {"options": script}
    page = PAGE.replace("import {", 'import { dpop } from "/sdk/reseal-dpop.js";\nimport {', 1)
    return page % {"options": f"{{ ...{script}, dpop }}"}


Endpoint = Callable[[Request], Awaitable[Response]]


def make_app(reseal: Reseal, notes: list[str], options: dict[str, Any]) -> Starlette:
    app = Starlette()
    reseal.install(app)

    def route(path: str, *methods: str) -> Callable[[Endpoint], Endpoint]:
        def add(endpoint: Endpoint) -> Endpoint:
            app.router.add_route(path, endpoint, methods=list(methods))
            return endpoint

        return add

    async def page(_request: Request) -> Response:
        return HTMLResponse(page_of(options), headers={"cache-control": "no-cache"})

    for path in ("/", "/home"):
        app.router.add_route(path, page, methods=["GET"])

    @route("/blank", "GET")
    async def blank(_request: Request) -> Response:
        return HTMLResponse("<!doctype html><title>Blank</title><link rel=icon href=data:,>")

    @route("/login", "POST")
    async def login(request: Request) -> Response:
        body = await request.json()
        session = await reseal.create_new_session(request, body["user"], body.get("payload"))
        return JSONResponse({"handle": session.get_handle()})

    @route(FEED, "GET")
    async def feed(request: Request) -> Response:
        session = await reseal.get_session(request)
        return JSONResponse({"user": session.get_user_id(), "payload": session.get_jwt_payload()})

    @route(CHECKED, "GET")
    async def checked(request: Request) -> Response:
        session = await reseal.get_session(request, check_database=True)
        return JSONResponse({"user": session.get_user_id()})

    @route(NOTE, "POST")
    async def note(request: Request) -> Response:
        await reseal.get_session(request)
        notes.append((await request.body()).decode())
        return JSONResponse({"notes": len(notes)})

    @route("/api/private", "GET")
    async def private(request: Request) -> Response:
        session = await reseal.get_session(request, check_database=True)
        return HTMLResponse(f"<!doctype html><title>Private</title><h1>Only for {session.get_user_id()}</h1>")

    @route("/api/never", "GET", "POST")
    async def never(request: Request) -> Response:
        await reseal.get_session(request)
        raise TryRefreshToken("this route likes nobody")

    @route("/api/upgrade/{how}", "POST")
    async def upgrade(request: Request) -> Response:
        session = await reseal.get_session(request)
        await session.update_jwt_payload({"plan": request.path_params["how"]})
        match request.path_params["how"]:
            case "exception":
                raise RuntimeError("the handler failed")
            case "redirect":
                return RedirectResponse(FEED, 303)
            case "not-modified":
                return Response(status_code=304)
            case _:
                return StreamingResponse(iter(["one", "two"]), media_type="text/plain")

    @route("/signout-everywhere", "POST")
    async def sign_out_everywhere(request: Request) -> Response:
        session = await reseal.get_session(request)
        await reseal.sessions.revoke_all_sessions_for_user(session.get_user_id())
        await session.revoke_session()
        return JSONResponse({})

    return app
