"""Many tabs of one browser, and answers that overtake each other: one session, one line, nobody accused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import permutations

import pytest
from playwright.async_api import BrowserContext

from reseal import EventName, Refusal
from tests.browser.conftest import OpenContext
from tests.browser.site import CHECKED, EACH_WAY, FEED, PATIENT, Site, Tab, in_step, open_tab

pytestmark = [pytest.mark.asyncio(loop_scope="session"), EACH_WAY]

NO_LOCKS = "Object.defineProperty(Navigator.prototype, 'locks', { get: () => undefined })"
MANY = 100


@asynccontextmanager
async def one_expiry(site: Site, handle: str, *, refreshes: int) -> AsyncIterator[None]:
    """Let the access token expire for what happens inside; it may cost so many refresh requests at most.

    Without locks, a tab may send its request when the jar already holds the successor that another tab got: then the
    line goes on by one more step. It stays one line. Whose token is several steps behind by then asks again.
    """
    site.expire()
    site.line.forget()
    site.events.forget()
    before = (await site.row(handle)).generation
    yield
    overtaken = len(site.events.named(EventName.REFRESH_REFUSED))
    answered = [each for each in site.refreshes if each.status != 503]
    assert len(site.refreshes) - len(answered) == overtaken
    assert 1 <= len(answered) <= refreshes
    assert {each.status for each in answered} == {200}
    steps = (await site.row(handle)).generation - before
    assert 1 <= steps <= len(answered)
    assert len(site.events.named(EventName.SESSION_REFRESHED)) == steps
    assert len(site.events.named(EventName.SESSION_REPLAYED)) == len(answered) - steps
    assert {each.session_handle for each in site.events.all} == {handle}


async def signed_in_tabs(site: Site, context: BrowserContext, number: int) -> tuple[list[Tab], str]:
    """Open tabs and sign in in the first; gives the session's handle as well, once all the tabs know of it."""
    tabs = await asyncio.gather(*[open_tab(context, site) for _ in range(number)])
    handle = await tabs[0].sign_in()
    await in_step(*tabs)
    return tabs, handle


async def assert_nobody_signed_out(site: Site, tabs: list[Tab]) -> None:
    told = [event for tab in tabs for event in await tab.told()]
    assert not {"SIGN_OUT", "SESSION_EXPIRED", "TOKEN_THEFT", "REFRESH_FAILED"} & {each.split()[0] for each in told}
    assert site.events.named(EventName.TOKEN_THEFT) == []
    assert {each.reason for each in site.events.named(EventName.REFRESH_REFUSED)} <= {Refusal.OVERTAKEN.value}


async def assert_jar_works(site: Site, tabs: list[Tab], handle: str) -> None:
    """Whatever token the jar holds last can be refreshed, even after everything in flight has long arrived."""
    await in_step(*tabs)
    tab = tabs[-1]
    generation = (await site.row(handle)).generation
    site.expire()
    assert (await tab.call(CHECKED))["status"] == 200
    assert (await site.row(handle)).generation - generation in {0, 1}
    site.expire()
    assert (await tab.call(CHECKED))["status"] == 200


# S68
@pytest.mark.parametrize("locks", [True, False], ids=["locks", "no locks"])
async def test_two_tabs_at_the_moment_of_expiry_share_one_line(
    site: Site, context: BrowserContext, locks: bool
) -> None:
    await context.add_init_script(PATIENT if locks else NO_LOCKS)
    tabs, handle = await signed_in_tabs(site, context, 2)
    assert await tabs[0].page.evaluate("navigator.locks !== undefined") is locks
    for _ in range(3):
        async with one_expiry(site, handle, refreshes=1 if locks else 2):
            calls = [tab.calls(10) for tab in tabs]
            assert await asyncio.gather(*calls) == [[200] * 10] * 2
        await in_step(*tabs)
    await assert_nobody_signed_out(site, tabs)


# E07, S68
async def test_a_hundred_tabs_that_wake_together_refresh_once_and_without_locks_still_keep_the_session(
    site: Site, context: BrowserContext
) -> None:
    await context.add_init_script(PATIENT)
    tabs, handle = await signed_in_tabs(site, context, MANY)
    for locks in (True, False):
        if not locks:
            await asyncio.gather(*[tab.page.evaluate(f"{NO_LOCKS}; start()") for tab in tabs])
        async with one_expiry(site, handle, refreshes=2 if locks else MANY):
            answers = await asyncio.gather(*[tab.call() for tab in tabs])
            assert [answer.get("status") for answer in answers] == [200] * MANY
        await in_step(*tabs)
    await assert_nobody_signed_out(site, tabs)
    await assert_jar_works(site, tabs, handle)


