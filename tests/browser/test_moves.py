"""A change of configuration meets a Chromium with cookies of the old one: the session goes on, or ends once, cleanly."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest

from reseal import AsyncEngine, EventName
from reseal.starlette import Reseal
from tests.browser.conftest import OpenContext, OpenSite
from tests.browser.site import CHECKED, Site, Tab, jar, make_app, open_tab

pytestmark = pytest.mark.asyncio(loop_scope="session")

HOST, DOMAIN = "api.app.test", "app.test"
HEADERS = "headers"
CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "this host alone": {},
    "the whole domain": {"cookie_domain": DOMAIN},
    "another refresh path": {"refresh_api_path": "/api/refresh"},
    HEADERS: {},
}
ALL_DEFAULT = {"cookie_domain": None, "refresh_api_path": "/session/refresh"}
CONTINUES = {
    *permutations(["this host alone", "the whole domain", HEADERS], 2),
    (HEADERS, "another refresh path"),
}
"""What is not in here changes the refresh cookie's name or path, so that it no longer arrives."""
DAY = 86_400


def page_options(name: str) -> dict[str, Any]:
    return {"tokenTransferMethod": "header" if name == HEADERS else "cookie"}


async def opened(open_site: OpenSite, certificate: Path, name: str) -> Site:
    place = {"host": HOST, "certificate": certificate, "page_options": page_options(name)}
    return await open_site(**place, **CONFIGURATIONS[name])


async def move(site: Site, name: str, **more: Any) -> None:
    """Let another configuration take over, with the same store and at the same address."""
    site.settings = settings = replace(site.settings, **ALL_DEFAULT | CONFIGURATIONS[name] | more)
    engine = AsyncEngine(settings, site.store, clock=site.clock, on_event=site.events)
    await engine.open()
    site.reseal = Reseal(settings, sessions=engine, clock=site.clock, on_event=site.events)
    options = {"refreshPath": settings.refresh_api_path} | page_options(name)
    site.line.app = make_app(site.reseal, site.notes, options)


async def everything_works(site: Site, tab: Tab) -> None:
    handle = await tab.sign_in()
    for generation in (1, 2):
        site.expire()
        assert await tab.calls(5, CHECKED) == [200] * 5
        assert (await site.row(handle)).generation == generation
    assert await tab.attempt("signOut") == {"value": None}
    assert await tab.tokens() == {}
    assert (await tab.call())["status"] == 401


# S60, S55
@pytest.mark.parametrize(("before", "after"), list(permutations(CONFIGURATIONS, 2)))
async def test_after_a_change_the_session_goes_on_or_ends_in_one_clean_refusal(
    open_site: OpenSite, open_context: OpenContext, certificate: Path, before: str, after: str
) -> None:
    site = await opened(open_site, certificate, before)
    context = await open_context()
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    await move(site, after)
    await tab.page.reload()
    site.expire()
    site.line.forget()
    answer = await tab.call(CHECKED)
    assert len(site.refreshes) <= 2
    assert answer["status"] == (200 if (before, after) in CONTINUES else 401)
    assert (await site.row(handle)).ended_at is None
    assert (await tab.call(CHECKED))["status"] == answer["status"]
    assert len(site.refreshes) <= 2
    await everything_works(site, tab)
    assert site.events.named(EventName.TOKEN_THEFT) == []


# S60
@pytest.mark.parametrize(
    ("before", "after", "older"),
    [("this host alone", "the whole domain", ""), ("the whole domain", "this host alone", DOMAIN)],
)
async def test_the_cookies_of_an_older_domain_are_gone_after_one_refresh(
    open_site: OpenSite, open_context: OpenContext, certificate: Path, before: str, after: str, older: str
) -> None:
    site = await opened(open_site, certificate, before)
    context = await open_context()
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    old = {(each["name"], each["domain"]) for each in await context.cookies() if each["httpOnly"]}
    assert len(old) == 2
    await move(site, after, older_cookie_domain=older)
    site.expire()
    assert await tab.calls(5, CHECKED) == [200] * 5
    new = {(each["name"], each["domain"]) for each in await context.cookies() if each["httpOnly"]}
    assert (len(new), old & new) == (2, set())
    assert ((await site.row(handle)).generation, len(site.refreshes)) == (1, 1)
    await everything_works(site, tab)
    assert [each for each in await context.cookies() if each["httpOnly"]] == []


# S55
async def test_an_old_cookie_of_each_name_beside_the_new_one_confuses_nobody(
    open_site: OpenSite, open_context: OpenContext
) -> None:
    """Older software, or another path, has left cookies that Chromium sends along, and that nobody clears."""
    site = await open_site()
    context = await open_context()
    tab = await open_tab(context, site)
    stale = await tab.sign_in("alice")
    names = await jar(context)
    for name in ("sAccessToken", "sRefreshToken"):
        for path in ("/api", "/session"):
            cookie = {"name": name, "value": names[name], "domain": "localhost", "path": path}
            await context.add_cookies([cookie])  # type: ignore[list-item]
    site.clock.advance(60_000)
    handle = await tab.sign_in("bob")
    assert json.loads((await tab.call())["body"])["user"] == "bob"
    assert (await site.row(stale)).ended_at is not None
    for generation in (1, 2):
        site.expire()
        site.line.forget()
        assert await tab.calls(5, CHECKED) == [200] * 5
        assert json.loads((await tab.call())["body"])["user"] == "bob"
        assert len(site.refreshes) <= 2
        assert (await site.row(handle)).generation == generation
    assert site.events.named(EventName.TOKEN_THEFT) == []


# S56
async def test_chromium_keeps_a_session_of_years_for_400_days(open_site: OpenSite, open_context: OpenContext) -> None:
    site = await open_site(refresh_token_validity=10 * 365 * 24 * 60)
    context = await open_context()
    tab = await open_tab(context, site)
    await tab.sign_in()
    left = {each["name"]: each["expires"] - site.clock.wall() / 1000 for each in await context.cookies()}
    assert left.keys() >= {"sAccessToken", "sRefreshToken", "sFrontToken"}
    assert all(399 * DAY < each < 401 * DAY for each in left.values()), left


# S60
async def test_the_refresh_endpoint_moves_without_a_sign_out(
    open_site: OpenSite, open_context: OpenContext, certificate: Path
) -> None:
    site = await opened(open_site, certificate, "this host alone")
    context = await open_context()
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    await move(site, "another refresh path", older_refresh_api_path="/session/refresh")
    for generation in (1, 2, 3):  # the page calls the older path until it is loaded anew
        if generation == 3:
            await tab.page.reload()
        site.expire()
        assert await tab.calls(5, CHECKED) == [200] * 5
        assert (await site.row(handle)).generation == generation
        paths = {each["name"]: each["path"] for each in await context.cookies() if each["httpOnly"]}
        assert paths == {"__Host-sAccessToken": "/", "__Secure-sRefreshToken": "/api/refresh"}
    await everything_works(site, tab)
    assert site.events.named(EventName.TOKEN_THEFT) == []


# S60
async def test_a_page_that_is_loaded_after_the_move_reaches_the_cookie_at_its_older_path(
    open_site: OpenSite, open_context: OpenContext, certificate: Path
) -> None:
    site = await opened(open_site, certificate, "this host alone")
    tab = await open_tab(await open_context(), site)
    handle = await tab.sign_in()
    await move(site, "another refresh path", older_refresh_api_path="/session/refresh")
    await tab.page.reload()
    site.expire()
    assert await tab.calls(5, CHECKED) == [200] * 5
    assert (await site.row(handle)).generation == 1
