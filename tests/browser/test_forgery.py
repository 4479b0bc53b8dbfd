"""Pages of other origins, in the victim's own browser: nothing they send changes anything."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page

from reseal import EventName
from tests.browser.conftest import OpenContext, OpenPages, OpenSite
from tests.browser.line import Passed
from tests.browser.site import CHECKED, NOTE, Site, Tab, jar, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

MAIN_TARGETS = ("/session/refresh", "/signout", NOTE)
TARGETS = (*MAIN_TARGETS, "/signout-everywhere", "/api/upgrade/stream")
CONTINUE = "/session/refresh/continue"
FORMS = ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain")


@dataclass
class Scene:
    """A victim who is signed in, and a page of the attacker in another tab of the same browser."""

    site: Site
    victim: Tab
    attacker: Page
    handle: str
    cookies_travel: bool
    """Whether the browser sends the victim's cookies with the attacker's POST requests."""

    @property
    def context(self) -> BrowserContext:
        return self.attacker.context

    @property
    def attacks(self) -> list[Passed]:
        return [each for each in self.site.line.passed if each.path != "/favicon.ico"]

    @asynccontextmanager
    async def nothing_changes(self) -> AsyncIterator[None]:
        site = self.site
        site.line.forget()
        site.events.forget()
        row, cookies, notes = await site.row(self.handle), await jar(self.context), list(site.notes)
        yield
        assert (await site.row(self.handle), await jar(self.context), site.notes) == (row, cookies, notes)
        assert {each.name for each in site.events.all} <= {EventName.CROSS_SITE_REFUSED}
        assert all(each.set_cookies == [] for each in site.line.passed)
        assert (await self.victim.call(NOTE, method="POST", body="the victim's own"))["status"] == 200
        site.expire()
        assert (await self.victim.call(CHECKED))["status"] == 200
        assert not {"SIGN_OUT", "SESSION_EXPIRED"} & {each.split()[0] for each in await self.victim.told()}


@pytest_asyncio.fixture(
    loop_scope="session", params=["cross-site", "same-site", "cross-site with SameSite=None", "neighbouring host"]
)
async def scene(
    request: pytest.FixtureRequest,
    open_site: OpenSite,
    open_pages: OpenPages,
    open_context: OpenContext,
    certificate: Path,
) -> Scene:
    match request.param:
        case "cross-site":
            site, pages = await open_site(), await open_pages(host="127.0.0.1")
        case "same-site":
            site, pages = await open_site(), await open_pages(host="localhost")
        case "neighbouring host":
            site = await open_site(host="api.app.test", certificate=certificate, cookie_domain="app.test")
            pages = await open_pages(host="evil.app.test", certificate=certificate)
        case _:
            given = {"cookie_same_site": "none", "enable_anti_csrf": True}
            site = await open_site(host="api.app.test", certificate=certificate, **given)
            pages = await open_pages(host="evil.test", certificate=certificate)
    context = await open_context()
    victim = await open_tab(context, site)
    handle = await victim.sign_in()
    attacker = await context.new_page()
    await attacker.goto(pages.origin)
    return Scene(site, victim, attacker, handle, cookies_travel=request.param != "cross-site")


async def submit(scene: Scene, method: str, path: str, kind: str) -> None:
    """Send the victim from the attacker's page to the site, by a form that submits itself."""
    home = scene.attacker.url
    async with scene.attacker.expect_navigation(url=lambda url: path in url):
        await scene.attacker.evaluate(
            """([method, action, kind]) => {
                const form = Object.assign(document.createElement("form"), { method, action, enctype: kind });
                form.append(Object.assign(document.createElement("input"), { name: '{"user":"', value: 'mallory"}' }));
                document.body.append(form);
                form.submit();
            }""",
            [method, scene.site.origin + path, kind],
        )
    await scene.attacker.goto(home)


# S61
async def test_forms_of_another_origin_change_nothing(scene: Scene) -> None:
    async with scene.nothing_changes():
        for path in TARGETS:
            for kind in FORMS if path in MAIN_TARGETS else FORMS[:1]:
                await submit(scene, "POST", path, kind)
        passed = scene.attacks
        assert [each.method for each in passed] == ["POST"] * 11
        assert any("Token" in (each.header("cookie") or "") for each in passed) is scene.cookies_travel
        assert {each.status for each in passed} == {401}
        # The server saw the page for what it is, wherever there was something to protect: signing out without a
        # session would still clear the cookies.
        in_danger = passed if scene.cookies_travel else scene.site.line.to("/signout")
        assert len(scene.site.events.named(EventName.CROSS_SITE_REFUSED)) == len(in_danger)


