"""One Chromium for all tests, a fresh context and a fresh server for each.

Everything runs in one event loop, that of the pytest session, so that tests can look into the server directly.
Modules of this folder say ``pytestmark = pytest.mark.asyncio(loop_scope="session")``.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.browser.site import Pages, Site, Tab, open_tab, opened_pages, opened_site

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


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def chromium() -> AsyncIterator[Browser]:
    path = shutil.which("chromium")
    if path is None:
        pytest.fail("The browser tests need Chromium: install the package 'chromium' so that it is on the PATH.")
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield browser
        await browser.close()


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
        return await stack.enter_async_context(await chromium.new_context(**options))

    return opened


@pytest.fixture
def page_options() -> dict[str, Any]:
    """What the pages of ``site`` tell their client. Modules that hold for both ways of a session say ``EACH_WAY``."""
    return {}


@pytest_asyncio.fixture(loop_scope="session")
async def lenient_browser(chromium: Browser, tmp_path: Path) -> AsyncIterator[BrowserContext]:
    """Open a browser whose user has third-party cookies allowed. All the others block them."""
    preferences = tmp_path / "Default" / "Preferences"
    preferences.parent.mkdir()
    preferences.write_text('{"profile": {"cookie_controls_mode": 0}}')
    context = await chromium.browser_type.launch_persistent_context(
        tmp_path, executable_path=shutil.which("chromium"), args=ARGUMENTS, ignore_https_errors=True
    )
    async with context:
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
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a key and a certificate that it signed itself, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names: list[x509.GeneralName] = [x509.DNSName("localhost"), x509.DNSName("*.app.test")]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    plain, pkcs8 = serialization.NoEncryption(), serialization.PrivateFormat.PKCS8
    file = tmp_path_factory.mktemp("certificate") / "localhost.pem"
    file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, pkcs8, plain) + made.public_bytes(serialization.Encoding.PEM)
    )
    return file
