"""The session in Firefox: begun, expired, refreshed once for all tabs, intercepted and ended, in cookies and in headers."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

import httpx
import pytest
import pytest_asyncio

from reseal import EventName
from tests.browser.conftest import OpenSite
from tests.browser.libraries.firefox import Context, Firefox, launched_firefox
from tests.browser.libraries.project import HERE
from tests.browser.site import CHECKED, EACH_WAY, FEED, NOTE, WAYS, Site, Tab
from tests.browser.test_dpop import KEYS
from tests.browser.test_intercept import intercepting, send, serve_sdk
from tests.support.packages import npm_packages

pytestmark = pytest.mark.asyncio(loop_scope="session")

OpenTab = Callable[[], Awaitable[Tab]]
"""Further tabs share cookies and storage with the first."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox() -> AsyncIterator[Firefox]:
    async with launched_firefox(npm_packages("libraries", HERE) / "node_modules") as started:
        yield started


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_site: OpenSite, page_options: dict[str, Any]) -> Site:
    if "dpop" not in page_options:
        return await open_site(page_options=page_options)
    bound = await open_site(page_options=page_options, device_binding="offer", dpop_proof_age=0)
    serve_sdk(bound)
    return bound


@pytest_asyncio.fixture(loop_scope="session")
async def open_one(firefox: Firefox, site: Site) -> AsyncIterator[OpenTab]:
    context = Context(firefox, id(site))

    async def opened() -> Tab:
        tab = Tab(await context.new_page(f"{site.origin}/"), site)  # type: ignore[arg-type]
        await tab.until("() => 'session' in window")
        return tab

    yield opened
    await context.close()


def presented(cookies: Mapping[str, str]) -> dict[str, str]:
    return {"rid": "session", "cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


def expire(site: Site) -> None:
    site.expire()
    site.line.forget()


@EACH_WAY
async def test_a_session_is_begun_expires_is_refreshed_and_ends_in_every_tab(site: Site, open_one: OpenTab) -> None:
    tab, other = await open_one(), await open_one()
    await tab.sign_in()
    await other.hears("SESSION_CREATED")
    expire(site)
    assert await tab.calls(5) == [200] * 5
    assert len(site.refreshes) == 1
    assert (await other.call())["status"] == 200
    assert len(site.refreshes) == 1, "the other tab goes on with what the first has brought"
    await tab.attempt("signOut")
    await other.hears("SESSION_EXPIRED elsewhere")
    assert await other.page.evaluate("session.doesSessionExist()") is False
    assert await tab.tokens() == {}
    assert (await other.call())["status"] == 401


@EACH_WAY
async def test_two_tabs_at_once_share_one_refresh(site: Site, open_one: OpenTab) -> None:
    tab, other = await open_one(), await open_one()
    await tab.sign_in()
    await other.hears("SESSION_CREATED")
    expire(site)
    held = site.line.hold(site.refresh_path)
    calls = [tab.calling(), other.calling()]
    await held.arrived()
    await other.until("() => navigator.locks.query().then(({ pending }) => pending.length > 0)")
    held.release()
    assert [answer["status"] for answer in await asyncio.gather(*calls)] == [200, 200]
    assert len(site.refreshes) == 1


@EACH_WAY
async def test_fetch_and_xml_http_request_of_the_page_are_intercepted(site: Site, open_one: OpenTab) -> None:
    serve_sdk(site)
    tab = await intercepting(await open_one())
    await tab.sign_in()
    expire(site)
    assert json.loads((await send(tab))["response"])["user"] == "alice"
    assert [each.path for each in site.line.passed] == [FEED, site.refresh_path, FEED]
    expire(site)
    answer = await send(tab, NOTE, "POST", form="käse", upload=True)
    assert (answer["status"], ["käse" in note for note in site.notes]) == (200, [True])
    assert [each for each in answer["told"] if each == "upload loadend"] == ["upload loadend"]
    expire(site)
    assert await tab.page.evaluate(f"fetch('{FEED}').then(({{ status }}) => status)") == 200
    assert len(site.refreshes) == 1


@pytest.mark.parametrize("page_options", [WAYS["header"] | {"dpop": True}])
async def test_a_session_is_bound_to_a_key_that_tabs_share_and_that_ends_with_it(site: Site, open_one: OpenTab) -> None:
    tab, other = await open_one(), await open_one()
    await tab.sign_in()
    assert site.events.named(EventName.SESSION_BOUND)
    await other.hears("SESSION_CREATED")
    expire(site)
    assert await tab.calls(3) == [200] * 3
    assert await other.calls(3) == [200] * 3
    ((_, attempt),) = await other.page.evaluate(KEYS)
    assert attempt == "InvalidAccessError"
    await intercepting(other)
    assert (await send(other, NOTE, "POST", body="x"))["status"] == 200
    await tab.attempt("signOut")
    assert await tab.page.evaluate(KEYS) == []
    assert site.events.named(EventName.BINDING_REFUSED) == []


async def test_a_lost_answer_of_the_refresh_is_asked_for_again_and_a_theft_is_told(
    site: Site, open_one: OpenTab
) -> None:
    tab = await open_one()
    await tab.sign_in()
    expire(site)
    site.line.lose(site.refresh_path)
    assert (await tab.call(CHECKED))["status"] == 200
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION"]
    site.leave_race_window()
    async with httpx.AsyncClient(base_url=site.origin) as thief:
        answer = await thief.post(site.refresh_path, headers=presented(await tab.tokens()))
        assert (await thief.get(CHECKED, headers=presented(answer.cookies))).status_code == 200
    site.leave_race_window()
    expire(site)
    assert (await tab.call())["status"] == 401
    assert (await tab.told())[-2:] == ["TOKEN_THEFT", "SESSION_EXPIRED token-theft"]
    assert await tab.tokens() == {}
