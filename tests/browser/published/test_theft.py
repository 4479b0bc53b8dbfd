"""A copied cookie jar in a second browser that runs the same published frontend: the theft ends for both."""

from __future__ import annotations

import pytest

from reseal import EventName
from tests.browser.conftest import OpenContext
from tests.browser.published.conftest import OpenShop
from tests.browser.published.frontends import FRONTENDS, IN_COOKIES, IN_HEADERS, Frontend
from tests.browser.published.shop import Page, open_page
from tests.browser.site import CHECKED

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.parametrize("frontend", FRONTENDS, ids=str),
    pytest.mark.sampled("frontend", IN_COOKIES, IN_HEADERS),
]


async def copied(page: Page, open_context: OpenContext) -> Page:
    """The same page in a browser elsewhere, with all cookies, those that scripts cannot see included."""
    elsewhere = await open_context(user_agent="Mozilla/5.0 (another machine)")
    await elsewhere.add_cookies(await page.page.context.cookies())  # type: ignore[arg-type]
    return await open_page(elsewhere, page.site, page.frontend)


async def use(page: Page) -> None:
    """Refresh, and have the store see the new tokens in use."""
    page.site.expire()
    assert (await page.call(CHECKED))["status"] == 200
    page.site.leave_race_window()


async def assert_caught(page: Page, handle: str) -> None:
    page.site.expire()
    assert (await page.call()).get("status") != 200
    [event] = page.site.events.named(EventName.TOKEN_THEFT)
    assert (event.session_handle, event.user_id) == (handle, "alice")
    assert (await page.site.row(handle)).end_reason == "theft"


async def assert_signed_out(page: Page) -> None:
    assert (await page.call(CHECKED)).get("status") != 200
    assert not await page.session_exists()


async def test_a_thief_who_comes_after_the_owner_is_caught_and_both_are_out(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    owner = await open_page(await open_context(), await open_shop(frontend), frontend)
    handle = await owner.sign_in()
    thief = await copied(owner, open_context)
    await use(owner)
    await assert_caught(thief, handle)
    await assert_signed_out(thief)
    await assert_signed_out(owner)


async def test_a_thief_who_comes_before_the_owner_is_found_out_and_the_owner_signs_in_again(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    owner = await open_page(await open_context(), await open_shop(frontend), frontend)
    handle = await owner.sign_in()
    thief = await copied(owner, open_context)
    await use(thief)
    await assert_caught(owner, handle)
    await assert_signed_out(owner)
    assert await owner.sign_in() != handle
    await assert_signed_out(thief)
    assert (await owner.call(CHECKED))["status"] == 200
