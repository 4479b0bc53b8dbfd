"""Header mode on a browser in which news travel slowly: what one tab stores, the others read much later, and nothing breaks.

Chromium's tabs read the storage from copies, which a process of its own keeps up to date. Here that process stands still.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from reseal import EventName
from tests.browser.conftest import OpenSite, launched
from tests.browser.site import CHECKED, PATIENT, WAYS, Site, Tab, in_step, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def chromium(trusting: str) -> AsyncIterator[Browser]:
    """The whole Chromium: the headless shell keeps its storage in the main process."""
    async with launched(trusting) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site: OpenSite) -> Site:
    return await open_site(page_options=WAYS["header"])


@pytest_asyncio.fixture(loop_scope="session")
async def tabs(site: Site, context: BrowserContext) -> list[Tab]:
    await context.add_init_script(PATIENT)
    return [await open_tab(context, site) for _ in range(3)]


class News:
    """The process that carries them."""

    def __init__(self, process: int) -> None:
        self._process = process

    @contextmanager
    def held_up(self) -> Iterator[None]:
        os.kill(self._process, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(self._process, signal.SIGCONT)


@pytest_asyncio.fixture(loop_scope="session")
async def news(chromium: Browser) -> AsyncIterator[News]:
    devtools = await chromium.new_browser_cdp_session()
    processes = (await devtools.send("SystemInfo.getProcessInfo"))["processInfo"]
    [process] = [each["id"] for each in processes if each["type"].startswith("storage.")]
    yield News(process)
    await devtools.detach()


async def test_a_call_before_the_news_of_a_sign_in_is_a_strangers_and_harms_nothing(
    site: Site, tabs: list[Tab], news: News
) -> None:
    with news.held_up():
        await tabs[1].sign_in()
        assert [(await tab.call(CHECKED))["status"] for tab in tabs] == [401, 200, 401]
        assert [await tab.told() for tab in tabs] == [[], ["SESSION_CREATED"], []]
    for tab in tabs:
        await tab.hears("SESSION_CREATED")
        assert (await tab.call(CHECKED))["status"] == 200


async def test_tabs_that_do_not_hear_of_each_others_refreshes_go_on_with_one_line(
    site: Site, tabs: list[Tab], news: News
) -> None:
    handle = await tabs[0].sign_in()
    await in_step(*tabs)
    for generation in (1, 2):
        site.expire()
        site.line.forget()
        with news.held_up():
            assert [(await tab.call(CHECKED))["status"] for tab in tabs] == [200] * 3
        await in_step(*tabs)
        assert len({each.refresh_token for each in site.refreshes}) == 1
        assert len({each.new_refresh_token for each in site.refreshes}) == 1
        assert (await site.row(handle)).generation == generation
    assert site.events.named(EventName.TOKEN_THEFT) == []


@pytest.mark.parametrize("how", ["expired", "revoked"])
async def test_a_tab_that_has_not_heard_of_a_new_sign_in_does_not_end_it_with_the_old_session(
    site: Site, tabs: list[Tab], news: News, how: str
) -> None:
    active, late, _ = tabs
    await active.sign_in()
    await in_step(*tabs)
    with news.held_up():
        await active.attempt("signOut")
        if how == "expired":
            site.expire()
        handle = await active.sign_in()
        call = late.calling(CHECKED)
        await site.line.until(lambda: site.refreshes and site.refreshes[-1].delivered)
        assert site.refreshes[-1].status == 401
    assert (await call)["status"] == 200
    await in_step(*tabs)
    assert [(await tab.call(CHECKED))["status"] for tab in tabs] == [200] * 3
    assert (await site.row(handle)).ended_at is None
    assert not [event for event in await late.told() if event.startswith("SESSION_EXPIRED refused")]
