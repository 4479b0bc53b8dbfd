"""Libraries that have `fetch` and `XMLHttpRequest` in hand themselves: the page works with each, and each does its own."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.browser.conftest import OpenContext
from tests.browser.libraries.project import HERE, Project
from tests.browser.site import FEED, Site, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

SOURCES = sorted((HERE / "pages").glob("*.js"))
ORDERS = {"first": "the library", "last": "the session"}
HEADER = "#header"
SEEN = [(FEED, 401), ("/session/refresh", 200), (FEED, 200)]
"""How an expired session is met by calls that share their refresh."""
OpenPage = Callable[[str], Awaitable[Page]]


@pytest.fixture(scope="module")
def built(project: Project, scripts: Path) -> None:
    sources = {source.stem: source for source in SOURCES if source.stem not in {"shared", "htmx"}}
    pages = shutil.copytree(HERE / "pages", project.folder / "pages")
    project.bundle({name: Path(pages) / source.name for name, source in sources.items()}, scripts)
    shutil.copy(project.packages / "msw" / "lib" / "mockServiceWorker.js", scripts)


@pytest_asyncio.fixture(loop_scope="session")
async def open_page(built: None, shared_site: Site, open_context: OpenContext) -> OpenPage:
    """Open a page in a browser of its own, and sign in."""

    async def opened(address: str) -> Page:
        page = await (await open_context()).new_page()
        await page.goto(f"{shared_site.origin}/with/{address}")
        await until(page, "document.title === 'ready'")
        assert await page.evaluate("signIn()") == 200
        return page

    return opened


def expire(site: Site) -> None:
    site.expire()
    site.line.forget()


def passed(site: Site) -> list[tuple[str, int | None]]:
    return [(each.path, each.status) for each in site.line.passed if each.path in {FEED, site.refresh_path}]


async def lives_through_expiries(page: Page, site: Site) -> None:
    """See each way of the page to make a call refresh an expired session once, and give the answer of the repetition."""
    for way in await page.evaluate("Object.keys(ways)"):
        expire(site)
        assert (await page.evaluate("(way) => ways[way]()", way))["user"] == "alice", way
        assert passed(site) == SEEN, way


async def gives_up_alone(page: Page, site: Site, call: str, word: str) -> None:
    """Abort a call whose refresh is under way: it ends at once, and the refresh goes on for the others."""
    expire(site)
    held = site.line.hold(site.refresh_path)
    call_under_way = asyncio.create_task(page.evaluate(call))
    await held.arrived()
    await page.evaluate("abort.abort()")
    assert await call_under_way == word
    held.release()
    assert (await page.evaluate("session.fetch('/api/feed').then(({ status }) => status)")) == 200
    assert len(site.refreshes) == 1


@pytest.mark.parametrize("order", ORDERS)
async def test_zone_js_counts_every_task_to_its_end(shared_site: Site, open_page: OpenPage, order: str) -> None:
    page = await open_page(f"zone?{order}")
    await lives_through_expiries(page, shared_site)
    await until(page, "wasBusy > 0 && !isBusy")


@pytest.mark.parametrize("order", ORDERS)
async def test_sentry_writes_down_the_calls(shared_site: Site, open_page: OpenPage, order: str) -> None:
    page = await open_page(f"sentry?{order}")
    await lives_through_expiries(page, shared_site)
    crumbs = [tuple(each) for each in await page.evaluate("crumbs")]
    for category in ("fetch", "xhr"):
        assert (category, FEED, 200) in crumbs
    # What was there before the session sees every attempt of a `fetch`; an `XMLHttpRequest` tells its end to all.
    assert crumbs.count(("fetch", FEED, 401)) == (order == "first")
    assert ("xhr", FEED, 401) not in crumbs
    assert all(each.header("sentry-trace") for each in shared_site.line.to(FEED))


@pytest.mark.parametrize("order", ORDERS)
async def test_msw_answers_what_it_mocks_and_leaves_the_rest_alone(
    shared_site: Site, open_page: OpenPage, order: str
) -> None:
    page = await open_page(f"msw?{order}")
    await lives_through_expiries(page, shared_site)
    assert await page.evaluate("mocked('/api/mocked')") == {"user": "a mock"}
    shared_site.line.forget()
    assert await page.evaluate("mocked('/api/mocked-expiry')") == {"user": "a mock"}
    assert passed(shared_site) == [(shared_site.refresh_path, 200)]


@pytest.mark.parametrize("adapter", ["xhr", "fetch"])
async def test_axios_by_either_adapter(shared_site: Site, open_page: OpenPage, adapter: str) -> None:
    page = await open_page("axios")
    await lives_through_expiries(page, shared_site)
    await gives_up_alone(page, shared_site, f"aborted('{adapter}')", "ERR_CANCELED")
    assert await page.evaluate(f"failing('{adapter}')") == 404


async def test_ky_retries_what_failed_and_not_what_was_refreshed(shared_site: Site, open_page: OpenPage) -> None:
    page = await open_page("ky")
    await lives_through_expiries(page, shared_site)
    await gives_up_alone(page, shared_site, "aborted()", "AbortError")
    expire(shared_site)
    shared_site.line.answer(FEED, 503)
    assert (await page.evaluate("retrying()"))["user"] == "alice"
    assert passed(shared_site) == [(FEED, 503), *SEEN]


@pytest.mark.parametrize("version", ["2", "4"])
async def test_htmx_swaps_the_answer_of_the_repetition(shared_site: Site, open_page: OpenPage, version: str) -> None:
    await lives_through_expiries(await open_page(f"htmx-{version}"), shared_site)


async def test_tanstack_s_retries_do_not_multiply_refreshes(shared_site: Site, open_page: OpenPage) -> None:
    page = await open_page("tanstack")
    await lives_through_expiries(page, shared_site)
    expire(shared_site)
    assert await page.evaluate("together(5)") == ["alice"] * 5
    assert len(shared_site.refreshes) == 1
    await shared_site.reseal.sessions.revoke_all_sessions_for_user("alice")
    expire(shared_site)
    assert await page.evaluate("together(5)") == ["401"] * 5
    assert [each.status for each in shared_site.refreshes] == [401]


@pytest.mark.whole
@pytest.mark.parametrize("name", ["zone", "sentry", "msw", "axios", "ky", "htmx-2", "htmx-4", "tanstack"])
async def test_in_header_mode_as_well(shared_site: Site, open_page: OpenPage, name: str) -> None:
    await lives_through_expiries(await open_page(f"{name}{HEADER}"), shared_site)
