"""The banner of somebody who acts as another user, on pages with and without the browser SDK."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenContext, OpenSite
from tests.browser.line import PATIENCE
from tests.browser.site import CHECKED, Site
from tests.browser.test_acting import serve_acting
from tests.browser.test_intercept import serve_sdk

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE * 1000)

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src data:"
PAGE = """<!doctype html><html lang="en"><title>Shop</title><link rel="icon" href="data:,">
%s<script src="/sessions/element.js"></script>
<reseal-impersonation%s></reseal-impersonation><h1>Orders</h1><reseal-sessions></reseal-sessions>"""
SDK = '<script type="module" src="/with-sdk.js"></script>'
WITH_SDK = """import { createSessionClient } from "/reseal-browser.js";
import { intercept } from "/sdk/reseal-intercept.js";
window.session = createSessionClient({ apiDomain: location.origin, keepWith: "/" });
intercept(session);"""
SEND = """([path, body]) =>
  fetch(path, { method: "POST", body: JSON.stringify(body), headers: { rid: "page" } }).then((answer) => answer.status)"""


class Shop:
    """A page with the banner in a browser of somebody of the staff."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if "Security Policy" in said.text else None)

    async def open(self, *, sdk: bool = False, attributes: str = "") -> None:
        async def answer(route: Route) -> None:
            headers = {"content-security-policy": POLICY, "content-type": "text/html; charset=utf-8"}
            await route.fulfill(body=PAGE % (SDK if sdk else "", attributes), headers=headers)

        async def script(route: Route) -> None:
            await route.fulfill(body=WITH_SDK, headers={"content-type": "text/javascript"})

        await self.page.route("**/with-sdk.js", script)
        for path in ("/shop", "/staff"):
            await self.page.route(f"**{path}", answer)
        await self.page.goto(self.site.origin + "/blank")
        assert await self.page.evaluate(SEND, ["/login", {"user": "sam"}]) == 200
        await self.page.goto(self.site.origin + "/shop")

    async def act(self) -> None:
        assert await self.page.evaluate(SEND, ["/act", {}]) == 200
        await self.page.reload()

    async def user(self) -> str:
        body = await self.page.evaluate("(path) => fetch(path).then((answer) => answer.json())", CHECKED)
        return str(body["user"])

    @property
    def banner(self):
        return self.page.get_by_role("region", name="Acting as another user")

    @property
    def stop(self):
        return self.page.get_by_role("button", name="Stop acting as alice")


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site: OpenSite) -> Site:
    site = await open_site(device_list=True)
    serve_acting(site)
    serve_sdk(site)
    return site


@pytest.fixture
def open_shop(open_context: OpenContext):
    async def opened(site: Site, **options) -> Shop:
        shop = Shop(await (await open_context()).new_page(), site)
        await shop.open(**options)
        return shop

    return opened


@pytest.mark.parametrize("sdk", [False, True], ids=["plain", "sdk"])
async def test_the_banner_says_who_acts_as_whom_and_its_button_leads_back(
    site: Site, open_shop, sdk: bool, screenshots: Path
) -> None:
    shop = await open_shop(site, sdk=sdk, attributes=' return-to="/staff"')
    await expect(shop.page.locator("reseal-impersonation")).to_be_hidden()
    await shop.act()
    await expect(shop.banner).to_contain_text("sam, you are acting as alice until")
    assert await shop.user() == "alice"
    await expect(shop.page.locator("reseal-sessions [part=actor]")).to_have_text("Used on your behalf by sam")
    await expect(shop.page.get_by_role("button", name="Rename")).to_have_count(0)
    await shop.page.screenshot(path=screenshots / f"banner-{'sdk' if sdk else 'plain'}.png")
    await shop.page.keyboard.press("Tab")
    await expect(shop.stop).to_be_focused()
    await shop.page.keyboard.press("Enter")
    await shop.page.wait_for_url("**/staff")
    await expect(shop.page.locator("reseal-impersonation")).to_be_hidden()
    assert await shop.user() == "sam"
    assert await site.reseal.sessions.get_all_session_handles_for_user("alice") == ()
    assert shop.complaints == []


@pytest.mark.parametrize("sdk", [False, True], ids=["plain", "sdk"])
async def test_once_its_time_is_over_the_page_loads_again_in_the_own_name(site: Site, open_shop, sdk: bool) -> None:
    shop = await open_shop(site, sdk=sdk)
    await shop.page.clock.install()
    await shop.act()
    await expect(shop.banner).to_be_visible()
    site.clock.advance(30 * 60_000)
    async with shop.page.expect_navigation():
        await shop.page.clock.fast_forward(31 * 60_000)
    await expect(shop.page.locator("reseal-impersonation")).to_be_hidden()
    assert await shop.user() == "sam"


async def test_the_banner_of_a_tab_that_comes_too_late_leads_back_as_well(site: Site, open_shop) -> None:
    shop = await open_shop(site)
    await shop.act()
    await expect(shop.banner).to_be_visible()
    assert await shop.page.evaluate(SEND, ["/stop", {}]) == 200
    assert await shop.page.evaluate(SEND, [site.refresh_path, {}]) == 200
    async with shop.page.expect_navigation():
        await shop.stop.click()
    await expect(shop.page.locator("reseal-impersonation")).to_be_hidden()
    assert await shop.user() == "sam"


async def test_an_application_rewords_it_and_decides_where_it_leads(site: Site, open_shop) -> None:
    shop = await open_shop(site)
    await shop.act()
    texts = {"acting": "{actor} handelt für {user} bis {time}", "stop": "Beenden"}
    await shop.page.evaluate(f"document.querySelector('reseal-impersonation').texts = {json.dumps(texts)}")
    await expect(shop.banner).to_contain_text("sam handelt für alice bis")
    await shop.page.evaluate("""() => document.addEventListener("reseal-impersonation-ended", (event) => {
      event.preventDefault();
      document.title = "Back";
    })""")
    await shop.page.get_by_role("button", name="Beenden").click()
    await expect(shop.page).to_have_title("Back")
    await expect(shop.page.locator("reseal-impersonation")).to_be_hidden()
    assert await shop.user() == "sam"


async def test_a_store_that_does_not_answer_leaves_the_banner_with_a_word_about_it(site: Site, open_shop) -> None:
    shop = await open_shop(site)
    await shop.act()
    site.store.refuse("end")
    await shop.stop.click()
    await expect(shop.banner).to_contain_text("That did not work. Try again in a moment.")
    async with shop.page.expect_navigation():
        await shop.stop.click()
    await expect(shop.page.locator("reseal-impersonation")).to_be_hidden()
    assert await shop.user() == "sam"
