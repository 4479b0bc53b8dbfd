"""An application that ships a published frontend keeps it: how sessions begin and end in Chromium, with each version."""

from __future__ import annotations

import json

import pytest

from reseal import EventName
from tests.browser.conftest import OpenContext
from tests.browser.published.conftest import OpenShop
from tests.browser.published.frontends import FRONTENDS, IN_COOKIES, IN_HEADERS, Frontend
from tests.browser.published.shop import PAYMENT, open_page
from tests.browser.site import CHECKED, FEED, TOKENS, jar

REPORTERS = [each for each in FRONTENDS if each.events]
CLAIM_REPORTERS = [each for each in FRONTENDS if each.claims]
LEFT_BEHIND = {*TOKENS, "st-access-token", "st-refresh-token", "sFrontToken", "sAntiCsrf"}
each_frontend = pytest.mark.parametrize("frontend", FRONTENDS, ids=str)
pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.sampled("frontend", IN_COOKIES, IN_HEADERS),
]


@each_frontend
async def test_signing_in_begins_a_session(open_shop: OpenShop, open_context: OpenContext, frontend: Frontend) -> None:
    context = await open_context()
    page = await open_page(context, await open_shop(frontend), frontend)
    await page.sign_in()
    assert await page.session_exists()
    page.site.line.forget()
    answer = await page.call(FEED)
    assert (answer["status"], json.loads(answer["body"])["user"]) == (200, "alice")
    assert page.site.refreshes == []
    out_of_reach = {each["name"] for each in await context.cookies() if each["httpOnly"]}
    assert out_of_reach == (TOKENS if frontend.mode == "cookie" else set())


@each_frontend
async def test_signing_out_ends_the_session_and_another_one_can_begin(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    context = await open_context()
    page = await open_page(context, await open_shop(frontend), frontend)
    handle = await page.sign_in()
    assert await page.attempt("signOut") == {"value": None}
    assert (await page.site.row(handle)).end_reason == "signed_out"
    assert not await page.session_exists()
    assert LEFT_BEHIND.isdisjoint(await jar(context))
    page.site.line.forget()
    assert (await page.call(FEED))["status"] == 401
    assert page.site.refreshes == []
    assert await page.sign_in("bob") != handle
    assert await page.session_exists()
    assert json.loads((await page.call(FEED))["body"])["user"] == "bob"


@each_frontend
async def test_signing_out_works_with_an_expired_access_token(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await open_page(await open_context(), await open_shop(frontend), frontend)
    handle = await page.sign_in()
    page.site.expire()
    assert await page.attempt("signOut") == {"value": None}
    assert (await page.site.row(handle)).end_reason == "signed_out"
    assert not await page.session_exists()


@each_frontend
async def test_a_session_that_was_revoked_elsewhere_ends_in_the_page(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    context = await open_context()
    page = await open_page(context, await open_shop(frontend), frontend)
    await page.sign_in()
    await page.site.reseal.sessions.revoke_all_sessions_for_user("alice")
    assert (await page.call(CHECKED))["status"] == 401
    assert not await page.session_exists()
    assert LEFT_BEHIND.isdisjoint(await jar(context))


@each_frontend
async def test_a_visitor_without_a_session_is_refused_and_holds_nothing(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    context = await open_context()
    page = await open_page(context, await open_shop(frontend), frontend)
    for _ in range(3):
        assert (await page.call(FEED))["status"] == 401
    assert not await page.session_exists()
    assert len(page.site.refreshes) == (1 if frontend.asks_first else 0)
    assert [each for each in await context.cookies() if each["httpOnly"]] == []
    assert page.site.events.named(EventName.REFRESH_REFUSED) == []


@pytest.mark.parametrize("frontend", REPORTERS, ids=str)
async def test_the_page_is_told_what_happens_to_its_session(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await open_page(await open_context(), await open_shop(frontend), frontend)
    await page.sign_in()
    page.site.expire()
    await page.call(FEED)
    await page.attempt("signOut")
    told = await page.told()
    assert [each for each in told if each != "ACCESS_TOKEN_PAYLOAD_UPDATED"] == [
        "SESSION_CREATED",
        "REFRESH_SESSION",
        "SIGN_OUT",
    ]
    await page.sign_in()
    await page.site.reseal.sessions.revoke_all_sessions_for_user("alice")
    await page.call(CHECKED)
    [begun, *ended] = (await page.told())[len(told) :]
    assert begun == "SESSION_CREATED"
    assert set(ended) == {"UNAUTHORISED"}


@pytest.mark.parametrize("frontend", CLAIM_REPORTERS, ids=str)
async def test_the_page_is_told_that_a_claim_is_missing(
    open_shop: OpenShop, open_context: OpenContext, frontend: Frontend
) -> None:
    page = await open_page(await open_context(), await open_shop(frontend), frontend)
    await page.sign_in()
    page.site.line.forget()
    assert (await page.call(PAYMENT))["status"] == 403
    assert (await page.told())[-1] == "API_INVALID_CLAIM"
    assert await page.session_exists()
    assert page.site.refreshes == []
