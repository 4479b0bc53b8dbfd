"""A copied cookie jar in a second browser: whoever comes second gives the theft away, and both are out."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import BrowserContext

from reseal import EventName, TheftResponse
from tests.browser.conftest import OpenContext, OpenSite
from tests.browser.site import CHECKED, Site, Tab, jar, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

THIEF = "Mozilla/5.0 (another machine)"


async def copied(context: BrowserContext, open_context: OpenContext) -> BrowserContext:
    """A browser elsewhere, with a copy of all cookies, those that scripts cannot see included."""
    elsewhere = await open_context(user_agent=THIEF)
    await elsewhere.add_cookies(await context.cookies())  # type: ignore[arg-type]
    assert await jar(elsewhere) == await jar(context)
    return elsewhere


async def use(site: Site, tab: Tab) -> None:
    """Refresh, and have the store see the new tokens in use."""
    site.expire()
    assert (await tab.call(CHECKED))["status"] == 200
    site.leave_race_window()


async def assert_caught(site: Site, tab: Tab, handle: str, *, by_thief: bool) -> None:
    """The next refresh of this tab is seen as what it is."""
    site.expire()
    site.line.forget()
    answer = await tab.call()
    assert (answer["status"], json.loads(answer["body"])) == (401, {"message": "try refresh token"})
    assert [json.loads(each.answer) for each in site.refreshes] == [{"message": "token theft detected"}]
    assert (await tab.told())[-2:] == ["TOKEN_THEFT", "SESSION_EXPIRED token-theft"]
    [event] = site.events.named(EventName.TOKEN_THEFT)
    assert (event.session_handle, event.user_id, event.reason) == (handle, "alice", "previous")
    assert event.other_device is not None
    assert (event.device.user_agent == THIEF, event.other_device.user_agent == THIEF) == (by_thief, not by_thief)


async def assert_signed_out(tab: Tab) -> None:
    assert (await tab.call(CHECKED))["status"] == 401
    assert (await tab.attempt("doesSessionExist"))["value"] is False
    assert {"sAccessToken", "sRefreshToken", "sFrontToken"}.isdisjoint(await jar(tab.page.context))


async def test_a_thief_who_comes_after_the_owner_is_caught_and_the_session_ends(
    site: Site, tab: Tab, context: BrowserContext, open_context: OpenContext
) -> None:
    handle = await tab.sign_in()
    thief = await open_tab(await copied(context, open_context), site)
    await use(site, tab)
    await assert_caught(site, thief, handle, by_thief=True)
    assert (await site.row(handle)).end_reason == "theft"
    await assert_signed_out(thief)
    await assert_signed_out(tab)
    assert (await tab.told())[-1].startswith("SESSION_EXPIRED")


async def test_a_thief_who_comes_before_the_owner_is_found_out_by_the_owner(
    site: Site, tab: Tab, context: BrowserContext, open_context: OpenContext
) -> None:
    handle = await tab.sign_in()
    thief = await open_tab(await copied(context, open_context), site)
    await use(site, thief)
    await assert_caught(site, tab, handle, by_thief=False)
    assert (await site.row(handle)).end_reason == "theft"
    await assert_signed_out(tab)
    await assert_signed_out(thief)


async def test_a_thief_with_a_jar_of_long_ago_is_caught_as_well(
    site: Site, tab: Tab, context: BrowserContext, open_context: OpenContext
) -> None:
    handle = await tab.sign_in()
    thief = await open_tab(await copied(context, open_context), site)
    for _ in range(3):
        await use(site, tab)
    site.expire()
    await thief.call()
    [event] = site.events.named(EventName.TOKEN_THEFT)
    assert (event.session_handle, event.user_id, event.reason) == (handle, "alice", "older")
    await assert_signed_out(thief)
    await assert_signed_out(tab)


async def test_after_a_theft_the_owner_signs_in_again_and_the_thief_stays_out(
    site: Site, tab: Tab, context: BrowserContext, open_context: OpenContext
) -> None:
    first = await tab.sign_in()
    thief = await open_tab(await copied(context, open_context), site)
    await use(site, tab)
    await assert_caught(site, thief, first, by_thief=True)
    assert await tab.sign_in() != first
    assert (await tab.call(CHECKED))["status"] == 200
    await assert_signed_out(thief)
    assert (await tab.call(CHECKED))["status"] == 200


async def test_all_sessions_of_the_user_may_end_with_the_stolen_one(
    open_site: OpenSite, open_context: OpenContext
) -> None:
    site = await open_site(theft_response=TheftResponse.REVOKE_USER)
    owner, phone, other = [await open_tab(await open_context(), site) for _ in range(3)]
    handle = await owner.sign_in()
    await phone.sign_in()
    await other.sign_in("bob")
    thief = await open_tab(await copied(owner.page.context, open_context), site)
    await use(site, owner)
    await assert_caught(site, thief, handle, by_thief=True)
    for tab in (owner, phone, thief):
        await assert_signed_out(tab)
    assert (await other.call(CHECKED))["status"] == 200


async def test_a_theft_may_merely_be_reported(open_site: OpenSite, open_context: OpenContext) -> None:
    site = await open_site(theft_response=TheftResponse.REPORT)
    owner = await open_tab(await open_context(), site)
    handle = await owner.sign_in()
    thief = await open_tab(await copied(owner.page.context, open_context), site)
    await use(site, owner)
    await assert_caught(site, thief, handle, by_thief=True)
    await assert_signed_out(thief)
    assert (await owner.call(CHECKED))["status"] == 200
    assert (await site.row(handle)).ended_at is None
