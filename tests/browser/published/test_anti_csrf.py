"""Anti-CSRF tokens as the published frontends send them, in a browser that says nothing about where a call comes from."""

from __future__ import annotations

import pytest
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.browser.conftest import OpenContext
from tests.browser.published.conftest import OpenShop
from tests.browser.published.frontends import IN_COOKIES, IN_HEADERS, Frontend
from tests.browser.published.shop import Page, open_page
from tests.browser.site import CHECKED, NOTE, Site

REFRESHERS = [each for each in IN_COOKIES if each.anti_csrf_on_refresh]
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.sampled("frontend", IN_COOKIES, IN_HEADERS),
]

BARE_POST = """async (path) => (await fetch(path, { method: "POST", body: "x" })).status"""


def without_attestation(app: ASGIApp) -> ASGIApp:
    """Take away what only a browser can say: as if it were one of long ago."""

    async def silent(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            kept = [each for each in scope["headers"] if each[0] not in {b"origin", b"sec-fetch-site"}]
            scope = {**scope, "headers": kept}
        await app(scope, receive, send)

    return silent


async def opened(open_shop: OpenShop, open_context: OpenContext, frontend: Frontend) -> Page:
    site = await open_shop(frontend, enable_anti_csrf=True)
    site.line.app = without_attestation(site.line.app)
    page = await open_page(await open_context(), site, frontend)
    await page.sign_in()
    site.line.forget()
    return page


def sent(site: Site, path: str) -> list[str | None]:
    return [each.header("anti-csrf") for each in site.line.to(path, "POST")]


@pytest.mark.parametrize("frontend", IN_COOKIES, ids=str)
async def test_calls_carry_the_token_and_one_without_is_refused(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await opened(open_shop, open_context, frontend)
    bare = await page.page.context.new_page()
    await bare.goto(page.site.origin + "/openapi.json")
    assert await bare.evaluate(BARE_POST, NOTE) == 401
    assert page.site.notes == []
    assert (await page.call(NOTE, method="POST", body="x"))["status"] == 200
    [without, token] = sent(page.site, NOTE)
    assert without is None
    assert token


@pytest.mark.parametrize("frontend", REFRESHERS, ids=str)
async def test_a_refresh_needs_the_token_and_brings_the_next(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await opened(open_shop, open_context, frontend)
    for _ in range(2):
        page.site.expire()
        assert (await page.call(NOTE, method="POST", body="x"))["status"] == 200
        assert (await page.call(CHECKED))["status"] == 200
    assert len(page.site.refreshes) == 2
    assert len(page.site.notes) == 2
    [old, new, newest] = dict.fromkeys(sent(page.site, NOTE))
    assert all((old, new, newest))
