"""An administrator acts as a user and comes back: the page notices who it is, and every call is in the right name."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import BrowserContext
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tests.browser.site import CHECKED, EACH_WAY, FEED, Site, Tab, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")


def serve_acting(site: Site) -> None:
    """Add what docs/how-to/act-as-another-user.md shows."""

    async def act(request: Request) -> Response:
        await site.reseal.get_session(request, check_database=True)
        await site.reseal.impersonate(request, "alice", reason="ticket 4711")
        return JSONResponse({})

    async def stop(request: Request) -> Response:
        await site.reseal.stop_impersonating(request)
        return JSONResponse({})

    for path, endpoint in {"/act": act, "/stop": stop}.items():
        site.line.app.router.add_route(path, endpoint, methods=["POST"])  # type: ignore[attr-defined]


async def is_everywhere(user: str, *tabs: Tab) -> None:
    """See that pages and server agree on who this is."""
    for tab in tabs:
        await tab.until("(user) => session.getUserId() === user", user)
        assert json.loads((await tab.call(CHECKED))["body"]) == {"user": user}


async def post(tab: Tab, path: str) -> None:
    answer = await tab.call(path, method="POST")
    assert answer["status"] == 200, answer


@EACH_WAY
async def test_to_stop_makes_the_page_the_administrator_s_again(site: Site, context: BrowserContext) -> None:
    serve_acting(site)
    tab, other = await open_tab(context, site), await open_tab(context, site)
    await tab.sign_in("admin")
    await is_everywhere("admin", tab, other)
    await post(tab, "/act")
    await is_everywhere("alice", tab, other)
    assert await tab.page.evaluate("session.getAccessTokenPayload().act.sub") == "admin"
    site.line.forget()
    await post(tab, "/stop")
    assert json.loads((await tab.call(FEED))["body"])["user"] == "admin"
    await is_everywhere("admin", tab, other)
    assert len(site.refreshes) == 1
    assert "SESSION_EXPIRED" not in {each.split()[0] for each in [*await tab.told(), *await other.told()]}


@EACH_WAY
async def test_an_impersonation_that_ends_by_itself_leads_back_and_repeats_nothing_in_the_other_name(
    site: Site, context: BrowserContext
) -> None:
    serve_acting(site)
    tab = await open_tab(context, site)
    await tab.sign_in("admin")
    await post(tab, "/act")
    site.expire()
    site.line.forget()
    assert (await tab.call(FEED))["status"] == 401, "it was made as alice, and the refresh brought the administrator"
    assert (len(site.line.to(FEED)), len(site.refreshes)) == (1, 1)
    await is_everywhere("admin", tab)
