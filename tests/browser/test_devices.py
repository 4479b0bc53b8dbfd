"""The element that shows a user's sessions, on a page that knows nothing of Reseal, without the browser SDK."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, expect

from tests.browser.conftest import OpenContext, OpenSite
from tests.browser.line import PATIENCE
from tests.browser.site import Site, open_tab, tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE * 1000)

POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src data:"
"""A page may forbid inline styles and scripts."""
PAGE = """<!doctype html><html lang="en"><title>Account</title><link rel="icon" href="data:,">
<script src="{script}"></script><reseal-sessions></reseal-sessions>"""
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HOSTILE = '<img src="x" onerror="document.title = \'owned\'">'
SIGN_IN = "(user) => fetch('/login', { method: 'POST', body: JSON.stringify({ user }), headers: { rid: 'page' } })"


class Account:
    """A browser that looks at its account."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.site = site
        self.complaints: list[str] = []
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda said: self.complaints.append(said.text) if "Security Policy" in said.text else None)

    async def open(self) -> None:
        async def answer(route: Route) -> None:
            body = PAGE.format(script=f"{self.site.settings.sessions_api_path}/element.js")
            headers = {"content-security-policy": POLICY, "content-type": "text/html; charset=utf-8"}
            await route.fulfill(body=body, headers=headers)

        await self.page.route("**/account", answer)
        await self.page.goto(self.site.origin + "/account")

    async def sign_in(self, user: str = "alice") -> None:
        await self.page.goto(self.site.origin + "/blank")
        await self.page.evaluate(SIGN_IN, user)
        await self.open()

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name)

    @property
    def entries(self) -> Any:
        return self.page.locator("reseal-sessions [part~=entry]")

    @property
    def ended(self) -> Any:
        return self.page.locator("reseal-sessions [part~=entry-ended]")

    async def says(self, text: str) -> None:
        await expect(self.page.get_by_role("status")).to_contain_text(text)

    async def handle(self) -> str:
        return (await tokens(self.page.context))["sRefreshToken"].split(".")[1]


@pytest.fixture
def open_account(open_context: OpenContext) -> Any:
    async def opened(site: Site, *, is_signed_in: bool = True, **options: Any) -> Account:
        account = Account(await (await open_context(**options)).new_page(), site)
        await (account.sign_in() if is_signed_in else account.open())
        return account

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site: OpenSite) -> Site:
    return await open_site(device_list=True)


async def test_a_user_sees_names_and_ends_sessions(site: Site, open_account: Any, screenshots: Path) -> None:
    there = await open_account(site, user_agent=FIREFOX)
    here = await open_account(site)
    await expect(here.entries).to_have_count(2)
    await expect(here.entries.filter(has_text="This device")).to_have_count(1)
    other = here.entries.filter(has_not_text="This device")
    await other.get_by_role("button", name="Rename").click()
    await here.page.get_by_label("Name of this device").fill("Office")
    await here.button("Save").click()
    await expect(other).to_contain_text("Office")
    await here.page.screenshot(path=screenshots / "devices.png")
    await here.button("Sign out: Office").click()
    await expect(here.entries).to_have_count(1)
    await expect(here.ended).to_contain_text("signed out from another device")
    await expect(here.button("Sign out all other devices")).to_be_hidden()
    await there.page.reload()
    await there.says("You have been signed out. Sign in again. signed out from another device")
    assert here.complaints == there.complaints == []


async def test_all_other_devices_are_signed_out_at_once(site: Site, open_account: Any) -> None:
    others = [await open_account(site) for _ in range(2)]
    here = await open_account(site)
    await expect(here.entries).to_have_count(3)
    await here.button("Sign out all other devices").click()
    await expect(here.entries).to_have_count(1)
    await expect(here.ended).to_have_count(2)
    assert await site.reseal.sessions.get_all_session_handles_for_user("alice") == (await here.handle(),)
    for other in others:
        await other.page.reload()
        await other.says("signed out from another device")


