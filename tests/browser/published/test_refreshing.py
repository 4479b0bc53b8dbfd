"""How published frontends get new tokens in Chromium, with each version, and what does not sign a user out."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import BrowserContext

from reseal import EventName
from tests.browser.conftest import OpenContext
from tests.browser.published.conftest import OpenShop
from tests.browser.published.frontends import FRONTENDS, IN_COOKIES, IN_HEADERS, Frontend
from tests.browser.published.shop import UPGRADE, Page, open_page
from tests.browser.site import CHECKED, FEED, NOTE, jar

READERS = [each for each in FRONTENDS if each.payload is not None]
BY_XHR = """(path) => new Promise((resolve) => {
    const request = new XMLHttpRequest();
    request.open("GET", path);
    request.onload = () => resolve(request.status);
    request.send();
})"""
each_frontend = pytest.mark.parametrize("frontend", FRONTENDS, ids=str)
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.sampled("frontend", IN_COOKIES, IN_HEADERS),
]


async def signed_in(open_shop: OpenShop, context: BrowserContext, frontend: Frontend) -> Page:
    """Open a page and sign in; what passed until then is forgotten."""
    page = await open_page(context, await open_shop(frontend), frontend)
    await page.sign_in(payload={"plan": "free"})
    page.site.line.forget()
    return page


@each_frontend
async def test_an_expired_session_is_refreshed_once_and_the_call_repeated(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    context = await open_context()
    page = await signed_in(open_shop, context, frontend)
    markers = [(await jar(context))[frontend.marker]]
    for times in (1, 2):
        page.site.expire()
        assert (await page.call(NOTE, method="POST", body="x"))["status"] == 200
        assert (await page.call(CHECKED))["status"] == 200
        assert len(page.site.refreshes) == len(page.site.notes) == times
        markers.append((await jar(context))[frontend.marker])
    assert len(set(markers)) == 3


@each_frontend
async def test_calls_of_two_tabs_at_the_same_time_go_on_with_one_session(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    context = await open_context()
    first = await signed_in(open_shop, context, frontend)
    second = await open_page(context, first.site, frontend)
    first.site.expire()
    assert await first.calls(5) == [200] * 5
    assert len(first.site.refreshes) == 1
    first.site.expire()
    calls = [tab.calling(CHECKED) for tab in (first, second, first, second)]
    assert [(await call)["status"] for call in calls] == [200] * 4
    met = {event.name for event in first.site.events.all}
    assert met <= {
        EventName.KEY_PUBLISHED,
        EventName.SESSION_CREATED,
        EventName.SESSION_REFRESHED,
        EventName.SESSION_REPLAYED,
    }


@each_frontend
async def test_a_silent_store_signs_nobody_out(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await signed_in(open_shop, await open_context(), frontend)
    page.site.expire()
    page.site.store.down = True
    assert (await page.call(FEED)).get("status") != 200
    assert {each.status for each in page.site.refreshes} == {503}
    assert await page.session_exists()
    page.site.store.down = False
    assert (await page.call(FEED))["status"] == 200


@each_frontend
async def test_a_refresh_whose_answer_is_lost_signs_nobody_out(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await signed_in(open_shop, await open_context(), frontend)
    page.site.expire()
    page.site.line.lose(page.site.refresh_path)
    await page.call(FEED)  # fails, unless Chromium repeats the refresh by itself
    page.site.leave_race_window()
    assert (await page.call(CHECKED))["status"] == 200
    assert (page.site.refreshes[0].delivered, page.site.refreshes[-1].delivered) == (False, True)
    assert page.site.events.named(EventName.TOKEN_THEFT) == []


@pytest.mark.parametrize("frontend", READERS, ids=str)
async def test_a_changed_payload_reaches_the_page_without_a_refresh(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await signed_in(open_shop, await open_context(), frontend)
    assert (await page.payload())["plan"] == "free"
    assert (await page.call(UPGRADE, method="POST"))["status"] == 200
    assert (await page.payload())["plan"] == "gold"
    assert json.loads((await page.call(FEED))["body"])["payload"] == {"plan": "gold"}
    assert page.site.refreshes == []


@pytest.mark.parametrize("frontend", READERS, ids=str)
async def test_a_page_whose_clock_says_that_the_token_has_ended_refreshes_before_it_reads_the_payload(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await signed_in(open_shop, await open_context(), frontend)
    before = (await page.payload())["exp"]
    page.site.expire()
    await page.move_clock(page.site.settings.access_token_ms + 1000)
    assert (await page.payload())["exp"] > before
    assert len(page.site.refreshes) == 1
    assert (await page.attempt("getUserId"))["value"] == "alice"


@pytest.mark.parametrize("frontend", [each for each in FRONTENDS if each.intercepts_xhr], ids=str)
async def test_other_code_of_the_page_calls_by_xml_http_request(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await signed_in(open_shop, await open_context(), frontend)
    page.site.expire()
    assert await page.page.evaluate(BY_XHR, CHECKED) == 200
    assert len(page.site.refreshes) == 1
