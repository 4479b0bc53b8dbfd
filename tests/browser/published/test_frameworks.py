"""A published frontend and the browser SDK over the generic adapters, of ASGI by Quart and of WSGI without a framework."""

from __future__ import annotations

import asyncio
import contextvars
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from asgiref.wsgi import WsgiToAsgi
from quart import Quart, request
from starlette.applications import Starlette
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from reseal import EventName, Settings
from reseal.quart import Reseal as QuartReseal
from reseal.testing import ManualClock, Recorder
from reseal.wsgi import Reseal as WsgiReseal
from tests.browser.conftest import OpenContext
from tests.browser.published.frontends import FRONTENDS, IN_COOKIES, IN_HEADERS
from tests.browser.published.shop import PATHS, Page, open_our_page, open_page, page_of
from tests.browser.site import CHECKED, NOTE, PAGE, Site, Tab, listen, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")
Made = tuple[Any, Any]


def quart_shop(settings: Settings, notes: list[str], parts: dict[str, Any]) -> Made:
    app, reseal = Quart("shop"), QuartReseal(settings, **parts)
    reseal.init_app(app)

    @app.post("/login")
    async def login() -> dict[str, str]:
        body = json.loads(await request.get_data())
        return {"handle": (await reseal.create_new_session(request, body["user"])).get_handle()}

    @app.get(CHECKED)
    @reseal.session_required(check_database=True)
    async def checked() -> dict[str, str]:
        return {}

    @app.post(NOTE)
    @reseal.session_required()
    async def note() -> dict[str, str]:
        notes.append((await request.get_data()).decode())
        return {}

    return app, reseal


def wsgi_shop(settings: Settings, notes: list[str], parts: dict[str, Any]) -> Made:
    reseal = WsgiReseal(settings, **parts)

    def app(environ: Any, start: Any) -> list[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        answer = {}
        match environ["PATH_INFO"]:
            case "/login":
                answer["handle"] = reseal.create_new_session(environ, json.loads(body)["user"]).get_handle()
            case path if path == CHECKED:
                reseal.get_session(environ, check_database=True)
            case path if path == NOTE:
                reseal.get_session(environ)
                notes.append(body.decode())
        start("200 OK", [("content-type", "application/json")])
        return [json.dumps(answer).encode()]

    return in_a_context_of_its_own(WsgiToAsgi(reseal.wrap(app))), reseal


def in_a_context_of_its_own(app: Any) -> Any:
    """Keep a request from running in the thread of the one before it.

    uvicorn begins the next request of a connection in the context of the reply before it, where asgiref finds an
    executor that may have ended.
    """

    async def call(scope: Any, receive: Any, send: Any) -> None:
        await asyncio.create_task(app(scope, receive, send), context=contextvars.Context())

    return call


SHOPS: dict[str, Callable[[Settings, list[str], dict[str, Any]], Made]] = {"quart": quart_shop, "wsgi": wsgi_shop}


@asynccontextmanager
async def opened(name: str, bundles: Path) -> AsyncIterator[Site]:
    listener = listen()
    origin = f"http://localhost:{listener.getsockname()[1]}"
    settings = Settings(api_domain=origin, database_uri="memory:", **PATHS)
    clock, events, notes = ManualClock(time.time_ns() // 1_000_000), Recorder(), list[str]()
    api, reseal = SHOPS[name](settings, notes, {"clock": clock, "on_event": events})
    paths = {"refreshPath": settings.refresh_api_path, "signOutPath": settings.signout_api_path}

    def page(text: str) -> Any:
        async def show(_request: Any) -> Response:
            return HTMLResponse(text)

        return show

    pages = [Route(f"/{each}", page(page_of(each, settings))) for each in FRONTENDS]
    ours = Route("/ours", page(PAGE % {"options": json.dumps(paths)}))
    app = Starlette(routes=[*pages, ours, Mount("/bundles", StaticFiles(directory=bundles)), Mount("/", api)])
    async with serving(app, listener) as line:
        yield Site(origin, settings, reseal, clock, None, events, line, notes)  # type: ignore[arg-type]
    closing = reseal.close()
    if closing is not None:
        await closing


@pytest_asyncio.fixture(loop_scope="session")
async def site(request: pytest.FixtureRequest, stack: AsyncExitStack, bundles: Path) -> Site:
    return await stack.enter_async_context(opened(request.param, bundles))


@pytest.mark.parametrize("site", SHOPS, indirect=True)
@pytest.mark.parametrize("frontend", [IN_COOKIES[-1], IN_HEADERS[-1], None], ids=str)
async def test_calls_refresh_once_and_tabs_stay_signed_in_until_the_sign_out(
    site: Site, open_context: OpenContext, frontend: Any
) -> None:
    context = await open_context()

    async def opened_page() -> Tab | Page:
        return await (open_our_page(context, site) if frontend is None else open_page(context, site, frontend))

    page = await opened_page()
    await page.sign_in()
    for times in (1, 2):
        site.expire()
        assert (await page.call(NOTE, method="POST", body="x"))["status"] == 200
        assert (await page.call(CHECKED))["status"] == 200
        assert len(site.notes) == times
    other = await opened_page()
    site.expire()
    answers = await asyncio.gather(page.calls(3, CHECKED), other.calls(3, CHECKED))
    assert answers == [[200] * 3, [200] * 3]
    await page.attempt("signOut")
    assert (await other.call(CHECKED)).get("status") != 200
    assert not site.events.named(EventName.TOKEN_THEFT)
    assert len(site.events.named(EventName.SESSION_CREATED)) == 1