async def test_signing_out_here_is_told_to_the_page(site: Site, open_account: Any) -> None:
    here = await open_account(site)
    await here.page.evaluate(
        "document.addEventListener('reseal-signed-out', ({ detail }) => { window.heard = detail.reason; })"
    )
    await here.button("Sign out:").click()
    await here.says("You are not signed in.")
    assert await here.page.evaluate("heard") == "no_token"
    assert await tokens(here.page.context) == {}
    assert await site.reseal.sessions.get_all_session_handles_for_user("alice") == ()


async def test_a_page_without_the_browser_sdk_refreshes_first(site: Site, open_account: Any) -> None:
    here = await open_account(site)
    before = await tokens(here.page.context)
    site.expire()
    await here.page.reload()
    await expect(here.entries).to_have_count(1)
    after = await tokens(here.page.context)
    assert {name for name in before if before[name] != after[name]} == {"sAccessToken", "sRefreshToken"}
    assert len(site.refreshes) == 1


async def test_a_stranger_and_a_store_that_is_away_are_told_apart(site: Site, open_account: Any) -> None:
    stranger = await open_account(site, is_signed_in=False)
    await stranger.says("You are not signed in.")
    await open_account(site)
    here = await open_account(site)
    await expect(here.entries).to_have_count(2)
    site.store.down = True
    await here.button("Sign out all other devices").click()
    await here.says("That did not work. Try again in a moment.")
    await expect(here.entries).to_have_count(2)
    site.store.down = False
    assert len(await tokens(here.page.context)) == 2


async def test_what_a_client_says_of_itself_is_text(site: Site, open_account: Any) -> None:
    await open_account(site, user_agent=f"Browser/1 {HOSTILE}")
    here = await open_account(site)
    other = here.entries.filter(has_not_text="This device")
    await expect(other).to_contain_text(HOSTILE)
    await other.get_by_role("button", name="Rename").click()
    await here.page.get_by_label("Name of this device").fill(HOSTILE)
    await here.button("Save").click()
    await expect(other.locator("[part~=label]")).to_have_text(HOSTILE)
    assert await here.page.title() == "Account"
    assert here.complaints == []


async def test_a_page_restyles_and_rewords_it(site: Site, open_account: Any) -> None:
    await open_account(site)
    here = await open_account(site)
    texts = {"title": "Angemeldete Geräte", "current": "Dieses Gerät"}
    await here.page.evaluate(f"document.querySelector('reseal-sessions').texts = {json.dumps(texts)}")
    await expect(here.page.get_by_role("heading", name="Angemeldete Geräte")).to_be_visible()
    await expect(here.entries.filter(has_text="Dieses Gerät")).to_have_count(1)
    await expect(here.button("Sign out all other devices")).to_be_visible()
    color = await here.page.evaluate(
        """() => {
          const own = new CSSStyleSheet();
          own.replaceSync("reseal-sessions { --reseal-danger: rgb(1, 2, 3); } reseal-sessions::part(label) { color: rgb(4, 5, 6); }");
          document.adoptedStyleSheets = [own];
          const root = document.querySelector("reseal-sessions").shadowRoot;
          return [".others", "[part~=label]"].map((each) => getComputedStyle(root.querySelector(each)).color);
        }"""
    )
    assert color == ["rgb(1, 2, 3)", "rgb(4, 5, 6)"]


async def test_the_browser_sdk_passes_the_words_of_the_end_on(site: Site, open_context: OpenContext) -> None:
    tab = await open_tab(await open_context(), site)
    handle = await tab.sign_in()
    await tab.page.evaluate('session.on("SESSION_EXPIRED", (detail) => (window.said = detail)); 0')
    await site.reseal.sessions.revoke_session_using_session_handle(handle, note="you reported a lost phone")
    site.expire()
    assert (await tab.call())["status"] == 401
    said = await tab.page.evaluate("said")
    assert (said["serverReason"], said["serverNote"]) == ("revoked", "you reported a lost phone")
