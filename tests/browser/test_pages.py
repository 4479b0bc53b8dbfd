"""The example's pages with other libraries and in other modes: each lives through what a session can meet.

The clocks of the server and of all pages stand still unless moved. Timers run: the pages ask for the feed by themselves.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, ConsoleMessage, Page, expect

from examples.fastapi_feed import pages
from examples.fastapi_feed.app import create_app
from reseal import Settings
from reseal.testing import ManualClock
from tests.browser.conftest import OpenContext
from tests.browser.line import PATIENCE, Line, Passed
from tests.browser.site import TOKENS, jar, listen, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE * 1000)

REFRESH = "/session/refresh"
FEEDS = {"axios": "/getHomeFeed", "htmx": "/htmx/feed", "react": "/getHomeFeed"} | dict.fromkeys(
    ["header", "worker"], "/getHomeFeed"
)
IN_HEADERS = {"header", "worker"}
IN_COOKIES = FEEDS.keys() - IN_HEADERS
LIFE_MS = 5000
LIVELY = re.compile(r"^[45]\.\d s left$")
REFUSED_CALL = re.compile(r"Failed to load resource: the server responded with a status of 401")
"""Chromium writes this for every refused call; it is the loop at work."""


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the scripts as ``./run example`` does, from what is in the folder now."""
    if not (pages.SOURCES / "node_modules").exists():
        pytest.fail("The example's pages need their packages: run 'npm ci' in examples/pages, or './run test'.")
    node = shutil.which("node")
    assert node is not None
    folder = tmp_path_factory.mktemp("pages")
    done = subprocess.run(
        [node, "build.mjs", str(folder)], cwd=pages.SOURCES, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@dataclass
class Feed:
    """The example, and the browser that looks at it."""

    origin: str
    clock: ManualClock
    context: BrowserContext
    line: Line
    complaints: list[str] = field(default_factory=list)
    """What the browser found wrong: errors of scripts, violations of a page's security policy."""

    async def open(self, name: str, state: str = "signed-out") -> Page:
        page = await self.context.new_page()
        page.on("console", self._read)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(f"{self.origin}/{name}")
        await expect(page.locator("body")).to_have_attribute("data-state", state)
        return page

    def _read(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not REFUSED_CALL.match(message.text):
            self.complaints.append(message.text)

    async def pass_time(self, milliseconds: int) -> None:
        """Move the clocks of the server and of all pages."""
        self.clock.advance(milliseconds)
        await self.context.clock.set_fixed_time(self.clock.wall() / 1000)

    async def lives_through_an_expiry(self, feed: str) -> None:
        """Wait until a call was refused, the session refreshed and a call answered; nothing else happens in between."""
        refused, refreshed, answered = steps = [("GET", feed, 401), ("POST", REFRESH, 200), ("GET", feed, 200)]
        loop: list[tuple[str, str, int | None]] = []

        def is_over() -> bool:
            passed = [each for each in self.line.passed if each.delivered and each.path in {feed, REFRESH}]
            first = next((at for at, each in enumerate(passed) if each.status == 401), len(passed))
            loop[:] = [(each.method, each.path, each.status) for each in passed[first:]]
            return refreshed in loop and loop[-1] == answered

        await self.line.until(is_over)
        assert loop[0] == refused
        assert set(loop) == set(steps)
        assert loop.count(refreshed) == 1


@pytest_asyncio.fixture(loop_scope="session")
async def feed(built: Path, open_context: OpenContext, stack: AsyncExitStack) -> AsyncIterator[Feed]:
    listener = listen()
    origin = f"http://localhost:{listener.getsockname()[1]}"
    settings = Settings(
        api_domain=origin,
        database_uri="memory:",
        access_token_validity=LIFE_MS // 1000,
        refresh_token_rotation_grace_period=2,
    )
    clock = ManualClock(time.time_ns() // 1_000_000)
    line = await stack.enter_async_context(serving(create_app(settings, clock, built), listener))
    context = await open_context(viewport={"width": 1280, "height": 900})
    await context.clock.set_fixed_time(clock.wall() / 1000)
    shown = Feed(origin, clock, context, line)
    yield shown
    assert shown.complaints == []


async def sign_in(page: Page) -> None:
    await page.get_by_test_id("sign-in-amara").click()
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-in")
    await expect(page.get_by_test_id("post-item")).to_have_count(5)


async def assert_ended(page: Page, reason: str) -> None:
    ended = page.get_by_test_id("ended")
    await expect(ended).to_be_visible()
    await expect(ended).to_have_attribute("data-reason", reason)
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-out")
    await expect(page.get_by_test_id("sign-in-amara")).to_be_visible()


def sent_tokens(passed: Passed) -> set[str]:
    return TOKENS & passed.cookies.keys() | {name for name in ["authorization"] if passed.header(name)}


@pytest.mark.parametrize("name", FEEDS)
async def test_a_session_is_begun_expires_is_refreshed_and_ends(feed: Feed, name: str, screenshots: Path) -> None:
    page = await feed.open(name)
    await page.screenshot(path=screenshots / f"{name}-1-signed-out.png", full_page=True)
    await sign_in(page)
    await expect(page.get_by_test_id("life-left")).to_have_text(LIVELY)
    feed.line.forget()
    await feed.pass_time(LIFE_MS)
    await feed.lives_through_an_expiry(FEEDS[name])
    await expect(page.get_by_test_id("life-left")).to_have_text(LIVELY)
    if name != "worker":  # There the refresh is nothing that the page hears of.
        await expect(page.get_by_test_id("log")).to_contain_text("REFRESH_SESSION")
    await expect(page.get_by_test_id("post-item")).to_have_count(5)
    await page.get_by_test_id("post-text").fill("<b>Bread</b> & butter")
    await feed.pass_time(LIFE_MS)
    await page.get_by_test_id("post").click()
    await expect(page.get_by_test_id("post-item").first).to_contain_text("<b>Bread</b> & butter")
    await page.screenshot(path=screenshots / f"{name}-2-refreshed.png", full_page=True)
    carriers = {frozenset(sent_tokens(each)) for each in feed.line.to(FEEDS[name])}
    assert carriers == ({frozenset({"authorization"})} if name in IN_HEADERS else {frozenset({"sAccessToken"})})
    await page.get_by_test_id("sign-out").click()
    await assert_ended(page, "signed_out")
    assert not (TOKENS | {"sFrontToken"}) & (await jar(feed.context)).keys()
    await page.reload()
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-out")


@pytest.mark.parametrize("name", FEEDS)
async def test_the_focus_goes_on_where_the_page_goes_on(feed: Feed, name: str) -> None:
    page = await feed.open(name)
    await page.get_by_test_id("sign-in-amara").press("Enter")
    await expect(page.get_by_role("heading", name="Home feed")).to_be_focused()
    await page.get_by_test_id("sign-out").press("Enter")
    await expect(page.get_by_test_id("ended-title")).to_be_focused()


@pytest.mark.parametrize("name", FEEDS)
async def test_a_second_tab_is_signed_in_and_out_with_the_first(feed: Feed, name: str) -> None:
    page, other = await feed.open(name), await feed.open(name)
    await sign_in(page)
    await expect(other.locator("body")).to_have_attribute("data-state", "signed-in")
    await expect(other.get_by_test_id("post-item")).to_have_count(5)
    await other.get_by_test_id("sign-out").click()
    await assert_ended(page, "elsewhere")
    await assert_ended(other, "signed_out")


@pytest.mark.parametrize("name", sorted(IN_COOKIES))
async def test_a_thief_is_noticed_and_every_tab_says_so(feed: Feed, name: str, screenshots: Path) -> None:
    page = await feed.open(name)
    await sign_in(page)
    other = await feed.open(name, "signed-in")
    await feed.pass_time(LIFE_MS - 1000)
    await page.get_by_test_id("thief-first").click()
    await expect(page.get_by_test_id("forecast")).to_contain_text("Your next refresh shows it")
    await feed.pass_time(1000)
    await feed.pass_time(LIFE_MS - 1000)
    await assert_ended(page, "theft")
    await assert_ended(other, "theft")
    await page.screenshot(path=screenshots / f"{name}-3-theft.png", full_page=True)
    assert not TOKENS & (await jar(feed.context)).keys()
    await sign_in(page)


@pytest.mark.parametrize("name", sorted(IN_HEADERS))
async def test_a_thief_of_tokens_in_headers_is_noticed_as_well(feed: Feed, name: str) -> None:
    page = await feed.open(name)
    await sign_in(page)
    stolen = dict(feed.line.to("/login")[0].answer_headers)["st-refresh-token"]
    async with httpx.AsyncClient(base_url=feed.origin) as thief:
        got = (await thief.post(REFRESH, json={"refresh_token": stolen})).json()["access_token"]
        profile = await thief.get("/api/me", headers={"authorization": f"Bearer {got}"})
        assert profile.json()["user"] == "Amara"
    await feed.pass_time(LIFE_MS)
    await assert_ended(page, "theft")


async def stored(page: Page) -> Any:
    return await page.evaluate("JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie])")


@pytest.mark.parametrize(("name", "readable"), [("header", True), ("worker", False)])
async def test_only_the_service_worker_keeps_tokens_from_the_scripts_of_the_page(
    feed: Feed, name: str, readable: bool
) -> None:
    page = await feed.open(name)
    await sign_in(page)
    token = dict(feed.line.to("/login")[0].answer_headers)["st-refresh-token"]
    assert (token in await stored(page)) is readable


async def test_the_service_worker_serves_its_own_page_alone(feed: Feed) -> None:
    await sign_in(await feed.open("worker"))
    page = await feed.open("axios")
    await sign_in(page)
    assert (await jar(feed.context)).keys() >= TOKENS
    await page.get_by_test_id("sign-out").click()
    await assert_ended(page, "signed_out")
    await feed.open("worker", "signed-in")


async def test_without_the_build_the_pages_say_what_is_missing_and_the_plain_one_is_there(tmp_path: Path) -> None:
    app = create_app(Settings(api_domain="http://localhost", database_uri="memory:"), pages_dist=tmp_path)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost") as client:
        plain = await client.get("/")
        assert plain.status_code == 200
        assert [name for name in pages.PAGES if f'href="/{name}"' in plain.text] == []
        for path in ("/react", "/session-worker.js"):
            missing = await client.get(path)
            assert (missing.status_code, missing.text) == (501, pages.NOT_BUILT)
