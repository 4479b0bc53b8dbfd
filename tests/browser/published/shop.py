"""An application that already ships a published frontend: its API on FastAPI with Reseal, and its page."""

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Request
from fastapi.responses import HTMLResponse
from fastapi.staticfiles import StaticFiles
from playwright.async_api import BrowserContext
from playwright.async_api import Page as Window

from reseal import AsyncEngine, HasClaim, Settings
from reseal._async.stores import make_store
from reseal.fastapi import Reseal, Session
from reseal.testing import AsyncFaultyStore, ManualClock, Recorder
from tests.browser.published.frontends import FRONTENDS, Frontend
from tests.browser.site import CHECKED, FEED, NOTE, Site, Tab, listen, serving
from tests.browser.site import PAGE as OUR_PAGE

PAGE = (Path(__file__).parent / "page.html").read_text()
UPGRADE = "/api/upgrade"
PAYMENT = "/api/payment"
"""Demands more than a session."""
PATHS = {"refresh_api_path": "/auth/session/refresh", "signout_api_path": "/auth/signout"}
"""Where most of these frontends look for the two endpoints unless told otherwise."""


class Page(Tab):
    """A page that runs a published frontend."""

    def __init__(self, window: Window, site: Site, frontend: Frontend) -> None:
        super().__init__(window, site)
        self.frontend = frontend

    async def session_exists(self) -> bool:
        """What the frontend believes."""
        return bool((await self.attempt("doesSessionExist"))["value"])

    async def payload(self) -> dict[str, Any]:
        """What the frontend reads from the access token, of which it may get a new one before."""
        assert self.frontend.payload is not None
        read: dict[str, Any] = (await self.attempt(self.frontend.payload))["value"]
        return read

    async def move_clock(self, milliseconds: int) -> None:
        await self.page.evaluate("moveClock", milliseconds)


@asynccontextmanager
async def opened_shop(
    bundles: Path,
    *,
    host: str = "localhost",
    page_host: str | None = None,
    certificate: Path | None = None,
    **given: Any,
) -> AsyncIterator[Site]:
    """Serve the application below, pages of every frontend included. Its time stands still unless moved.

    ``given``: settings. ``page_host``: where the pages are, if not beside the API.
    """
    listener = listen()
    origin, page_origin = (
        f"{'https' if certificate else 'http'}://{name}:{listener.getsockname()[1]}"
        for name in (host, page_host or host)
    )
    place = {"api_domain": origin, "website_domain": page_origin, "database_uri": "memory:"}
    settings = Settings(**place | PATHS | given)
    clock = ManualClock(time.time_ns() // 1_000_000)
    store = AsyncFaultyStore(make_store(settings, clock))
    events = Recorder()
    engine = AsyncEngine(settings, store, clock=clock, on_event=events)
    reseal = Reseal(settings, sessions=engine, clock=clock, on_event=events)
    notes: list[str] = []
    app = make_app(reseal, notes)
    app.mount("/bundles", StaticFiles(directory=bundles))
    async with serving(app, listener, certificate) as line:
        yield Site(origin, settings, reseal, clock, store, events, line, notes)


async def open_page(context: BrowserContext, site: Site, frontend: Frontend) -> Page:
    window = await context.new_page()
    await window.goto(f"{site.settings.website_origin}/{frontend}")
    return Page(window, site, frontend)


async def open_our_page(context: BrowserContext, site: Site) -> Tab:
    """Open a page of the same application that has moved on to the browser SDK of this project."""
    window = await context.new_page()
    await window.goto(f"{site.settings.website_origin}/ours")
    return Tab(window, site)


def page_of(frontend: Frontend, settings: Settings) -> str:
    api = settings.api_domain
    config = json.dumps({"api": api, "signOut": api + settings.signout_api_path, "init": init_of(frontend, settings)})
    return PAGE.replace("{{version}}", frontend.version).replace("{{config}}", config)


def init_of(frontend: Frontend, settings: Settings) -> dict[str, Any]:
    """What the page says to ``SuperTokens.init``."""
    api, status = settings.api_domain, settings.session_expired_status_code
    if frontend.version.startswith("4."):
        return {"refreshTokenUrl": api + settings.refresh_api_path, "sessionExpiredStatusCode": status}
    base = settings.refresh_api_path.removesuffix("/session/refresh")
    mode = {} if frontend.older else {"tokenTransferMethod": frontend.mode}
    return {"apiDomain": api, "apiBasePath": base or "/", "sessionExpiredStatusCode": status} | mode


def make_app(reseal: Reseal, notes: list[str]) -> FastAPI:
    app = FastAPI()
    reseal.install(app)
    reseal.install_cors(app)
    signed_in = Annotated[Session, Depends(reseal.session())]
    checked = Annotated[Session, Depends(reseal.session(check_database=True))]
    stepped_up = Annotated[Session, Depends(reseal.session(claims=[HasClaim("mfa", True)]))]

    for frontend in FRONTENDS:
        app.add_api_route(f"/{frontend}", partial(page_of, frontend, reseal.settings), response_class=HTMLResponse)

    @app.get("/ours", response_class=HTMLResponse)
    def ours() -> str:
        paths = {"refreshPath": reseal.settings.refresh_api_path, "signOutPath": reseal.settings.signout_api_path}
        return OUR_PAGE % {"options": json.dumps(paths)}

    @app.post("/login")
    async def login(request: Request) -> dict[str, str]:
        body = await request.json()
        session = await reseal.create_new_session(request, body["user"], body.get("payload"))
        return {"handle": session.get_handle()}

    @app.get(FEED)
    async def feed(session: signed_in) -> dict[str, Any]:
        return {"user": session.get_user_id(), "payload": session.get_jwt_payload()}

    @app.get(CHECKED)
    async def check(session: checked) -> dict[str, str]:
        return {"user": session.get_user_id()}

    @app.get(PAYMENT)
    async def payment(session: stepped_up) -> dict[str, str]:
        return {"user": session.get_user_id()}

    @app.post(NOTE)
    async def note(session: signed_in, request: Request) -> dict[str, int]:
        notes.append((await request.body()).decode())
        return {"notes": len(notes)}

    @app.post(UPGRADE)
    async def upgrade(session: signed_in) -> dict[str, str]:
        await session.update_jwt_payload({"plan": "gold"})
        return {}

    return app
