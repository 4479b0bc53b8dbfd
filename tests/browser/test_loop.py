"""Expiry, one refresh, the call again: what the seed promises, over a real wire."""

from __future__ import annotations

import json

import pytest
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenContext, OpenSite
from tests.browser.site import FEED, NOTE, Site, Tab, open_tab, tokens

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_an_expired_session_is_refreshed_once_and_the_call_repeated(
    site: Site, tab: Tab, context: BrowserContext
) -> None:
    handle = await tab.sign_in()
    assert (await tab.call())["status"] == 200
    before = await tokens(context)
    site.expire()
    site.line.forget()
    answer = await tab.call()
    assert (answer["status"], json.loads(answer["body"])["user"]) == (200, "alice")
    assert [(each.method, each.path, each.status) for each in site.line.passed] == [
        ("GET", FEED, 401),
        ("POST", "/session/refresh", 200),
        ("GET", FEED, 200),
    ]
    assert json.loads(site.line.passed[0].answer) == {"message": "try refresh token"}
    after = await tokens(context)
    assert before.keys() == after.keys()
    assert not set(before.values()) & set(after.values())
    assert (await site.row(handle)).generation == 1
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION"]


# S41
async def test_the_refresh_token_travels_to_the_refresh_path_only(site: Site, tab: Tab) -> None:
    await tab.sign_in()
    for _ in range(2):
        assert await tab.calls(50) == [200] * 50
        assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
        site.expire()
        await tab.page.reload()
    await tab.attempt("signOut")
    assert {each.path for each in site.line.passed if "sRefreshToken" in each.cookies} == {site.refresh_path}
    assert len(site.refreshes) == 1
    assert "sAccessToken" in site.line.to(FEED)[-1].cookies


# S41, S64
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "PATCH", "OPTIONS"])
async def test_only_a_post_refreshes(site: Site, tab: Tab, context: BrowserContext, method: str) -> None:
    handle = await tab.sign_in()
    before, row = await tokens(context), await site.row(handle)
    assert (await tab.call(site.refresh_path, method=method))["status"] == 405
    assert "sRefreshToken" in site.refreshes[0].cookies
    assert (await tokens(context), await site.row(handle)) == (before, row)


# S68
async def test_thirty_calls_at_the_moment_of_expiry_share_one_refresh(site: Site, tab: Tab) -> None:
    handle = await tab.sign_in()
    for generation in (1, 2):
        site.expire()
        assert await tab.calls(30) == [200] * 30
        assert len(site.refreshes) == generation
        assert (await site.row(handle)).generation == generation


async def test_a_call_with_a_body_is_repeated_with_it(site: Site, tab: Tab) -> None:
    await tab.sign_in()
    site.expire()
    assert (await tab.call(NOTE, method="POST", body="hello, twice sent"))["status"] == 200
    assert site.notes == ["hello, twice sent"]
    assert [each.status for each in site.line.to(NOTE)] == [401, 200]


async def test_the_session_expired_status_may_be_440_as_in_the_seed(
    open_site: OpenSite, open_context: OpenContext
) -> None:
    site = await open_site(session_expired_status_code=440, refresh_api_path="/api/refresh")
    tab = await open_tab(await open_context(), site)
    handle = await tab.sign_in()
    site.expire()
    assert (await tab.call())["status"] == 200
    assert [(each.path, each.status) for each in site.line.passed[-3:]] == [
        (FEED, 440),
        ("/api/refresh", 200),
        (FEED, 200),
    ]
    await site.reseal.sessions.revoke_session_using_session_handle(handle)
    site.expire()
    answer = await tab.call()
    assert (answer["status"], site.refreshes[-1].status) == (440, 440)
    assert (await tab.told())[-1] == "SESSION_EXPIRED refused"


async def test_anti_csrf_tokens_follow_the_session(open_site: OpenSite, open_context: OpenContext) -> None:
    site = await open_site(enable_anti_csrf=True)
    tab = await open_tab(await open_context(), site)
    await tab.sign_in()
    for _ in range(2):
        assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
        site.expire()
        assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
    sent = [each.header("anti-csrf") for each in site.line.to(NOTE) if each.status == 200]
    assert all(sent)
    assert len(set(sent)) == 3
