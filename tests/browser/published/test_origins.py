"""Pages on another origin than the API: on the same site, and on another one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenContext
from tests.browser.published.conftest import OpenShop
from tests.browser.published.frontends import IN_COOKIES, IN_HEADERS, LATER, OLDER, Frontend
from tests.browser.published.shop import UPGRADE, Page, open_page
from tests.browser.site import CHECKED, FEED, NOTE

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.sampled("frontend", IN_COOKIES, IN_HEADERS),
]

SAME_SITE: dict[str, Any] = {"host": "api.app.test", "page_host": "www.app.test"}
CROSS_SITE = {"host": "api.app.test", "page_host": "www.shop.test"}
FOR_COOKIES = {"cookie_same_site": "none", "enable_anti_csrf": True}


async def live_a_life(page: Page) -> None:
    handle = await page.sign_in(payload={"plan": "free"})
    assert await page.session_exists()
    page.site.line.forget()
    for times in (1, 2):
        page.site.expire()
        assert (await page.call(NOTE, method="POST", body="x"))["status"] == 200
        assert (await page.call(CHECKED))["status"] == 200
        assert len([each for each in page.site.refreshes if each.method == "POST"]) == times
        assert len(page.site.notes) == times
    assert (await page.call(UPGRADE, method="POST"))["status"] == 200
    assert json.loads((await page.call(FEED))["body"])["payload"] == {"plan": "gold"}
    assert await page.attempt("signOut") == {"value": None}
    assert not await page.session_exists()
    assert (await page.site.row(handle)).end_reason == "signed_out"
    assert (await page.call(FEED))["status"] == 401


@pytest.mark.parametrize("frontend", IN_COOKIES, ids=str)
async def test_page_and_api_are_hosts_of_one_site(
    open_shop: OpenShop, open_context: OpenContext, certificate: Path, frontend: Frontend
) -> None:
    site = await open_shop(frontend, certificate=certificate, **SAME_SITE)
    await live_a_life(await open_page(await open_context(), site, frontend))


@pytest.mark.parametrize("frontend", IN_COOKIES, ids=str)
async def test_page_and_api_are_on_two_sites_in_a_browser_that_takes_third_party_cookies(
    open_shop: OpenShop, lenient_browser: BrowserContext, certificate: Path, frontend: Frontend
) -> None:
    site = await open_shop(frontend, certificate=certificate, **CROSS_SITE, **FOR_COOKIES)
    await live_a_life(await open_page(lenient_browser, site, frontend))


@pytest.mark.parametrize("frontend", IN_HEADERS, ids=str)
async def test_tokens_in_headers_need_no_third_party_cookies(
    open_shop: OpenShop, strict_browser: BrowserContext, certificate: Path, frontend: Frontend
) -> None:
    site = await open_shop(frontend, certificate=certificate, **CROSS_SITE)
    await live_a_life(await open_page(strict_browser, site, frontend))


@pytest.mark.parametrize("frontend", [OLDER[-1], LATER[-1]], ids=str)
async def test_without_third_party_cookies_no_session_comes_about_and_the_page_does_not_loop(
    open_shop: OpenShop, strict_browser: BrowserContext, certificate: Path, frontend: Frontend
) -> None:
    site = await open_shop(frontend, certificate=certificate, **CROSS_SITE, **FOR_COOKIES)
    page = await open_page(strict_browser, site, frontend)
    await page.sign_in()
    site.line.forget()
    for _ in range(3):
        assert (await page.call(FEED))["status"] == 401
    assert len([each for each in site.refreshes if each.method == "POST"]) == 1
    assert not await page.session_exists()
