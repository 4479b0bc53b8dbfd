"""An API that sends a call on to another origin: the foreign server, however welcoming, learns nothing secret."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import BrowserContext
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from tests.browser.conftest import OpenSite
from tests.browser.line import Line
from tests.browser.site import FEED, Site, listen, open_tab, serving
from tests.browser.test_intercept import intercepting, send, serve_sdk

pytestmark = pytest.mark.asyncio(loop_scope="session")

MOVED = "/api/moved"
SECRETS = {"authorization", "anti-csrf", "cookie"}


@asynccontextmanager
async def welcoming() -> AsyncIterator[tuple[str, Line]]:
    """A foreign server that allows everything to everybody who asks first, and sends a quarter of them on to itself."""

    async def welcome(request: Request) -> Response:
        asked = request.headers.get("access-control-request-headers", "*")
        headers = {
            "access-control-allow-origin": request.headers.get("origin", "*"),
            "access-control-allow-credentials": "true",
            "access-control-allow-headers": asked,
            "access-control-allow-methods": "GET, HEAD, POST, PUT, PATCH, DELETE",
        }
        if request.method != "OPTIONS" and request.url.path == "/hop":
            return RedirectResponse("/landed", 307, headers)
        return JSONResponse({"landed": request.method}, headers=headers)

    app = Starlette()
    app.router.add_route("/{path:path}", welcome, methods=["GET", "POST", "PUT", "OPTIONS"])
    listener = listen()
    async with serving(app, listener) as line:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", line


def redirect_to(site: Site, target: str, status: int) -> None:
    async def moved(_request: Request) -> Response:
        return RedirectResponse(target, status)

    site.line.app.router.add_route(MOVED, moved, methods=["GET", "POST"])  # type: ignore[attr-defined]


def leaked(line: Line) -> set[str]:
    """What secrets the foreign server was sent."""
    return {name for each in line.passed if each.method != "OPTIONS" for name, _ in each.headers} & SECRETS


WAYS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cookie": ({"enable_anti_csrf": True}, {}),
    "header": ({}, {"tokenTransferMethod": "header"}),
}


# S67
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_foreign_server_at_the_end_of_a_redirect_gets_no_token(
    open_site: OpenSite, context: BrowserContext, way: str, status: int
) -> None:
    settings, options = WAYS[way]
    site = await open_site(page_options=options, **settings)
    async with welcoming() as (origin, foreign):
        redirect_to(site, f"{origin}/hop", status)
        tab = await open_tab(context, site)
        await tab.sign_in()
        assert (await tab.call())["status"] == 200
        sent = {name for name, _ in site.line.to(FEED)[-1].headers}
        assert ("anti-csrf" in sent, "authorization" in sent) == (way == "cookie", way == "header")
        answer = await tab.call(MOVED)
        assert (answer["status"], json.loads(answer["body"])) == (200, {"landed": "GET"})
        posted = await tab.call(MOVED, method="POST", body="x")
        assert posted.get("error") == ("TypeError" if way == "cookie" else None)
        assert len(site.line.to(MOVED, "POST")) == 1
        assert foreign.to("/landed", "GET")
        assert leaked(foreign) == set()


# S67
async def test_an_intercepted_request_in_header_mode_leaks_nothing_either(
    open_site: OpenSite, context: BrowserContext
) -> None:
    site = await open_site(page_options={"tokenTransferMethod": "header"})
    serve_sdk(site)
    async with welcoming() as (origin, foreign):
        redirect_to(site, f"{origin}/hop", 307)
        tab = await open_tab(context, site)
        await tab.sign_in()
        await intercepting(tab)
        assert (await send(tab, MOVED, "POST", body="x"))["status"] in {0, 200}
        assert site.line.to(MOVED, "POST")[0].header("authorization") is not None
        assert leaked(foreign) == set()


async def test_a_redirect_within_the_api_is_followed(open_site: OpenSite, context: BrowserContext) -> None:
    for settings, options in WAYS.values():
        site = await open_site(page_options=options, **settings)
        redirect_to(site, FEED, 303)
        tab = await open_tab(context, site)
        await tab.sign_in()
        site.expire()
        assert (await tab.call(MOVED))["status"] == 200
