"""The example application, used as its README says: the seed's loop, the thief, and both ways out.

The clocks of the server and of all pages stand still unless moved. Timers run: the page calls by itself.
"""

from __future__ import annotations

import json
import logging
import re
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, ConsoleMessage, Page, expect

from examples.fastapi_feed.app import create_app
from reseal import Settings
from reseal.testing import ManualClock
from tests.browser.conftest import OpenContext
from tests.browser.line import PATIENCE, Line
from tests.browser.site import TOKENS, jar, listen, serving, tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE * 1000)

FEED, REFRESH = "/getHomeFeed", "/session/refresh"
REFUSED, REFRESHED, ANSWERED = ("GET", FEED, 401), ("POST", REFRESH, 200), ("GET", FEED, 200)
LIFE_MS = 5000
REFUSED_CALL = re.compile(r"Failed to load resource: the server responded with a status of 401")
"""Chromium writes this for every refused call; it is the loop at work."""


@dataclass
class Example:
    origin: str
    line: Line
    clock: ManualClock
    contexts: list[BrowserContext] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    """What the browser found wrong: errors of scripts, violations of the page's security policy."""

    async def open(self, context: BrowserContext) -> Page:
        self.contexts.append(context)
        await self._tell_time(context)
        page = await context.new_page()
        page.on("console", self._read)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        await page.goto(self.origin)
        await expect(page.locator("body")).to_have_attribute("data-state", "signed-out")
        return page

    async def expire(self) -> None:
        """Let the time of the access tokens run out, for the server and for all pages."""
        self.clock.advance(LIFE_MS)
        for context in self.contexts:
            await self._tell_time(context)

    async def refreshed(self) -> None:
        """Let the time run out, and wait for the page's own call to have the session refreshed."""
        self.line.forget()
        await self.expire()
        await self.line.until(lambda: self.loop()[-1:] == [ANSWERED] and REFRESHED in self.loop())

    async def _tell_time(self, context: BrowserContext) -> None:
        await context.clock.set_fixed_time(self.clock.wall() / 1000)

    def _read(self, message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"} and not REFUSED_CALL.match(message.text):
            self.complaints.append(message.text)

    def loop(self) -> list[tuple[str, str, int | None]]:
        """The calls of the loop that were answered, without the window's own."""
        passed = [each for each in self.line.passed if each.delivered and each.path in {FEED, REFRESH}]
        return [(each.method, each.path, each.status) for each in passed]


@pytest_asyncio.fixture(loop_scope="session")
async def example(tmp_path: Path, stack: AsyncExitStack) -> AsyncIterator[Example]:
    listener = listen()
    origin = f"http://localhost:{listener.getsockname()[1]}"
    settings = Settings(
        api_domain=origin,
        database_uri=f"sqlite:///{tmp_path}/feed.db",
        access_token_validity=LIFE_MS // 1000,
        refresh_token_rotation_grace_period=2,
        device_binding="offer",
    )
    clock = ManualClock(time.time_ns() // 1_000_000)
    line = await stack.enter_async_context(serving(create_app(settings, clock), listener))
    shown = Example(origin, line, clock)
    yield shown
    assert shown.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def page(example: Example, open_context: OpenContext) -> Page:
    return await example.open(await open_context(viewport={"width": 1280, "height": 1000}))


async def sign_in(page: Page, name: str = "amara") -> None:
    await page.get_by_test_id(f"sign-in-{name}").click()
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-in")
    await expect(page.get_by_test_id("post-item")).to_have_count(5)
    await expect(page.get_by_test_id("session-item").first).to_be_visible()


async def sign_in_quietly(page: Page) -> None:
    """Sign in to a page that calls nothing by itself, except what it has been answered when this returns."""
    await page.get_by_test_id("auto").evaluate("(box) => { box.checked = false; }")
    await sign_in(page)


async def assert_ended(page: Page, reason: str) -> None:
    ended = page.get_by_test_id("ended")
    await expect(ended).to_be_visible()
    await expect(ended).to_have_attribute("data-reason", reason)
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-out")


def security_events(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(each.message) for each in caplog.records if each.name == "reseal"]
    return [line for line in lines if line["event"] == name]


async def test_the_six_steps_of_the_loop_pass_and_the_user_notices_nothing(
    example: Example, page: Page, screenshots: Path
) -> None:
    await page.screenshot(path=screenshots / "1-signed-out.png")
    await sign_in_quietly(page)
    before = await tokens(page.context)
    posts = await page.get_by_test_id("posts").inner_text()
    await example.expire()
    await expect(page.get_by_test_id("life-left")).to_contain_text("expired")
    await page.screenshot(path=screenshots / "2-expired.png")
    example.line.forget()
    await page.get_by_test_id("auto").check()  # steps 1 to 5
    await example.line.until(lambda: example.loop()[-1:] == [ANSWERED])
    assert example.loop()[0] == REFUSED
    assert set(example.loop()) == {REFUSED, REFRESHED, ANSWERED}
    refused = example.line.to(FEED)[0]
    repeated = next(each for each in example.line.to(FEED) if each.status == 200)
    [refresh] = example.line.to(REFRESH)
    assert json.loads(refused.answer) == {"message": "try refresh token"}
    assert refresh.cookies["sRefreshToken"] == before["sRefreshToken"]
    assert {each.path for each in example.line.passed if "sRefreshToken" in each.cookies} == {REFRESH}
    assert refused.cookies["sAccessToken"] == before["sAccessToken"]
    after = await tokens(page.context)
    assert after.keys() == TOKENS
    assert not set(before.values()) & set(after.values())
    assert repeated.cookies["sAccessToken"] != before["sAccessToken"]
    await expect(page.get_by_test_id("log")).to_contain_text("Refreshed: generation 0 → 1")
    await expect(page.get_by_test_id("repeated")).not_to_have_text("0")
    await expect(page.get_by_test_id("failed")).to_have_text("0")
    assert await page.get_by_test_id("posts").inner_text() == posts
    await expect(page.get_by_test_id("ended")).to_be_hidden()
    await page.screenshot(path=screenshots / "3-refreshed.png", full_page=True)


async def test_the_focus_goes_on_where_the_page_goes_on(page: Page) -> None:
    await page.get_by_test_id("sign-in-amara").press("Enter")
    await expect(page.get_by_role("heading", name="Home feed")).to_be_focused()
    await page.get_by_test_id("sign-out").press("Enter")
    await expect(page.get_by_test_id("ended-title")).to_be_focused()


async def test_a_post_is_written_with_an_expired_token_as_well(example: Example, page: Page) -> None:
    await sign_in_quietly(page)
    await example.expire()
    await page.get_by_test_id("post-text").fill("<b>Bread</b> & butter")
    await page.get_by_test_id("post").click()
    await expect(page.get_by_test_id("post-item").first).to_contain_text("<b>Bread</b> & butter")
    assert [each.status for each in example.line.to("/api/posts")] == [401, 201]


async def test_thirty_calls_at_once_are_one_refresh(example: Example, page: Page, screenshots: Path) -> None:
    await sign_in_quietly(page)
    await example.expire()
    await page.get_by_test_id("burst").click()
    await expect(page.get_by_test_id("log")).to_contain_text("30 calls at once: 30 answered, 1 refresh")
    await page.screenshot(path=screenshots / "4-burst.png", full_page=True)
    await expect(page.get_by_test_id("failed")).to_have_text("0")


# E05
async def test_a_lost_answer_is_asked_for_again(
    page: Page, caplog: pytest.LogCaptureFixture, screenshots: Path
) -> None:
    caplog.set_level(logging.INFO, "reseal")
    await sign_in(page)
    await page.get_by_test_id("lose").click()
    await expect(page.get_by_test_id("log")).to_contain_text("Asked again, same successor")
    await page.screenshot(path=screenshots / "5-lost-answer.png", full_page=True)
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-in")
    assert security_events(caplog, "token_theft") == []


@pytest.mark.parametrize("who", ["thief second", "thief first"])
async def test_the_thief_is_caught_and_the_page_says_so(
    example: Example, page: Page, caplog: pytest.LogCaptureFixture, screenshots: Path, who: str
) -> None:
    caplog.set_level(logging.INFO, "reseal")
    await sign_in(page)
    if who == "thief second":
        await page.get_by_test_id("thief-copy").click()
        await expect(page.get_by_test_id("log")).to_contain_text("The thief copied your refresh token")
        await example.refreshed()
        await example.refreshed()
        await expect(page.get_by_test_id("thief-forecast")).to_have_attribute("data-forecast", "caught")
        await page.screenshot(path=screenshots / "6-copied.png", full_page=True)
        await page.get_by_test_id("thief-use").click()
    else:
        await page.get_by_test_id("thief-first").click()
        await expect(page.get_by_test_id("thief-forecast")).to_have_attribute("data-forecast", "ahead")
        await example.expire()
    await assert_ended(page, "theft")
    await expect(page.get_by_test_id("log")).to_contain_text("TOKEN_THEFT_DETECTED")
    case = page.get_by_test_id("case")
    await expect(case).to_be_visible()
    await page.screenshot(path=screenshots / f"7-{who.replace(' ', '-')}.png", full_page=True)
    [event] = security_events(caplog, "token_theft")
    assert event["user_id"] == "Amara"
    await expect(case).to_contain_text("Amara")
    await expect(case).to_contain_text(event["session_handle"])
    assert (event["ip"] == "203.0.113.66") is (who == "thief second")
    assert not TOKENS & (await jar(page.context)).keys()
    await page.reload()
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-out")
    # The user comes back, with a session that no copy opens.
    await sign_in(page)


async def test_the_copy_of_a_bound_session_opens_nothing_and_its_owner_goes_on(
    example: Example, page: Page, caplog: pytest.LogCaptureFixture, screenshots: Path
) -> None:
    caplog.set_level(logging.INFO, "reseal")
    await sign_in(page)
    await page.get_by_test_id("thief-bound").click()
    await expect(page.get_by_test_id("log")).to_contain_text("The copy of the bound session opens nothing")
    await expect(page.get_by_test_id("log")).to_contain_text("Refused: not the device of this session")
    await expect(page.get_by_test_id("sessions")).to_contain_text("bound to its device")
    await page.screenshot(path=screenshots / "7-bound.png", full_page=True)
    [event] = security_events(caplog, "binding_refused")
    assert event["ip"] == "203.0.113.66"
    assert security_events(caplog, "token_theft") == security_events(caplog, "session_revoked") == []
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-in")


# S44
async def test_logging_out_ends_the_session_and_going_back_does_not_bring_it_back(
    example: Example, page: Page, screenshots: Path
) -> None:
    await sign_in(page)
    await page.get_by_test_id("sign-out").click()
    await assert_ended(page, "signed_out")
    await page.screenshot(path=screenshots / "8-logged-out.png", full_page=True)
    assert not (TOKENS | {"sFrontToken"}) & (await jar(page.context)).keys()
    await page.goto("about:blank")
    await page.go_back()
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-out")
    await expect(page.get_by_test_id("post-item")).to_have_count(0)


async def test_signing_out_everywhere_ends_the_session_of_another_browser(
    example: Example, page: Page, open_context: OpenContext, screenshots: Path
) -> None:
    other = await example.open(await open_context())
    bystander = await example.open(await open_context())
    await sign_in(other)
    await sign_in(bystander, "mei")
    await sign_in(page)
    await expect(page.get_by_test_id("session-item")).to_have_count(2)
    await page.get_by_test_id("sign-out-everywhere").click()
    await expect(page.locator("body")).to_have_attribute("data-state", "signed-out")
    await example.expire()
    await assert_ended(other, "user_revoked")
    await other.screenshot(path=screenshots / "9-signed-out-everywhere.png", full_page=True)
    for each in (page, other):
        assert not TOKENS & (await jar(each.context)).keys()
    await expect(bystander.locator("body")).to_have_attribute("data-state", "signed-in")
    assert (await jar(bystander.context)).keys() >= TOKENS


async def test_many_tabs_of_the_example_live_through_several_expiries_together(
    example: Example, page: Page, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "reseal")
    await sign_in(page)
    others = []
    for _ in range(3):
        tab = await page.context.new_page()
        await tab.goto(example.origin)
        await expect(tab.locator("body")).to_have_attribute("data-state", "signed-in")
        others.append(tab)
    for times in (1, 2, 3):
        await example.expire()
        for tab in (page, *others):
            # Wherever the tab is not in front, its own timer rests: call by the page's button instead.
            await tab.evaluate("document.getElementById('refresh').click()")
        for tab in (page, *others):
            await expect(tab.locator("#refresh")).to_be_enabled()
        await example.line.until(lambda times=times: len(security_events(caplog, "session_refreshed")) >= times)
    for tab in (page, *others):
        await expect(tab.locator("body")).to_have_attribute("data-state", "signed-in")
    for name in ("token_theft", "refresh_refused", "session_revoked"):
        assert security_events(caplog, name) == []
