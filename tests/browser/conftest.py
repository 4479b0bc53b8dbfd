"""One Chromium for all tests, a fresh context and a fresh server for each.

Everything runs in one event loop, that of the pytest session, so that tests can look into the server directly.
Modules of this folder say ``pytestmark = pytest.mark.asyncio(loop_scope="session")``.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.browser.line import PATIENCE
from tests.browser.site import Pages, Site, Tab, open_tab, opened_pages, opened_site
from tests.support.certificates import Authority

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP *.test 127.0.0.1",
]
OpenSite = Callable[..., Awaitable[Site]]
OpenPages = Callable[..., Awaitable[Pages]]
OpenContext = Callable[..., Awaitable[BrowserContext]]
OpenProfile = Callable[..., AbstractAsyncContextManager[BrowserContext]]


def chromium_path(program: str = "chromium") -> str:
    path = shutil.which(program)
    if path is None:
        pytest.fail(f"The browser tests need Chromium: install the package '{program}' so that it is on the PATH.")
    return path


def patient(context: BrowserContext) -> BrowserContext:
    """Have everything in this browser waited for as long as everywhere in these tests."""
    context.set_default_timeout(PATIENCE * 1000)
    return context


@asynccontextmanager
async def launched(*arguments: str, program: str = "chromium", **options: Any) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium_path(program), args=[*ARGUMENTS, *arguments], timeout=PATIENCE * 1000, **options
        )
        yield browser
        await browser.close()


@pytest.fixture(scope="session")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """Make the authority that the browsers of these tests trust, and nobody else does."""
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="session")
def trusting(authority: Authority) -> str:
    return f"--ignore-certificate-errors-spki-list={authority.fingerprint}"


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium(trusting: str) -> AsyncIterator[Browser]:
    # The same engine without a user interface of its own, which Chromium starts anew for each page: 0.16 s in place
    # of 0.72 s. What needs a profile on disk, or the list of pages gone back to, starts the whole Chromium.
    async with launched(trusting, program="chromium-headless-shell") as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="session")
async def stack() -> AsyncIterator[AsyncExitStack]:
    """What was opened last is closed first: tabs before the servers that they talk to."""
    async with AsyncExitStack() as opened:
        yield opened


@pytest.fixture
def open_site(stack: AsyncExitStack) -> OpenSite:
    async def opened(**given: Any) -> Site:
        return await stack.enter_async_context(opened_site(**given))

    return opened


@pytest.fixture
def open_pages(stack: AsyncExitStack) -> OpenPages:
    async def opened(**given: Any) -> Pages:
        return await stack.enter_async_context(opened_pages(**given))

    return opened


@pytest.fixture
def open_context(chromium: Browser, stack: AsyncExitStack) -> OpenContext:
    """Open further browsers: each context has cookies of its own."""

    async def opened(**options: Any) -> BrowserContext:
        return patient(await stack.enter_async_context(await chromium.new_context(**options)))

    return opened


@pytest.fixture
def page_options() -> dict[str, Any]:
    """What the pages of ``site`` tell their client. Modules that hold for both ways of a session say ``EACH_WAY``."""
    return {}


@pytest.fixture
def open_profile(chromium: Browser, trusting: str, tmp_path: Path) -> OpenProfile:
    """Start another Chromium with a profile on disk, which is there again when it is started a second time."""

    @asynccontextmanager
    async def opened(name: str, **options: Any) -> AsyncIterator[BrowserContext]:
        context = await chromium.browser_type.launch_persistent_context(
            tmp_path / name,
            executable_path=chromium_path(),
            args=[*ARGUMENTS, trusting],
            timeout=PATIENCE * 1000,
            **options,
        )
        async with context:
            yield patient(context)

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def lenient_browser(open_profile: OpenProfile, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """Open a browser whose user has third-party cookies allowed."""
    preferences = tmp_path / "lenient" / "Default" / "Preferences"
    preferences.parent.mkdir(parents=True)
    preferences.write_text('{"profile": {"cookie_controls_mode": 0}}')
    async with open_profile("lenient") as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def strict_browser(open_profile: OpenProfile) -> AsyncIterator[BrowserContext]:
    """Open a browser that blocks third-party cookies, as Chromium does by default. The headless shell takes them."""
    async with open_profile("strict") as context:
        yield context


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site: OpenSite, page_options: dict[str, Any]) -> Site:
    return await open_site(page_options=page_options)


@pytest_asyncio.fixture(loop_scope="session")
async def context(site: Site, open_context: OpenContext) -> BrowserContext:
    return await open_context()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(site: Site, context: BrowserContext) -> Tab:
    return await open_tab(context, site)


@pytest.fixture
def screenshots(tmp_path: Path) -> Path:
    """Where pictures go: the test's own folder, or the one that the environment names."""
    folder = Path(os.environ.get("RESEAL_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="session")
def certificate(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key, its certificate for the hosts of these tests, and that of the authority, in one file."""
    certificate, key = authority.issue("localhost", "127.0.0.1", "*.app.test", "*.shop.test")
    file = tmp_path_factory.mktemp("certificate") / "hosts.pem"
    file.write_bytes(key.read_bytes() + certificate.read_bytes() + authority.file.read_bytes())
    return file
