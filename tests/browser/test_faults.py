"""Bad networks, bad servers and wrong clocks: the session is kept, and the work goes on where it can."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Page

from reseal import EventName
from tests.browser.conftest import OpenContext, OpenSite
from tests.browser.line import PATIENCE
from tests.browser.site import CHECKED, EACH_WAY, FEED, NOTE, TOKENS, Site, Tab, open_tab

pytestmark = [pytest.mark.asyncio(loop_scope="session"), EACH_WAY]

SECOND = 1000
NO_JITTER = "Math.random = () => 0"
"""The client's pauses are random; this makes them short."""


async def assert_still_signed_in(site: Site, tab: Tab, handle: str) -> None:
    for name in (EventName.TOKEN_THEFT, EventName.REFRESH_REFUSED, EventName.SESSION_REVOKED):
        assert site.events.named(name) == []
    assert not {"SESSION_EXPIRED", "SIGN_OUT", "TOKEN_THEFT"} & {each.split()[0] for each in await tab.told()}
    assert (await tab.call(CHECKED))["status"] == 200
    assert (await site.row(handle)).ended_at is None


# E05
@pytest.mark.parametrize("times", [1, 2, 5])
async def test_refresh_answers_lost_on_the_way_are_asked_for_again(site: Site, tab: Tab, times: int) -> None:
    await tab.page.evaluate(NO_JITTER)
    handle = await tab.sign_in()
    before = await tab.tokens()
    site.expire()
    site.line.lose(site.refresh_path, times)
    assert (await tab.call())["status"] == 200
    assert [each.delivered for each in site.refreshes] == [False] * times + [True]
    assert {each.refresh_token for each in site.refreshes} == {before["sRefreshToken"]}
    assert (await site.row(handle)).generation == 1
    await assert_still_signed_in(site, tab, handle)


# E05
@pytest.mark.parametrize("later", [0, 29 * SECOND, 31 * SECOND, 600 * SECOND])
async def test_a_lost_answer_may_be_asked_for_much_later(site: Site, tab: Tab, later: int) -> None:
    handle = await tab.sign_in()
    for generation in (1, 2):
        site.expire()
        site.line.lose(site.refresh_path, then=lambda: site.clock.advance(later))
        assert (await tab.call())["status"] == 200
        assert (await site.row(handle)).generation == generation
    await assert_still_signed_in(site, tab, handle)


# E05
@pytest.mark.parametrize("delivered", [0, 1])
async def test_a_refresh_that_a_proxy_sends_twice_is_one_refresh(site: Site, tab: Tab, delivered: int) -> None:
    handle = await tab.sign_in()
    for generation in (1, 2, 3):
        site.expire()
        site.line.double(site.refresh_path, delivered)
        assert (await tab.call(CHECKED))["status"] == 200
        assert (await site.row(handle)).generation == generation
    assert len(site.events.named(EventName.SESSION_REPLAYED)) == 3
    await assert_still_signed_in(site, tab, handle)


# S70
@pytest.mark.parametrize("times", [1, 2])
async def test_a_refresh_that_is_not_answered_is_given_up_after_fifteen_seconds_and_asked_for_again(
    site: Site, context: BrowserContext, times: int
) -> None:
    await context.clock.install()
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    site.expire()
    held = site.line.hold(site.refresh_path, times)
    call = tab.calling()
    for attempt in range(times):
        await held.arrived(attempt)
        assert len(site.refreshes) == attempt + 1
        await context.clock.fast_forward(15 * SECOND)
    assert (await call)["status"] == 200
    for attempt in range(times):
        held.release(attempt)
    assert len({each.refresh_token for each in site.refreshes}) == 1
    assert (await site.row(handle)).generation == 1
    await assert_still_signed_in(site, tab, handle)


async def test_a_connection_cut_before_the_server_hears_of_the_refresh_is_tried_again(site: Site, tab: Tab) -> None:
    handle = await tab.sign_in()
    site.expire()
    site.line.cut(site.refresh_path, 3)
    assert (await tab.call())["status"] == 200
    assert (await site.row(handle)).generation == 1
    await assert_still_signed_in(site, tab, handle)


# S70
@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, 408])
async def test_a_failing_refresh_endpoint_keeps_the_session_and_is_tried_again(
    site: Site, tab: Tab, status: int
) -> None:
    await tab.page.evaluate(NO_JITTER)
    handle = await tab.sign_in()
    before = await tab.tokens()
    site.expire()
    site.line.answer(site.refresh_path, status, 5)
    assert (await tab.call())["status"] == 200
    assert [each.status for each in site.refreshes] == [status] * 5 + [200]
    assert {each.refresh_token for each in site.refreshes} == {before["sRefreshToken"]}
    await assert_still_signed_in(site, tab, handle)