# E08
@pytest.mark.parametrize("number", [2, 3, 4])
async def test_refresh_answers_may_arrive_in_any_order(site: Site, context: BrowserContext, number: int) -> None:
    await context.add_init_script(NO_LOCKS)
    tabs, handle = await signed_in_tabs(site, context, number)
    for generation, order in enumerate(permutations(range(number)), start=1):
        site.expire()
        held = site.line.hold(site.refresh_path, number)
        calls = []
        for index, tab in enumerate(tabs):
            calls.append(tab.calling())
            await held.arrived(index)
        for index in order:
            held.release(index)
            assert (await calls[index])["status"] == 200
        assert (await site.row(handle)).generation == generation, order
        await in_step(*tabs)
    await assert_nobody_signed_out(site, tabs)
    site.leave_race_window()
    await assert_jar_works(site, tabs, handle)
    await assert_nobody_signed_out(site, tabs)


# E08
async def test_an_answer_overtaken_by_that_of_the_next_generation_does_no_harm(
    site: Site, context: BrowserContext
) -> None:
    await context.add_init_script(NO_LOCKS)
    tabs, handle = await signed_in_tabs(site, context, 2)
    slow, quick = tabs
    site.expire()
    held = site.line.hold(site.refresh_path)
    late = slow.calling()
    await held.arrived()
    assert (await quick.call(CHECKED))["status"] == 200  # generation 1, as a replay
    site.expire()
    assert (await quick.call(CHECKED))["status"] == 200  # generation 2, seen in use
    newest = await quick.tokens()
    await in_step(quick, slow)
    site.clock.advance(site.settings.policy.race_window - 1)
    held.release()  # puts generation 1 back into the jar, whose access token has expired by now; in headers it is ignored
    assert (await late)["status"] == 200
    overtaken, after = site.refreshes[0], site.refreshes[-1]
    assert after.refresh_token == overtaken.new_refresh_token
    assert (await quick.tokens())["sRefreshToken"] == newest["sRefreshToken"]
    assert (await site.row(handle)).generation == 2
    await assert_nobody_signed_out(site, tabs)
    await assert_jar_works(site, tabs, handle)
    await assert_nobody_signed_out(site, tabs)


# E08
async def test_an_overtaken_answer_is_no_longer_waited_for_when_its_token_could_look_stolen(
    site: Site, context: BrowserContext
) -> None:
    assert site.settings.policy.race_window > 15_000, "the client gives a refresh request up after 15 s"
    tab = await open_tab(context, site)
    await tab.sign_in()
    held = site.line.hold(site.refresh_path)
    leaving = asyncio.create_task(tab.attempt("attemptRefreshingSession"))
    await held.arrived()
    before = await tab.tokens()
    await tab.page.goto(site.origin + "/blank")  # gives the request up, as the client's own time limit does
    with pytest.raises(Exception, match=r"navigation|destroyed|closed"):
        await leaving
    await held.given_up()
    held.release()
    await site.line.until(lambda: site.refreshes[0].delivered)
    await tab.page.goto(site.origin)
    assert await tab.tokens() == before
    assert (await tab.attempt("attemptRefreshingSession"))["value"] is True
    await assert_nobody_signed_out(site, [tab])


# E05, S68
async def test_a_tab_closed_in_the_middle_of_its_refresh_leaves_the_session_to_the_others(
    site: Site, context: BrowserContext
) -> None:
    [leaving, staying], handle = await signed_in_tabs(site, context, 2)
    site.expire()
    held = site.line.hold(site.refresh_path)
    call = leaving.calling()
    await held.arrived()
    waiting = staying.calling()
    await leaving.page.close()
    with pytest.raises(Exception, match="closed"):
        await call
    assert (await waiting)["status"] == 200
    held.release()
    assert (await site.row(handle)).generation == 1
    await assert_nobody_signed_out(site, [staying])
    assert (await staying.call(FEED))["status"] == 200


# S44
@pytest.mark.parametrize("is_expired", [False, True], ids=["fresh", "expired"])
async def test_a_refresh_that_another_tab_has_under_way_does_not_outlive_a_sign_out(
    site: Site, context: BrowserContext, is_expired: bool
) -> None:
    [slow, leaving], handle = await signed_in_tabs(site, context, 2)
    if is_expired:
        site.expire()
    held = site.line.hold(site.refresh_path)
    refresh = asyncio.create_task(slow.attempt("attemptRefreshingSession"))
    await held.arrived()
    out = asyncio.create_task(leaving.attempt("signOut"))
    if is_expired:  # then it needs that refresh itself
        await site.line.until(lambda: site.line.to("/signout"))
    else:
        assert await out == {"value": None}
        await in_step(leaving, slow)
    held.release()
    assert await out == {"value": None}
    await refresh
    await in_step(leaving, slow)
    assert (await site.row(handle)).ended_at is not None
    assert await slow.tokens() == {}
    for tab in (slow, leaving):
        assert (await tab.call())["status"] == 401
        assert (await tab.attempt("doesSessionExist"))["value"] is False


async def test_a_second_browser_of_the_same_user_is_not_disturbed(
    site: Site, tab: Tab, open_context: OpenContext
) -> None:
    other = await open_tab(await open_context(), site)
    assert await tab.sign_in() != await other.sign_in()
    site.expire()
    assert [(await each.call())["status"] for each in (tab, other)] == [200, 200]
    await tab.attempt("signOut")
    assert (await other.call(CHECKED))["status"] == 200
