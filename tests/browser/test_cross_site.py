"""A page on another host and port than its API, over https: on the same site, and on another one."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import BrowserContext, Error, Frame

from tests.browser.conftest import OpenContext, OpenPages, OpenSite
from tests.browser.published.shop import PATHS, opened_shop
from tests.browser.site import CHECKED, FEED, NOTE, TOKENS, Site, Tab, jar, until
from tests.browser.test_frames import FRAME
from tests.support.certificates import Authority

pytestmark = pytest.mark.asyncio(loop_scope="session")

API = "api.app.test"
SAME_SITE, OTHER_SITE = "www.app.test", "www.shop.test"
FOR_COOKIES = {"cookie_same_site": "none", "enable_anti_csrf": True}
PARTITIONED = FOR_COOKIES | {"cookie_partitioned": True}
IN_COOKIES, IN_HEADERS = {"tokenTransferMethod": "cookie"}, {"tokenTransferMethod": "header"}
START = """async ([api, options]) => {
  const { createSessionClient } = await import(`${api}/reseal-browser.js`);
  window.session = createSessionClient({ apiDomain: api, ...options });
  window.told = [];
  for (const event of ["SESSION_CREATED", "REFRESH_SESSION", "SIGN_OUT", "SESSION_EXPIRED"]) {
    session.on(event, () => told.push(event));
  }
  window.call = async (path, init) => {
    const response = await session.fetch(api + path, init);
    return { status: response.status, body: await response.text() };
  };
  window.attempt = (name) => session[name]().then((value) => ({ value: value ?? null }));
}"""

OpenFar = Callable[..., Awaitable[tuple[Site, str]]]


@pytest.fixture
def open_far(stack: AsyncExitStack, open_pages: OpenPages, certificate: Path, tmp_path: Path) -> OpenFar:
    """Open an API, and a web server of its own for the page; gives the API and the page's address."""

    async def opened(page_host: str, **given: Any) -> tuple[Site, str]:
        pages = await open_pages(host=page_host, certificate=certificate)
        place = {"host": API, "certificate": certificate, "website_domain": pages.origin}
        return await stack.enter_async_context(opened_shop(tmp_path, **place, **given)), pages.origin

    return opened


async def open_page(context: BrowserContext, site: Site, address: str, options: dict[str, str]) -> Tab:
    page = await context.new_page()
    await page.goto(address)
    paths = {"refreshPath": PATHS["refresh_api_path"], "signOutPath": PATHS["signout_api_path"]}
    await page.evaluate(START, [site.origin, paths | options])
    return Tab(page, site)


async def live_a_life(tab: Tab) -> None:
    site = tab.site
    handle = await tab.sign_in()
    for times in (1, 2):
        site.expire()
        assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
        assert (await tab.call(CHECKED))["status"] == 200
        assert len([each for each in site.refreshes if each.method == "POST"]) == times
        assert len(site.notes) == times
    assert json.loads((await tab.call(FEED))["body"])["user"] == "alice"
    await tab.attempt("signOut")
    assert (await site.row(handle)).end_reason == "signed_out"
    assert (await tab.call(FEED))["status"] == 401
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION", "REFRESH_SESSION", "SIGN_OUT"]
    assert not TOKENS & (await jar(tab.page.context)).keys()


@pytest.mark.parametrize("options", [IN_COOKIES, IN_HEADERS], ids=["cookie", "header"])
async def test_hosts_of_one_site_need_only_cors(
    open_far: OpenFar, open_context: OpenContext, options: dict[str, str]
) -> None:
    site, address = await open_far(SAME_SITE)
    await live_a_life(await open_page(await open_context(), site, address, options))


async def test_another_site_works_with_cookies_where_the_browser_takes_them(
    open_far: OpenFar, lenient_browser: BrowserContext
) -> None:
    site, address = await open_far(OTHER_SITE, **FOR_COOKIES)
    await live_a_life(await open_page(lenient_browser, site, address, IN_COOKIES))


async def test_another_site_works_with_partitioned_cookies_where_the_browser_takes_no_others(
    open_far: OpenFar, strict_browser: BrowserContext
) -> None:
    site, address = await open_far(OTHER_SITE, **PARTITIONED)
    await live_a_life(await open_page(strict_browser, site, address, IN_COOKIES))


async def test_another_site_works_with_headers_where_the_browser_takes_no_cookies(
    open_far: OpenFar, strict_browser: BrowserContext
) -> None:
    site, address = await open_far(OTHER_SITE)
    await live_a_life(await open_page(strict_browser, site, address, IN_HEADERS))


