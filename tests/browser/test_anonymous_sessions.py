"""A visitor who is not signed in has a session that the page keeps alive, and is nobody until the sign-in."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import BrowserContext
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reseal import EventName
from tests.browser.site import CHECKED, EACH_WAY, FEED, Site, Tab, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")


def serve_carts(site: Site) -> None:
    """Add what docs/how-to/anonymous-sessions.md shows."""

    async def visit(request: Request) -> Response:
        session = await site.reseal.create_anonymous_session(request, session_data={"cart": ["tea"]})
        return JSONResponse({"handle": session.get_handle()})

    async def cart(request: Request) -> Response:
        return JSONResponse(await (await site.reseal.get_any_session(request)).get_session_data())

    async def sign_in(request: Request) -> Response:
        session = await site.reseal.create_new_session(request, "alice", keep_anonymous=True)
        return JSONResponse({"handle": session.get_handle()})

    for path, endpoint in {"/visit": visit, "/cart": cart, "/sign-in-and-keep": sign_in}.items():
        site.line.app.router.add_route(path, endpoint, methods=["GET", "POST"])  # type: ignore[attr-defined]


async def body(tab: Tab, path: str, method: str = "GET") -> dict[str, object]:
    answer = await tab.call(path, method=method)
    assert answer["status"] == 200, answer
    found: dict[str, object] = json.loads(answer["body"])
    return found


async def is_nobody(tab: Tab) -> None:
    assert await tab.page.evaluate("session.doesSessionExist()") is False
    assert (
        await tab.page.evaluate("[session.getUserId() ?? null, session.getAccessTokenPayload() ?? null]") == [None] * 2
    )


@EACH_WAY
async def test_the_page_refreshes_a_visitor_s_session_and_shows_nobody(site: Site, context: BrowserContext) -> None:
    serve_carts(site)
    tab, other = await open_tab(context, site), await open_tab(context, site)
    await body(tab, "/visit", "POST")
    await is_nobody(tab)
    site.expire()
    site.line.forget()
    assert await body(tab, "/cart") == await body(other, "/cart") == {"cart": ["tea"]}
    assert len(site.refreshes) == 1
    for each in (tab, other):
        await is_nobody(each)
        assert await each.told() == []


@EACH_WAY
async def test_a_route_that_demands_a_user_answers_a_visitor_once_and_without_a_refresh(
    site: Site, context: BrowserContext
) -> None:
    serve_carts(site)
    tab = await open_tab(context, site)
    await body(tab, "/visit", "POST")
    site.line.forget()
    for path in (FEED, CHECKED):
        answer = await tab.call(path)
        assert (answer["status"], json.loads(answer["body"])["reason"]) == (403, "not_signed_in")
    site.expire()
    assert (await tab.call(FEED))["status"] == 403
    assert (len(site.line.to(FEED)), len(site.refreshes)) == (3, 1)


@EACH_WAY
async def test_at_the_sign_in_every_tab_becomes_the_user_s_and_has_the_cart(
    site: Site, context: BrowserContext
) -> None:
    serve_carts(site)
    tab, other = await open_tab(context, site), await open_tab(context, site)
    visitor = (await body(tab, "/visit", "POST"))["handle"]
    site.expire()
    handle = (await body(tab, "/sign-in-and-keep", "POST"))["handle"]
    assert handle != visitor
    for each in (tab, other):
        await each.until("() => session.getUserId() === 'alice'")
        assert await body(each, "/cart") == {"cart": ["tea"]}
        assert await body(each, CHECKED) == {"user": "alice"}
        assert [event for event in await each.told() if event != "REFRESH_SESSION"] == ["SESSION_CREATED"]
    assert (await site.row(str(visitor))).end_reason == "replaced"


@EACH_WAY
async def test_two_tabs_that_sign_in_at_once_leave_the_browser_with_the_cart(
    site: Site, context: BrowserContext
) -> None:
    serve_carts(site)
    tab, other = await open_tab(context, site), await open_tab(context, site)
    await body(tab, "/visit", "POST")
    sign_in = "() => call('/sign-in-and-keep', { method: 'POST' })"
    answers = await asyncio.gather(tab.page.evaluate(sign_in), other.page.evaluate(sign_in))
    assert [answer["status"] for answer in answers] == [200, 200]
    for each in (tab, other):
        await each.until("() => session.getUserId() === 'alice'")
        assert await body(each, "/cart") == {"cart": ["tea"]}
    assert len(site.events.named(EventName.SESSION_CONVERTED)) == 1


async def test_a_visitor_signs_out_and_the_page_tells_nobody(site: Site, context: BrowserContext) -> None:
    serve_carts(site)
    tab = await open_tab(context, site)
    await body(tab, "/visit", "POST")
    await tab.page.evaluate("session.signOut()")
    assert await tab.told() == []
    assert (await tab.call("/cart"))["status"] == 401