# S61
async def test_the_page_that_refreshes_first_is_no_way_round(scene: Scene) -> None:
    """Its form clears and sets cookies, and what follows it is a request of ours: only the visitor may go on there."""
    site, page = scene.site, scene.attacker
    scheme = site.origin.partition("://")[0]
    strict = {"name": "own", "value": "1", "url": site.origin, "sameSite": "Strict", "secure": scheme == "https"}
    await scene.context.add_cookies([strict])  # type: ignore[list-item]  # a TypedDict, told as a dict
    async with scene.nothing_changes():
        await submit(scene, "POST", f"{CONTINUE}?target={CHECKED}", FORMS[0])
        await page.evaluate("url => { location.href = url; }", f"{site.origin}{CONTINUE}?target={CHECKED}")
        button = page.get_by_role("button", name="Continue")
        await button.wait_for()
        assert await page.locator("script").count() == 0
        assert site.line.to(CHECKED) == []
        followed = site.line.to(CONTINUE)[-1]
        is_neighbour = followed.header("sec-fetch-site") == "same-site"
        assert ("own=1" in (followed.header("cookie") or "")) is is_neighbour
    site.line.forget()
    await button.click()
    await site.line.until(lambda: any(each.delivered for each in site.line.to(CHECKED)))
    assert "own=1" in (site.line.to(CHECKED)[-1].header("cookie") or "")


# S61
async def test_scripts_of_another_origin_change_nothing(scene: Scene) -> None:
    async with scene.nothing_changes():
        for path in TARGETS:
            for kind in (*FORMS, None):
                await scene.attacker.evaluate(
                    """([url, kind]) => fetch(url, {
                        method: "POST", mode: "no-cors", credentials: "include", body: "x=1",
                        headers: kind ? { "content-type": kind } : {},
                    })""",
                    [scene.site.origin + path, kind],
                )
            await scene.attacker.evaluate("url => navigator.sendBeacon(url, 'x=1')", scene.site.origin + path)
        line = scene.site.line
        await line.until(lambda: sum(each.delivered for each in line.passed) == len(TARGETS) * 5)
        assert {each.method for each in line.passed} == {"POST"}
        assert {each.header("origin") for each in line.passed} == {scene.attacker.url.rstrip("/")}


# S61, S63
async def test_no_request_header_opens_anything_for_another_origin(scene: Scene) -> None:
    names = ("authorization", "st-auth-mode", "rid", "anti-csrf", "x-http-method-override")
    async with scene.nothing_changes():
        for path in TARGETS:
            outcomes = await scene.attacker.evaluate(
                """([url, names]) => Promise.all(names.map((name) =>
                    fetch(url, { method: "POST", credentials: "include", headers: { [name]: "header" } })
                        .then((response) => response.status, (error) => error.name)))""",
                [scene.site.origin + path, names],
            )
            assert outcomes == ["TypeError"] * len(names)
        assert {each.method for each in scene.attacks} == {"OPTIONS"}  # refused before it was sent


# S64
async def test_images_prefetches_frames_and_links_change_nothing(scene: Scene) -> None:
    async with scene.nothing_changes():
        for path in (*TARGETS, "/login"):
            url = scene.site.origin + path
            await scene.attacker.evaluate(
                """(url) => Promise.all([
                    ["img", "src", {}], ["script", "src", {}], ["iframe", "src", {}],
                    ["link", "href", { rel: "prefetch" }], ["link", "href", { rel: "stylesheet" }],
                ].map(([tag, attribute, given]) => new Promise((done) => {
                    const element = Object.assign(document.createElement(tag), given, { onload: done, onerror: done });
                    element[attribute] = url;
                    document.body.append(element);
                })))""",
                url,
            )
            await submit(scene, "GET", path, FORMS[0])  # a whole page, with which Lax cookies travel
        passed = scene.attacks
        assert {each.method for each in passed} == {"GET"}
        assert {each.status for each in passed} == {405}
        assert any("sAccessToken" in (each.header("cookie") or "") for each in passed)


# S62
async def test_chromium_attests_where_a_request_comes_from(scene: Scene) -> None:
    scene.site.line.forget()
    assert (await scene.victim.call(NOTE, method="POST", body="x"))["status"] == 200
    await submit(scene, "POST", NOTE, FORMS[0])
    own, foreign = scene.site.line.to(NOTE)
    assert (own.header("sec-fetch-site"), own.header("origin")) == ("same-origin", scene.site.origin)
    assert foreign.header("sec-fetch-site") in {"cross-site", "same-site"}
    assert foreign.header("origin") == scene.attacker.url.rstrip("/")
