"""The end of a session, as the browser sees it, and cookies that must not get lost."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import BrowserContext, Page

from tests.browser.conftest import OpenContext, OpenSite
from tests.browser.site import CHECKED, FEED, TOKENS, Site, Tab, jar, open_tab, tokens, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

OF_A_SESSION = TOKENS | {"sFrontToken", "sAntiCsrf"}


async def state_of(page: Page) -> str:
    """What the page says about the session, once it knows."""
    await until(page, "document.querySelector('#state').textContent !== ''")
    return await page.inner_text("#state")


# S44
@pytest.mark.parametrize("expired", [False, True], ids=["fresh", "expired"])
async def test_after_signing_out_no_cookie_of_the_session_is_left_and_nothing_brings_it_back(
    site: Site, context: BrowserContext, expired: bool
) -> None:
    tab = await open_tab(context, site, "/home")
    page = tab.page
    assert await state_of(page) == "signed out"
    handle = await tab.sign_in()
    await page.reload()
    assert await state_of(page) == "signed in"
    await page.goto(site.origin + "/api/private")
    assert await page.inner_text("h1") == "Only for alice"
    await page.goto(site.origin + "/home")
    copy = await context.cookies()
    if expired:
        site.expire()
    assert await tab.attempt("signOut") == {"value": None}
    assert (await site.row(handle)).end_reason == "signed_out"
    assert not OF_A_SESSION & (await jar(context)).keys()
    await page.reload()
    assert await state_of(page) == "signed out"
    await page.go_back()
    assert page.url == site.origin + "/api/private"
    assert "alice" not in await page.content()
    await page.go_forward()
    assert await state_of(page) == "signed out"
    assert (await tab.call())["status"] == 401
    # Nor does a copy of the old cookies: the session has ended in the store.
    await context.add_cookies(copy)  # type: ignore[arg-type]
    assert (await tab.call(CHECKED))["status"] == 401
    assert not TOKENS & (await jar(context)).keys()


async def test_signing_out_in_one_tab_signs_the_others_out(site: Site, context: BrowserContext) -> None:
    here, there = [await open_tab(context, site) for _ in range(2)]
    await here.sign_in()
    assert (await there.call())["status"] == 200
    await here.attempt("signOut")
    assert (await here.told())[-1] == "SIGN_OUT"
    await there.hears("SESSION_EXPIRED elsewhere")
    assert (await there.call())["status"] == 401
    assert site.refreshes == []


async def test_signing_out_everywhere_reaches_other_browsers_at_once_and_tells_them_why(
    site: Site, tab: Tab, open_context: OpenContext
) -> None:
    other = await open_tab(await open_context(), site)
    await tab.sign_in()
    await other.sign_in()
    assert (await tab.call("/signout-everywhere", method="POST"))["status"] == 200
    assert (await tab.told())[-1] == "SIGN_OUT"
    answer = await other.call(CHECKED)
    assert (answer["status"], json.loads(answer["body"])["reason"]) == (401, "user_revoked")
    for each in (tab, other):
        assert not OF_A_SESSION & (await jar(each.page.context)).keys()


async def test_a_session_that_was_revoked_ends_in_the_browser_with_its_access_token(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    handle = await tab.sign_in()
    await site.reseal.sessions.revoke_session_using_session_handle(handle)
    assert (await tab.call())["status"] == 200
    site.expire()
    assert (await tab.call())["status"] == 401
    assert json.loads(site.refreshes[0].answer) == {"message": "unauthorised", "reason": "revoked"}
    assert (await tab.told())[-1] == "SESSION_EXPIRED refused"
    assert not OF_A_SESSION & (await jar(context)).keys()


async def test_another_sign_in_of_the_same_browser_ends_its_first_session(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    first = await tab.sign_in()
    second = await tab.sign_in("bob")
    assert (await site.row(first)).end_reason == "replaced"
    site.expire()
    assert json.loads((await tab.call())["body"])["user"] == "bob"
    assert (await site.row(second)).generation == 1


# S59
@pytest.mark.parametrize("how", ["exception", "redirect", "stream", "not-modified"])
async def test_new_cookies_reach_the_browser_however_the_response_ends(
    site: Site, tab: Tab, context: BrowserContext, how: str
) -> None:
    await tab.sign_in()
    before = await tokens(context)
    answer = await tab.call(f"/api/upgrade/{how}", method="POST")
    assert answer["status"] == {"exception": 500, "redirect": 200, "stream": 200, "not-modified": 304}[how]
    after = await tokens(context)
    assert after["sAccessToken"] != before["sAccessToken"]
    assert after["sRefreshToken"] == before["sRefreshToken"]
    [upgrade] = site.line.to(f"/api/upgrade/{how}")
    assert [each.split("=")[0] for each in upgrade.set_cookies] == ["sAccessToken"]
    assert json.loads((await tab.call())["body"])["payload"] == {"plan": how}
    if how != "redirect":  # scripts do not see the headers of a redirect
        assert (await tab.page.evaluate("session.getAccessTokenPayload()"))["plan"] == how
    site.expire()
    assert json.loads((await tab.call())["body"])["payload"] == {"plan": how}
    assert (await tab.page.evaluate("session.getAccessTokenPayload()"))["plan"] == how


# S44
async def test_cookies_of_a_wider_domain_are_cleared_where_they_were_set(
    open_site: OpenSite, open_context: OpenContext, certificate: object
) -> None:
    site = await open_site(host="api.app.test", certificate=certificate, cookie_domain="app.test")
    context = await open_context()
    tab = await open_tab(context, site)
    await tab.sign_in()
    assert len(await jar(context)) == 4
    await tab.attempt("signOut")
    assert (await jar(context)).keys() == {"st-last-access-token-update"}
    assert (await tab.call(FEED))["status"] == 401
