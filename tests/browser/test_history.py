"""Pages that Chromium keeps: put aside for the back button, or run ahead of the visit. They believe no old state."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from reseal import EventName
from tests.browser.conftest import ARGUMENTS, chromium_path, launched, patient
from tests.browser.line import PATIENCE, Passed
from tests.browser.site import CHECKED, EACH_WAY, NOTE, Site, Tab, in_step, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

NO_CHANNEL = "delete window.BroadcastChannel"
CHANNELS = pytest.mark.parametrize("channel", [True, False], ids=["channel", "no channel"])
"""Chromium does not keep a page that was sent a message meanwhile, if it has noticed. Without channels it comes back as it was."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def remembering() -> AsyncIterator[Browser]:
    """A Chromium that keeps pages for the back button, as it does where nobody automates it."""
    async with launched(ignore_default_args=["--disable-back-forward-cache"]) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def context(remembering: Browser) -> AsyncIterator[BrowserContext]:
    async with await remembering.new_context() as context:
        yield patient(context)


async def signed_in_tabs(site: Site, context: BrowserContext, channel: bool) -> list[Tab]:
    if not channel:
        await context.add_init_script(NO_CHANNEL)
    tab, other = tabs = [await open_tab(context, site) for _ in range(2)]
    await tab.sign_in()
    await in_step(tab, other)
    return tabs


async def leave(tab: Tab) -> None:
    await tab.page.evaluate("window.isTheSame = true; told.length = 0")
    await tab.page.goto(tab.site.origin + "/blank")


async def come_back(tab: Tab, other: Tab) -> bool:
    """Go back to where what the other tab has stored meanwhile is seen; tells whether the page is the one that was left."""
    await tab.page.go_back(wait_until="commit")
    await tab.until("window.session !== undefined")
    await in_step(other, tab)
    return await tab.page.evaluate("window.isTheSame === true")


@EACH_WAY
@CHANNELS
async def test_a_page_that_comes_back_after_a_sign_out_elsewhere_knows_of_it_before_any_call(
    site: Site, context: BrowserContext, channel: bool
) -> None:
    tab, other = await signed_in_tabs(site, context, channel)
    await leave(tab)
    assert await other.attempt("signOut") == {"value": None}
    site.line.forget()
    if await come_back(tab, other):
        await tab.hears("SESSION_EXPIRED elsewhere")
    else:
        assert channel
    assert await tab.attempt("doesSessionExist") == {"value": False}
    assert {each.path for each in site.line.passed} <= {"/", "/reseal-browser.js"}
    assert (await tab.call())["status"] == 401
    assert site.refreshes == []


@EACH_WAY
@CHANNELS
async def test_a_page_that_comes_back_after_a_refresh_elsewhere_uses_its_result(
    site: Site, context: BrowserContext, channel: bool
) -> None:
    tab, other = await signed_in_tabs(site, context, channel)
    for times in (1, 2):
        await leave(tab)
        site.expire()
        assert (await other.call())["status"] == 200
        assert await come_back(tab, other) or channel
        assert (await tab.call(CHECKED))["status"] == 200
        assert len(site.refreshes) == times
        assert await tab.told() == []
    assert site.events.named(EventName.TOKEN_THEFT) == []


@EACH_WAY
@CHANNELS
async def test_a_page_that_comes_back_after_another_user_signed_in_elsewhere_shows_that_one(
    site: Site, context: BrowserContext, channel: bool
) -> None:
    tab, other = await signed_in_tabs(site, context, channel)
    await leave(tab)
    await other.sign_in("bob")
    if await come_back(tab, other):
        await tab.hears("SESSION_CREATED")
    assert await tab.page.evaluate("session.getUserId()") == "bob"
    assert json.loads((await tab.call())["body"])["user"] == "bob"


HERE = """<!doctype html><title>Here</title><link rel="icon" href="data:,"><script type="module">
  import { createSessionClient } from "/reseal-browser.js";
  const session = createSessionClient();
  await session.fetch("/login", { method: "POST", body: JSON.stringify({ user: "alice" }) });
  const { ahead } = await (await fetch("/report", { method: "POST", body: JSON.stringify({ at: "here" }) })).json();
  const rules = { prerender: [{ source: "list", eagerness: "immediate", urls: ahead }] };
  document.head.append(Object.assign(document.createElement("script"), { type: "speculationrules", text: JSON.stringify(rules) }));
  await fetch("/visit");
  location.href = ahead[0];
</script>"""
AHEAD = """<!doctype html><title>Ahead</title><link rel="icon" href="data:,"><script type="module">
  import { createSessionClient } from "/reseal-browser.js";
  const session = createSessionClient();
  const visit = new Promise((resolve) => document.addEventListener("prerenderingchange", resolve));
  const report = async () => fetch("/report", { method: "POST", body: JSON.stringify({
    prerendering: document.prerendering, user: session.getUserId(), status: (await session.fetch("/api/checked")).status }) });
  await report();
  await visit;
  await report();
</script>"""
SAFE = ["/session/refresh", "/signout", "/signout-everywhere", "/api/upgrade/stream", NOTE]


# S64
async def test_what_chromium_runs_ahead_of_the_visit_changes_nothing_and_has_the_session(
    site: Site, tmp_path: Path
) -> None:
    """Nobody automates this Chromium, for it runs nothing ahead while somebody does: the pages report by themselves."""
    reports: asyncio.Queue[dict[str, object]] = asyncio.Queue()
    visit = asyncio.Event()

    async def page(request: Request) -> Response:
        return HTMLResponse(HERE if request.url.path == "/here" else AHEAD)

    async def report(request: Request) -> Response:
        await reports.put(await request.json())
        return JSONResponse({"ahead": ["/ahead", *SAFE]})

    async def may_visit(_request: Request) -> Response:
        await visit.wait()
        return JSONResponse({})

    def safe() -> list[Passed]:
        return [each for path in SAFE for each in site.line.to(path, "GET")]

    async def reported() -> dict[str, object]:
        return await asyncio.wait_for(reports.get(), PATIENCE)

    router = site.line.app.router  # type: ignore[attr-defined]
    router.add_route("/report", report, methods=["POST"])
    for path, endpoint in {"/here": page, "/ahead": page, "/visit": may_visit}.items():
        router.add_route(path, endpoint)
    process = await asyncio.create_subprocess_exec(
        chromium_path(), "--headless=new", f"--user-data-dir={tmp_path}", *ARGUMENTS, f"{site.origin}/here",
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
    )  # fmt: skip
    try:
        assert await reported() == {"at": "here"}
        [login] = site.line.to("/login")
        handle = json.loads(login.answer)["handle"]
        assert await reported() == {"prerendering": True, "user": "alice", "status": 200}
        await site.line.until(lambda: all(each.delivered for each in safe()) and len(safe()) == len(SAFE))
        assert {(each.method, each.status, each.header("sec-purpose")) for each in safe()} == {
            ("GET", 405, "prefetch;prerender")
        }
        assert all(each.set_cookies == [] for each in safe())
        row = await site.row(handle)
        assert (row.generation, row.ended_at, site.notes) == (0, None, [])
        site.expire()
        visit.set()
        assert await reported() == {"prerendering": False, "user": "alice", "status": 200}
    finally:
        process.terminate()
        await process.wait()
    assert [each.status for each in site.line.to(site.refresh_path, "POST")] == [200]
