"""Somebody signs in while the session of another one is refreshed: whoever signed in last stays signed in."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from playwright.async_api import BrowserContext

from tests.browser.line import PATIENCE
from tests.browser.site import CHECKED, EACH_WAY, FEED, Site, Tab, in_step, open_tab
from tests.browser.test_intercept import intercepting, serve_sdk

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAITING = """const start = window.setTimeout;
window.setTimeout = (call, ms, ...given) => start(call, ms === 5000 ? %d : ms, ...given);"""
"""What is under way is waited for so many ms instead of 5 s."""
HURRIED, PATIENT = 50, 1000 * PATIENCE
SIGN_IN = {
    "fetch": "fetch('/login', init).then((r) => r.json())",
    "XMLHttpRequest": """new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.open("POST", "/login");
      xhr.onload = () => resolve(JSON.parse(xhr.response));
      xhr.send(init.body);
    })""",
}
IS_WAITING = """async () => {
  const { held, pending } = await navigator.locks.query();
  return [held.length, pending.map(({ mode }) => mode)];
}"""


async def expired_tab(context: BrowserContext, site: Site, waiting: int = PATIENT) -> Tab:
    await context.add_init_script(WAITING % waiting)
    tab = await open_tab(context, site)
    await tab.sign_in("alice")
    site.expire()
    site.line.forget()
    return tab


async def waits_for_the_lock(tab: Tab) -> None:
    await tab.until(f"({IS_WAITING})().then(([held, pending]) => held === 1 && pending.includes('shared'))")


async def assert_bob_is_signed_in(site: Site, *tabs: Tab) -> None:
    await in_step(*tabs)
    for tab in tabs:
        assert await tab.page.evaluate("session.getUserId()") == "bob"
        assert json.loads((await tab.call(CHECKED))["body"]) == {"user": "bob"}
        assert "SESSION_EXPIRED" not in {each.split()[0] for each in await tab.told()}
    site.expire()
    assert json.loads((await tabs[0].call(CHECKED))["body"]) == {"user": "bob"}


@EACH_WAY
@pytest.mark.parametrize("is_other", [False, True], ids=["same tab", "another tab"])
async def test_a_sign_in_during_a_refresh_waits_for_its_answer(
    site: Site, context: BrowserContext, is_other: bool
) -> None:
    tab = await expired_tab(context, site)
    other = await open_tab(context, site) if is_other else tab
    held = site.line.hold(site.refresh_path)
    call = tab.calling()
    await held.arrived()
    login = asyncio.create_task(other.sign_in("bob"))
    await waits_for_the_lock(other)
    assert site.line.to("/login") == []
    held.release()
    await asyncio.gather(call, login)
    await assert_bob_is_signed_in(site, *{tab, other})


@pytest.mark.parametrize("way", SIGN_IN)
async def test_so_does_an_intercepted_one(site: Site, context: BrowserContext, way: str) -> None:
    serve_sdk(site)
    tab = await intercepting(await expired_tab(context, site))
    held = site.line.hold(site.refresh_path)
    call = tab.calling()
    await held.arrived()
    init: dict[str, Any] = {"method": "POST", "body": json.dumps({"user": "bob"})}
    login = asyncio.create_task(tab.page.evaluate(f"(init) => {SIGN_IN[way]}", init))
    await waits_for_the_lock(tab)
    assert site.line.to("/login") == []
    held.release()
    await asyncio.gather(call, login)
    await assert_bob_is_signed_in(site, tab)


@EACH_WAY
@pytest.mark.parametrize("is_other", [False, True], ids=["same tab", "another tab"])
async def test_a_refresh_that_takes_too_long_to_be_waited_for_does_not_undo_a_sign_in(
    site: Site, context: BrowserContext, is_other: bool
) -> None:
    tab = await expired_tab(context, site, HURRIED)
    other = await open_tab(context, site) if is_other else tab
    held = site.line.hold(site.refresh_path)
    call = tab.calling()
    await held.arrived()
    await other.sign_in("bob")
    assert (await call)["status"] == 401
    await held.given_up()
    held.release()
    assert len(site.line.to(FEED)) == 1
    await assert_bob_is_signed_in(site, *{tab, other})


@EACH_WAY
@pytest.mark.parametrize("is_other", [False, True], ids=["same tab", "another tab"])
async def test_a_refresh_waits_for_a_sign_in_under_way_and_is_then_not_sent(
    site: Site, context: BrowserContext, is_other: bool
) -> None:
    tab = await expired_tab(context, site)
    other = await open_tab(context, site) if is_other else tab
    held = site.line.hold("/login")
    login = asyncio.create_task(other.sign_in("bob"))
    await held.arrived()
    call = tab.calling()
    await tab.until(f"({IS_WAITING})().then(([held, pending]) => held === 1 && pending.includes('exclusive'))")
    held.release()
    await login
    assert (await call)["status"] == 401
    assert (len(site.refreshes), len(site.line.to(FEED))) == (0, 1)
    await assert_bob_is_signed_in(site, *{tab, other})
