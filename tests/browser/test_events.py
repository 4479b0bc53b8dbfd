"""What pages are told without asking: by other tabs, and by a client that looks ahead."""

from __future__ import annotations

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenSite
from tests.browser.site import FEED, Site, jar, open_tab
from tests.browser.test_intercept import serve_sdk

pytestmark = pytest.mark.asyncio(loop_scope="session")

MORE_EVENTS = """() => {
  for (const event of ["PAYLOAD_UPDATED", "SESSION_ENDED_ELSEWHERE"]) session.on(event, () => told.push(event));
}"""
HEADER = {"tokenTransferMethod": "header"}


@pytest.mark.parametrize("options", [{}, HEADER], ids=["cookie", "header"])
async def test_a_tab_that_does_nothing_is_told_what_another_one_did(
    open_site: OpenSite, context: BrowserContext, options: dict[str, str]
) -> None:
    site = await open_site(page_options=options)
    busy, idle = [await open_tab(context, site) for _ in range(2)]
    await idle.page.evaluate(MORE_EVENTS)
    await busy.sign_in()
    await idle.hears("SESSION_CREATED")
    assert await idle.page.evaluate("session.getUserId()") == "alice"
    assert (await busy.call("/api/upgrade/paid", method="POST"))["status"] == 200
    await idle.hears("PAYLOAD_UPDATED")
    site.expire()
    assert (await busy.call())["status"] == 200
    await busy.attempt("signOut")
    await idle.hears("SESSION_EXPIRED elsewhere")
    assert await idle.told() == [
        "SESSION_CREATED",
        "PAYLOAD_UPDATED",
        "SESSION_ENDED_ELSEWHERE",
        "SESSION_EXPIRED elsewhere",
    ]


async def test_in_header_mode_a_tab_hears_without_channels_too(open_site: OpenSite, context: BrowserContext) -> None:
    await context.add_init_script("delete window.BroadcastChannel")
    site = await open_site(page_options=HEADER)
    busy, idle = [await open_tab(context, site) for _ in range(2)]
    await busy.sign_in()
    await idle.hears("SESSION_CREATED")
    await busy.attempt("signOut")
    await idle.hears("SESSION_EXPIRED elsewhere")
    assert [each.path for each in site.line.passed if each.method == "POST"] == ["/login", "/signout"]


async def test_in_header_mode_the_session_is_in_no_cookie_and_is_refreshed_and_ended_like_any(
    open_site: OpenSite, context: BrowserContext
) -> None:
    site = await open_site(page_options=HEADER)
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    for generation in (1, 2):
        site.expire()
        assert await tab.calls(10) == [200] * 10
        assert (await site.row(handle)).generation == generation
        await tab.page.reload()
    assert await jar(context) == {}
    assert {each.path for each in site.line.passed if "RSL" in (each.header("authorization") or "")} <= {
        FEED,
        site.refresh_path,
    }
    await tab.attempt("signOut")
    assert (await site.row(handle)).ended_at is not None
    assert await tab.page.evaluate("Object.keys(localStorage)") == ["st-last-access-token-update"]


@pytest.mark.parametrize("hours", [-24, 0, 24])
async def test_a_refresh_ahead_of_time_goes_by_the_servers_clock_and_is_done_once(
    open_site: OpenSite, context: BrowserContext, hours: int
) -> None:
    site = await open_site(page_options={"refreshAheadMs": 120_000}, access_token_validity=60)
    await context.add_init_script(f"const now = Date.now; Date.now = () => now() + {hours * 3_600_000};")
    tab = await open_tab(context, site)
    await tab.sign_in()
    await tab.hears("REFRESH_SESSION")
    for _ in range(5):
        assert (await tab.call())["status"] == 200
    assert [each.status for each in site.refreshes] == [200]
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION"]


async def test_the_classic_script_gives_the_same_under_one_global(site: Site, context: BrowserContext) -> None:
    serve_sdk(site)
    page = await context.new_page()
    await page.goto(site.origin + "/blank")
    await page.add_script_tag(url="/sdk/reseal-browser.classic.js")
    await page.evaluate("reseal.intercept((window.session = reseal.createSessionClient())); 0")
    assert (
        await page.evaluate(
            """fetch("/login", { method: "POST", body: JSON.stringify({ user: "alice" }) }).then((r) => r.status)"""
        )
        == 200
    )
    site.expire()
    assert await page.evaluate(f"fetch('{FEED}').then((r) => r.status)") == 200
    assert await page.evaluate("[session.getUserId(), new reseal.SessionLoopError({}).code]") == [
        "alice",
        "SESSION_LOOP",
    ]