# S70
async def test_after_twenty_failures_of_every_kind_the_session_is_still_there(site: Site, tab: Tab) -> None:
    await tab.page.evaluate(NO_JITTER)
    handle = await tab.sign_in()
    before = await tab.tokens()
    site.expire()
    for status in (500, 502, 503, 504, 429):
        site.line.answer(site.refresh_path, status, 3)
    site.line.cut(site.refresh_path, 5)
    failed = []
    while (answer := await tab.call()).get("status") != 200:
        assert await tab.tokens() == before
        failed.append((answer["error"], answer["code"]))
    assert failed == [("SessionRefreshError", "SESSION_REFRESH_FAILED")] * len(failed)
    assert 1 <= len(failed) <= 4
    assert (await tab.told())[:2] == ["SESSION_CREATED", "REFRESH_FAILED"]
    await assert_still_signed_in(site, tab, handle)


# S70
async def test_pauses_between_attempts_grow_and_are_random(site: Site, tab: Tab) -> None:
    await tab.page.evaluate(
        "window.pauses = []; const late = setTimeout; window.setTimeout = (f, ms, ...rest) => { "
        "if (ms < 8000 && ms !== 5000 && ms !== 100) pauses.push(ms); return late(f, 0 < ms && ms < 4000 ? 1 : ms, ...rest) }"
    )
    await tab.sign_in()
    for _ in range(2):
        site.expire()
        site.line.answer(site.refresh_path, 503, 4)
        assert (await tab.call())["status"] == 200
    pauses = await tab.page.evaluate("pauses")
    assert len(pauses) == 8
    ceilings = [250, 500, 1000, 2000] * 2
    assert all(0 <= paused <= ceiling for paused, ceiling in zip(pauses, ceilings, strict=True))
    assert len(set(pauses)) == 8


async def test_a_store_that_is_down_is_a_503_with_retry_after_and_nobody_is_signed_out(site: Site, tab: Tab) -> None:
    handle = await tab.sign_in()
    before = await tab.tokens()
    site.store.down = True
    assert (await tab.call())["status"] == 200  # verifying needs no store
    assert (await tab.call(CHECKED))["status"] == 503
    site.expire()
    call = tab.calling()
    await site.line.until(lambda: site.refreshes and site.refreshes[0].delivered)
    refused = site.refreshes[0]
    assert (refused.status, dict(refused.answer_headers)["retry-after"], refused.set_cookies) == (503, "1", [])
    assert await tab.tokens() == before
    site.store.down = False
    assert (await call)["status"] == 200
    assert site.refreshes[1].at - refused.at >= 1
    await assert_still_signed_in(site, tab, handle)


async def test_a_write_that_was_done_but_not_acknowledged_is_found_again(site: Site, tab: Tab) -> None:
    handle = await tab.sign_in()
    site.expire()
    site.store.lose_acknowledgement("rotate")
    assert (await tab.call())["status"] == 200
    assert [each.status for each in site.refreshes] == [503, 200]
    assert (await site.row(handle)).generation == 1
    await assert_still_signed_in(site, tab, handle)


async def go_offline_at_401(page: Page, context: BrowserContext) -> None:
    """Make the network vanish at the moment at which the page learns that its access token has expired."""

    async def go(_source: Any, _first: Any) -> None:
        await context.set_offline(True)

    await page.expose_binding("goOffline", go)
    await page.evaluate("""() => {
        const real = window.fetch;
        window.fetch = async (...call) => {
            const response = await real(...call);
            if (response.status === 401 && !window.hasGone) await goOffline(window.hasGone = true);
            return response;
        };
        start();
    }""")


