"""Computers that sleep for hours and clocks that are set: a page wakes, asks once, and goes on."""

from __future__ import annotations

import asyncio

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenSite
from tests.browser.site import CHECKED, EACH_WAY, FEED, PATIENT, Site, Tab, in_step, open_tab

pytestmark = [pytest.mark.asyncio(loop_scope="session"), EACH_WAY]

SECOND = 1000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
POLL = f"""() => {{
  window.polled = [];
  setInterval(async () => polled.push((await call("{FEED}")).status), {5 * MINUTE});
}}"""


@pytest_asyncio.fixture(loop_scope="session")
async def context(site: Site, context: BrowserContext) -> BrowserContext:
    """A browser whose time can be moved. Nothing waits for a clock of its own."""
    await context.clock.install()
    await context.add_init_script(PATIENT)
    return context


async def sleep(site: Site, context: BrowserContext, time: int) -> None:
    """Let the time pass for all, as for a computer that was shut: each timer that is due rings once."""
    site.clock.advance(time)
    await context.clock.fast_forward(time)


async def polled(tab: Tab) -> list[int | None]:
    await tab.until("polled.length > 0")
    return await tab.page.evaluate("polled.splice(0)")


async def test_tabs_that_wake_in_the_morning_refresh_once_together(site: Site, context: BrowserContext) -> None:
    tabs = [await open_tab(context, site) for _ in range(5)]
    handle = await tabs[0].sign_in()
    await in_step(*tabs)
    for tab in tabs:
        await tab.page.evaluate(POLL)
    for nights in (1, 2):
        await sleep(site, context, 8 * HOUR)
        assert await asyncio.gather(*[polled(tab) for tab in tabs]) == [[200]] * 5
        assert len(site.refreshes) <= 2 * nights
        await in_step(*tabs)
    assert (await site.row(handle)).generation == len(site.refreshes)
    assert {event for tab in tabs for event in await tab.told()} == {"SESSION_CREATED", "REFRESH_SESSION"}


# E05
async def test_a_computer_that_sleeps_in_the_middle_of_a_refresh_asks_again_when_it_wakes(
    site: Site, context: BrowserContext
) -> None:
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    site.expire()
    held = site.line.hold(site.refresh_path)
    call = tab.calling(CHECKED)
    await held.arrived()
    await sleep(site, context, 8 * HOUR)
    assert (await call)["status"] == 200
    held.release()
    assert len({each.refresh_token for each in site.refreshes}) == 1 or (await site.row(handle)).generation == 2
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION"]
    assert (await tab.call(CHECKED))["status"] == 200


async def test_a_pause_before_the_next_attempt_ends_with_the_sleep(site: Site, context: BrowserContext) -> None:
    tab = await open_tab(context, site)
    await tab.sign_in()
    site.expire()
    site.line.answer(site.refresh_path, 503, retry_after="30")
    call = tab.calling()
    await site.line.until(lambda: site.refreshes and site.refreshes[0].delivered)
    await sleep(site, context, HOUR)
    assert (await call)["status"] == 200
    assert [each.status for each in site.refreshes] == [503, 200]


async def test_after_a_sleep_longer_than_the_session_lives_each_tab_is_told_once(
    site: Site, context: BrowserContext
) -> None:
    tabs = [await open_tab(context, site) for _ in range(3)]
    await tabs[0].sign_in()
    await in_step(*tabs)
    assert [(await tab.call())["status"] for tab in tabs] == [200] * 3
    await sleep(site, context, site.settings.idle_ms)
    for _ in range(2):
        assert await asyncio.gather(*[tab.calls(3) for tab in tabs]) == [[401] * 3] * 3
    assert len(site.refreshes) == 1
    ends = [[event for event in await tab.told() if event.startswith("SESSION_EXPIRED")] for tab in tabs]
    assert sorted(ends) == [["SESSION_EXPIRED elsewhere"]] * 2 + [["SESSION_EXPIRED refused"]]
    assert await tabs[0].tokens() == {}
    await tabs[1].sign_in()
    await in_step(*tabs)
    assert [(await tab.call(CHECKED))["status"] for tab in tabs] == [200] * 3


# S69
@pytest.mark.parametrize("ahead", [0, 120 * SECOND], ids=["when refused", "ahead of time"])
async def test_a_clock_that_is_set_while_the_page_is_open_costs_no_refresh_and_no_session(
    open_site: OpenSite, context: BrowserContext, page_options: dict[str, str], ahead: int
) -> None:
    site = await open_site(page_options=page_options | {"refreshAheadMs": ahead})
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    now = await tab.page.evaluate("Date.now()")
    for expiries, hours in enumerate((24, -24, 0), start=1):
        await context.clock.set_system_time((now + hours * HOUR) / SECOND)
        assert await tab.calls(5) == [200] * 5
        assert len(site.refreshes) == expiries - 1
        site.expire()
        assert await tab.calls(5) == [200] * 5
        assert len(site.refreshes) == expiries
    assert (await site.row(handle)).generation == 3
    assert set(await tab.told()) == {"SESSION_CREATED", "REFRESH_SESSION"}
