"""The admin of Django, and a page with a form, in Chromium: with scripts and without, past the end of access tokens.

None of these pages has a script of ours.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from threading import Thread

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from reseal.testing import ManualClock
from tests.browser.conftest import OpenContext
from tests.browser.line import PATIENCE
from tests.django import project as bare

bare.configure()

from django.apps import apps  # noqa: E402 - Django has to be configured
from django.contrib.auth import get_user_model  # noqa: E402
from django.contrib.staticfiles.handlers import StaticFilesHandler  # noqa: E402
from django.core.servers.basehttp import ThreadedWSGIServer, WSGIRequestHandler, get_internal_wsgi_application  # noqa: E402

from tests.django.dropin import project  # noqa: E402

pytestmark = pytest.mark.asyncio(loop_scope="session")
expect.set_options(timeout=PATIENCE * 1000)
LIFE_S = 2


class Silent(WSGIRequestHandler):
    def log_message(self, *_args: object) -> None:
        pass


class Served:
    def __init__(self, origin: str, clock: ManualClock) -> None:
        self.origin = origin
        self._clock = clock

    def end_access_tokens(self) -> None:
        self._clock.advance(LIFE_S * 1000)


@pytest.fixture(scope="session")
def tables() -> str:
    return project.create_tables()


@pytest.fixture
def site(tables: str) -> Iterator[Served]:
    logging.getLogger("django.request").setLevel(logging.CRITICAL)
    server = ThreadedWSGIServer(("127.0.0.1", 0), Silent)
    origin = f"http://localhost:{server.server_port}"
    clock = ManualClock()
    configuration = {"api_domain": origin, "access_token_validity": LIFE_S}
    with project.running(clock, RESEAL=configuration, DEBUG=True):
        get_user_model().objects.create_superuser("alice", password=project.PASSWORD)
        server.set_app(StaticFilesHandler(get_internal_wsgi_application()))
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield Served(origin, clock)
        server.shutdown()
        thread.join()
        server.server_close()
        for model in (get_user_model(), apps.get_model("auth", "Group")):
            model.objects.all().delete()
    logging.getLogger("django.request").setLevel(logging.NOTSET)


@pytest.fixture(params=[True, False], ids=["scripts", "no-scripts"])
def has_scripts(request) -> bool:
    return request.param


@pytest_asyncio.fixture(loop_scope="session")
async def page(open_context: OpenContext, has_scripts: bool) -> Page:
    context = await open_context(java_script_enabled=has_scripts)
    return await context.new_page()


async def sign_in(page: Page, site: Served, path: str) -> None:
    await page.goto(f"{site.origin}{path}")
    await page.get_by_label("Username").fill("alice")
    await page.get_by_label("Password").fill(project.PASSWORD)
    await page.get_by_role("button", name="Log in").click()


async def follow(page: Page, site: Served, link: str, heading: str, *, has_scripts: bool) -> None:
    """Follow a link after the end of the access token, later than ten seconds after the last refresh of this tab."""
    site.end_access_tokens()
    if has_scripts:
        await page.evaluate("sessionStorage.clear()")
    await page.get_by_role("link", name=link, exact=True).first.click()
    if not has_scripts:
        await page.get_by_role("button", name="Continue").click()
    await expect(page.get_by_role("heading", name=heading)).to_be_visible()


async def test_the_admin_stays_signed_in(page: Page, site: Served, has_scripts: bool) -> None:
    await sign_in(page, site, "/admin/")
    await expect(page.get_by_role("heading", name="Site administration")).to_be_visible()
    await follow(page, site, "Groups", "Select group to change", has_scripts=has_scripts)
    await follow(page, site, "Add group", "Add group", has_scripts=has_scripts)
    name = page.get_by_label("Name:")
    await name.fill("Editors of the magazine")
    site.end_access_tokens()
    await page.get_by_role("button", name="Save", exact=True).click()
    await expect(page.get_by_text("was added successfully")).to_be_visible()
    await expect(page.get_by_role("link", name="Editors of the magazine").first).to_be_visible()
    site.end_access_tokens()
    await page.get_by_role("button", name="Log out").click()
    await expect(page.get_by_text("Logged out")).to_be_visible()
    await page.goto(f"{site.origin}/admin/")
    await expect(page.get_by_label("Username")).to_be_visible()


async def test_a_form_with_a_file_arrives_once(page: Page, site: Served, has_scripts: bool) -> None:
    await sign_in(page, site, "/accounts/login?next=/note")
    await expect(page.locator("#user")).to_have_text("alice")
    project.NOTES.clear()
    await page.locator("textarea").fill("a text that took an hour to write: ü")
    file = {"name": "large.bin", "mimeType": "application/octet-stream", "buffer": b"x" * 3_000_000}
    await page.locator("input[type=file]").set_input_files(file)
    site.end_access_tokens()
    await page.get_by_role("button", name="Save").click()
    await expect(page.locator(".message")).to_have_text("Saved.")
    assert project.NOTES == ["a text that took an hour to write: ü with 3000000 bytes"]
    assert page.url == f"{site.origin}/note"


async def test_the_admin_ends_the_session_of_another_browser(
    page: Page, site: Served, open_context: OpenContext, has_scripts: bool
) -> None:
    other = await (await open_context(user_agent="Another Browser 1.0")).new_page()
    await sign_in(other, site, "/accounts/login?next=/note")
    await sign_in(page, site, "/admin/reseal/usersession/?user=alice")
    row = page.get_by_role("row").filter(has_text="Another Browser 1.0")
    site.end_access_tokens()
    await row.get_by_role("button", name="End").click()
    await expect(page.get_by_text("1 session was ended.")).to_be_visible()
    await expect(row.get_by_text("ended by an administrator")).to_be_visible()
    await expect(row.get_by_role("button", name="End")).to_have_count(0)
    await other.goto(f"{site.origin}/private")
    await expect(other.get_by_label("Username")).to_be_visible()