async def test_a_browser_that_goes_offline_at_the_moment_of_expiry_goes_on_when_it_is_back(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    handle = await tab.sign_in()
    await go_offline_at_401(tab.page, context)
    site.expire()
    call = tab.calling()
    await tab.until("navigator.onLine === false")
    assert not call.done()
    assert site.refreshes == []
    await context.set_offline(False)
    assert (await call)["status"] == 200
    assert len(site.refreshes) == 1
    await assert_still_signed_in(site, tab, handle)


async def test_a_call_of_an_offline_browser_fails_as_every_fetch_and_the_next_one_succeeds(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    handle = await tab.sign_in()
    site.expire()
    await context.set_offline(True)
    assert (await tab.call())["error"] == "TypeError"
    assert (await tab.attempt("doesSessionExist"))["value"] is True
    await context.set_offline(False)
    assert (await tab.call())["status"] == 200
    await assert_still_signed_in(site, tab, handle)


async def test_a_browser_that_lies_about_being_online_gets_a_typed_error_and_keeps_the_session(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    handle = await tab.sign_in()
    before = await tab.tokens()
    await tab.page.evaluate(NO_JITTER)
    await tab.page.evaluate("Object.defineProperty(navigator, 'onLine', { get: () => true })")
    await go_offline_at_401(tab.page, context)
    site.expire()
    answer = await tab.call()
    assert (answer["error"], answer["code"], answer["status"]) == (
        "SessionRefreshError",
        "SESSION_REFRESH_FAILED",
        None,
    )
    assert await tab.tokens() == before
    await context.set_offline(False)
    assert (await tab.call())["status"] == 200
    await assert_still_signed_in(site, tab, handle)


async def test_signing_out_without_a_network_is_told_and_the_session_kept(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    handle = await tab.sign_in()
    await context.set_offline(True)
    assert (await tab.attempt("signOut"))["error"] == "SignOutError"
    await context.set_offline(False)
    await assert_still_signed_in(site, tab, handle)
    assert (await tab.attempt("signOut")) == {"value": None}
    assert (await site.row(handle)).ended_at is not None


# S69
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_api_that_refuses_for_ever_leads_to_a_typed_error_after_a_few_refreshes(
    site: Site, tab: Tab, method: str
) -> None:
    handle = await tab.sign_in()
    answer = await tab.call("/api/never", method=method)
    assert (answer["error"], answer["code"]) == ("SessionLoopError", "SESSION_LOOP")
    assert len(site.refreshes) == 3
    assert len(site.line.to("/api/never")) == 4
    assert (await tab.tokens()).keys() == TOKENS
    assert (await site.row(handle)).generation == 3
    await assert_still_signed_in(site, tab, handle)


# S69
async def test_many_calls_that_are_refused_for_ever_share_their_refreshes(site: Site, tab: Tab) -> None:
    handle = await tab.sign_in()
    await tab.calls(10, "/api/never")
    assert len(site.refreshes) <= 10
    await assert_still_signed_in(site, tab, handle)


# S69
@pytest.mark.parametrize("hours", [-24, 24])
async def test_a_page_with_a_wrong_clock_refreshes_once_for_each_expiry(
    site: Site, context: BrowserContext, hours: int
) -> None:
    await context.add_init_script(
        f"const off = {hours} * 3600e3, Real = Date;"
        "window.Date = class extends Real {"
        "  constructor(...given) { super(...(given.length ? given : [Real.now() + off])); }"
        "  static now() { return Real.now() + off; }"
        "};"
    )
    tab = await open_tab(context, site)
    shown = await tab.page.evaluate("Date.now()") - site.clock.wall()
    assert abs(shown - hours * 3600 * SECOND) < 600 * SECOND
    handle = await tab.sign_in()
    for expiries in (1, 2, 3):
        assert await tab.calls(3) == [200] * 3
        site.expire()
        assert await tab.calls(3) == [200] * 3
        assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
        assert len(site.refreshes) == expiries
    await tab.page.reload()
    assert (await tab.attempt("doesSessionExist"))["value"] is True
    await assert_still_signed_in(site, tab, handle)


# S69
@pytest.mark.parametrize("hours", [-24, 24])
async def test_a_server_whose_clock_is_a_day_off_serves_honest_browsers(
    open_site: OpenSite, open_context: OpenContext, page_options: dict[str, Any], hours: int
) -> None:
    site = await open_site(page_options=page_options)
    site.clock.jump(hours * 3600 * SECOND)
    context = await open_context()
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    assert (await tab.tokens()).keys() == TOKENS
    site.expire()
    assert await tab.calls(3) == [200] * 3
    assert len(site.refreshes) == 1
    await assert_still_signed_in(site, tab, handle)


async def test_an_honest_user_of_a_line_that_loses_every_second_answer_is_never_accused(site: Site, tab: Tab) -> None:
    await tab.page.evaluate(NO_JITTER)
    handle = await tab.sign_in()
    for _ in range(10):
        site.expire()
        site.line.lose(site.refresh_path, then=lambda: site.clock.advance(20 * SECOND))
        answer = await asyncio.wait_for(tab.call(), PATIENCE)
        assert json.loads(answer["body"])["user"] == "alice"
    assert (await site.row(handle)).generation == 10
    assert len(site.line.to(FEED)) == 20
    await assert_still_signed_in(site, tab, handle)