@pytest.mark.parametrize("given", [FOR_COOKIES, {}], ids=["SameSite=None", "SameSite=Lax"])
async def test_where_the_cookies_do_not_arrive_no_session_comes_about_and_nothing_loops(
    open_far: OpenFar, strict_browser: BrowserContext, given: dict[str, Any]
) -> None:
    site, address = await open_far(OTHER_SITE, **given)
    tab = await open_page(strict_browser, site, address, IN_COOKIES)
    await tab.sign_in()
    for _ in range(3):
        assert (await tab.call(FEED))["status"] == 401
    assert len([each for each in site.refreshes if each.method == "POST"]) == 1
    assert (await tab.attempt("doesSessionExist"))["value"] is False


async def test_a_frame_of_another_site_knows_its_session_if_its_readable_cookies_may_be_there(
    open_site: OpenSite, open_pages: OpenPages, lenient_browser: BrowserContext, certificate: Path
) -> None:
    site = await open_site(host=API, certificate=certificate, page_options={"cookieSameSite": "none"}, **FOR_COOKIES)
    around = await open_pages(host=OTHER_SITE, certificate=certificate)
    await live_in_a_frame(await open_frame(lenient_browser, site, around.origin), site)


async def test_a_frame_of_another_site_keeps_its_session_in_partitioned_cookies_for_the_site_around_it_alone(
    open_site: OpenSite, open_pages: OpenPages, strict_browser: BrowserContext, certificate: Path
) -> None:
    options = {"cookieSameSite": "none", "cookiePartitioned": True}
    site = await open_site(host=API, certificate=certificate, page_options=options, **PARTITIONED)
    around = await open_pages(host=OTHER_SITE, certificate=certificate)
    await live_in_a_frame(await open_frame(strict_browser, site, around.origin), site)
    again = await open_frame(strict_browser, site, around.origin)
    assert await again.evaluate("attempt('doesSessionExist')") == {"value": True}
    elsewhere = await open_pages(host="www.evil.test", certificate=certificate)
    other = await open_frame(strict_browser, site, elsewhere.origin)
    assert await other.evaluate("attempt('doesSessionExist')") == {"value": False}


async def open_frame(browser: BrowserContext, site: Site, around: str) -> Frame:
    page = await browser.new_page()
    await page.goto(around)
    await page.evaluate(FRAME, site.origin + "/")
    await until(page.frames[-1], "window.session !== undefined")
    return page.frames[-1]


async def live_in_a_frame(frame: Frame, site: Site) -> None:
    body = json.dumps({"user": "alice"})
    assert (await frame.evaluate("(body) => call('/login', { method: 'POST', body })", body))["status"] == 200
    for _ in range(2):
        assert await frame.evaluate("attempt('doesSessionExist')") == {"value": True}
    assert site.refreshes == []
    site.expire()
    assert await frame.evaluate("(path) => call(path).then((answer) => answer.status)", CHECKED) == 200


async def test_a_page_that_is_not_in_the_settings_reads_nothing(
    open_far: OpenFar, open_pages: OpenPages, lenient_browser: BrowserContext, certificate: Path
) -> None:
    site, address = await open_far(OTHER_SITE, **FOR_COOKIES)
    await (await open_page(lenient_browser, site, address, IN_COOKIES)).sign_in()
    foreign = await open_pages(host="www.evil.test", certificate=certificate)
    page = await lenient_browser.new_page()
    await page.goto(foreign.origin)
    script = """([address, method]) => fetch(address, { method, credentials: "include" }).then(() => "read", () => "blocked")"""
    for path, method in [(FEED, "GET"), (NOTE, "POST")]:
        assert await page.evaluate(script, [site.origin + path, method]) == "blocked"
    assert "sAccessToken" in site.line.to(NOTE)[-1].header("cookie")
    assert site.notes == []


async def test_a_certificate_of_somebody_else_is_not_trusted(
    open_pages: OpenPages, open_context: OpenContext, tmp_path: Path
) -> None:
    file = tmp_path / "stranger.pem"
    file.write_bytes(b"".join(part.read_bytes() for part in Authority(tmp_path).issue(SAME_SITE)))
    pages = await open_pages(host=SAME_SITE, certificate=file)
    page = await (await open_context()).new_page()
    with pytest.raises(Error, match="ERR_CERT_AUTHORITY_INVALID"):
        await page.goto(pages.origin)
