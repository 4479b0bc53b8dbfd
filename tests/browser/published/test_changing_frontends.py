"""Pages of several frontends before one application: what ``frontend_compatibility`` does, and moving on."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

import pytest

from reseal import EventName
from tests.browser.conftest import OpenContext
from tests.browser.published.conftest import OpenShop
from tests.browser.published.frontends import IN_COOKIES, IN_HEADERS, LATER, OLDER, Frontend
from tests.browser.published.shop import open_our_page, open_page
from tests.browser.site import CHECKED, FEED

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.sampled("frontend", IN_COOKIES, IN_HEADERS),
]

FOREIGN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJhbGljZSJ9.c2lnbmF0dXJl"
LEFT = (
    ("sAccessToken", FOREIGN, "/", True),
    ("sRefreshToken", FOREIGN, "/auth/session/refresh", True),
    ("sIdRefreshToken", FOREIGN, "/", True),
    ("sIRTFrontend", FOREIGN, "/", False),
    ("sFrontToken", b64encode(b'{"uid":"alice","ate":9999999999999,"up":{}}').decode(), "/", False),
    ("st-last-access-token-update", "1700000000000", "/", False),
)
"""Cookies of a session that this application does not know: name, value, path, out of reach of scripts."""


def left(name: str, value: str, path: str, http_only: bool) -> Any:
    return {"name": name, "value": value, "domain": "localhost", "path": path, "httpOnly": http_only}


@pytest.mark.parametrize("frontend", OLDER, ids=str)
async def test_an_older_frontend_sees_no_session_unless_it_is_catered_for(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await open_page(await open_context(), await open_shop(frontend, frontend_compatibility=False), frontend)
    await page.sign_in()
    assert not await page.session_exists()
    assert "id-refresh-token" not in dict(page.site.line.to("/login")[-1].answer_headers)


@pytest.mark.parametrize("frontend", [*LATER, IN_HEADERS[-1]], ids=str)
async def test_a_later_frontend_does_not_notice_that_older_ones_are_catered_for(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await open_page(await open_context(), await open_shop(frontend, frontend_compatibility=True), frontend)
    await page.sign_in()
    page.site.expire()
    assert (await page.call(CHECKED))["status"] == 200
    assert await page.attempt("signOut") == {"value": None}
    assert not await page.session_exists()
    assert {name for each in page.site.line.passed for name, _ in each.answer_headers}.isdisjoint({"id-refresh-token"})


@pytest.mark.parametrize("frontend", IN_COOKIES, ids=str)
async def test_what_another_backend_left_in_the_browser_ends_in_one_sign_in(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    context = await open_context()
    page = await open_page(context, await open_shop(frontend), frontend)
    await context.add_cookies([left(*cookie) for cookie in LEFT])
    await page.page.reload()
    for _ in range(2):
        assert (await page.call(FEED))["status"] == 401
    assert not await page.session_exists()
    assert len(page.site.refreshes) <= 2
    await page.sign_in()
    page.site.expire()
    assert (await page.call(CHECKED))["status"] == 200
    assert page.site.events.named(EventName.TOKEN_THEFT) == []


@pytest.mark.parametrize("frontend", [OLDER[0], OLDER[-1], LATER[-1]], ids=str)
async def test_paths_and_status_are_the_choice_of_the_application(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    site = await open_shop(
        frontend, refresh_api_path="/session/refresh", signout_api_path="/signout", session_expired_status_code=440
    )
    page = await open_page(await open_context(), site, frontend)
    await page.sign_in()
    page.site.expire()
    assert (await page.call(CHECKED))["status"] == 200
    assert await page.attempt("signOut") == {"value": None}
    assert not await page.session_exists()
    assert (await page.call(CHECKED))["status"] == 440


@pytest.mark.sampled("before")
@pytest.mark.parametrize("before", OLDER, ids=str)
async def test_users_stay_signed_in_when_an_application_replaces_an_older_frontend_by_the_newest(
    open_shop: OpenShop, open_context: OpenContext, before: Frontend
) -> None:
    context = await open_context()
    site = await open_shop(before)
    await (await open_page(context, site, before)).sign_in()
    page = await open_page(context, site, LATER[-1])
    assert json.loads((await page.call(FEED))["body"])["user"] == "alice"
    assert await page.session_exists()


@pytest.mark.sampled("before")
@pytest.mark.parametrize("before", IN_COOKIES, ids=str)
async def test_users_stay_signed_in_when_an_application_replaces_its_frontend_by_ours(
    open_shop: OpenShop, open_context: OpenContext, before: Frontend
) -> None:
    context = await open_context()
    site = await open_shop(before)
    await (await open_page(context, site, before)).sign_in()
    page = await open_our_page(context, site)
    assert (await page.attempt("doesSessionExist"))["value"] is True
    site.expire()
    assert json.loads((await page.call(FEED))["body"])["user"] == "alice"
    assert await page.attempt("signOut") == {"value": None}
    assert (await page.attempt("doesSessionExist"))["value"] is False
