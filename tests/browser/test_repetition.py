"""A call that is repeated after a refresh is the call that was made, whatever the page has done since."""

from __future__ import annotations

from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenPages
from tests.browser.site import FEED, NOTE, Site, Tab, open_tab
from tests.browser.test_intercept import intercepting, serve_sdk

pytestmark = pytest.mark.asyncio(loop_scope="session")

WAYS = {
    "session.fetch": "session.fetch(address, { method: 'POST', body }).then((r) => r.status)",
    "fetch": "fetch(address, { method: 'POST', body }).then((r) => r.status)",
    "XMLHttpRequest": """new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.open("POST", address);
      xhr.onload = () => resolve(xhr.status);
      xhr.send(body);
    })""",
}
BODIES = {
    "parameters": ("new URLSearchParams({ note: 'kept' })", "body.set('note', 'changed')"),
    "form": (
        "(() => { const form = new FormData(); form.set('note', 'kept'); return form; })()",
        "body.set('note', 'changed')",
    ),
    "bytes": ("new TextEncoder().encode('kept')", "body.fill(65)"),
    "view": ("new DataView(new TextEncoder().encode('kept').buffer)", "body.setUint8(0, 65)"),
    "buffer": ("new TextEncoder().encode('kept').buffer", "new Uint8Array(body).fill(65)"),
}
COUNTING = """() => {
  window.sent = new Map();
  window.waiting = 0;
  const { send } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.send = function (...given) {
    sent.set(this, (sent.get(this) ?? 0) + 1);
    waiting += 1;
    this.addEventListener("readystatechange", () => this.readyState === 4 && (waiting -= 1));
    return send.apply(this, given);
  };
}"""
"""As a wrapper does that wants to know when nothing is under way any more."""


@pytest_asyncio.fixture(loop_scope="session")
async def expired(site: Site, context: BrowserContext) -> Tab:
    serve_sdk(site)
    tab = await open_tab(context, site)
    await tab.page.evaluate(COUNTING)
    await intercepting(tab)
    await tab.sign_in()
    site.expire()
    site.line.forget()
    return tab


@pytest.mark.parametrize("way", WAYS)
async def test_a_relative_address_is_that_of_the_moment_of_the_call(site: Site, expired: Tab, way: str) -> None:
    await expired.page.evaluate("history.pushState(null, '', '/api/x')")
    held = site.line.hold(site.refresh_path)
    script = f"() => {{ const address = 'note', body = 'kept'; window.answer = {WAYS[way]}; }}"
    await expired.page.evaluate(script)
    await held.arrived()
    await expired.page.evaluate("history.pushState(null, '', '/other/x')")
    held.release()
    assert await expired.page.evaluate("answer") == 200
    assert site.notes == ["kept"]
    assert [each.path for each in site.line.passed] == [NOTE, site.refresh_path, NOTE]


@pytest.mark.parametrize("body", BODIES)
async def test_a_body_is_that_of_the_moment_of_the_call(site: Site, expired: Tab, body: str) -> None:
    make, change = BODIES[body]
    for way in WAYS.values():
        site.expire()
        held = site.line.hold(site.refresh_path)
        script = (
            f"() => {{ window.body = {make}; const address = '{NOTE}', body = window.body; window.answer = {way}; }}"
        )
        await expired.page.evaluate(script)
        await held.arrived()
        await expired.page.evaluate(change)
        held.release()
        assert await expired.page.evaluate("answer") == 200
    assert len(site.notes) == 3
    assert ["kept" in note for note in site.notes] == [True] * 3


async def test_each_object_of_the_browser_is_sent_once_and_comes_to_its_end(site: Site, expired: Tab) -> None:
    script = f"() => {{ const address = '{NOTE}', body = 'x'; return {WAYS['XMLHttpRequest']}; }}"
    assert await expired.page.evaluate(script) == 200
    assert await expired.page.evaluate("[[...sent.values()], waiting]") == [[1, 1], 0]
    site.line.answer(site.refresh_path, 403)
    site.expire()
    failing = """() => new Promise((resolve) => {
      const xhr = new XMLHttpRequest();
      xhr.open("GET", "/api/feed");
      xhr.onerror = () => resolve(xhr.readyState);
      xhr.send();
    })"""
    assert await expired.page.evaluate(failing) == 4
    assert await expired.page.evaluate("[[...sent.values()], waiting]") == [[1, 1, 1], 0]


async def test_a_page_that_polls_does_not_see_the_refused_attempt(site: Site, expired: Tab) -> None:
    script = """() => new Promise((resolve) => {
      const seen = new Set();
      const xhr = new XMLHttpRequest();
      const look = () => {
        seen.add(`${xhr.readyState} ${xhr.status} ${xhr.responseText.slice(0, 7)}`);
        if (xhr.readyState === 4) resolve([...seen]);
        else setTimeout(look);
      };
      xhr.open("GET", "/api/feed");
      xhr.send();
      look();
    })"""
    seen = await expired.page.evaluate(script)
    assert not [each for each in seen if "401" in each or "try" in each]
    assert seen[0] == "1 0 "
    assert seen[-1] == '4 200 {"user"'


async def test_the_time_of_a_request_counts_over_the_refresh(site: Site, expired: Tab) -> None:
    held = site.line.hold(site.refresh_path)
    script = """(timeout) => new Promise((resolve) => {
      const told = [];
      const xhr = new XMLHttpRequest();
      xhr.open("GET", "/api/feed");
      xhr.timeout = timeout;
      for (const type of ["load", "error", "abort", "timeout", "loadend"]) {
        xhr.addEventListener(type, () => told.push(`${type} ${xhr.readyState} ${xhr.status}`));
      }
      xhr.addEventListener("loadend", () => resolve(told));
      xhr.send();
    })"""
    assert await expired.page.evaluate(script, 50) == ["timeout 4 0", "loadend 4 0"]
    await held.arrived()
    held.release()
    assert await expired.attempt("attemptRefreshingSession") == {"value": True}
    site.expire()
    refused = site.line.hold(FEED, 2)
    refused.release(0)
    assert await expired.page.evaluate(script, 500) == ["timeout 4 0", "loadend 4 0"]
    refused.release(1)


async def test_a_last_call_with_a_request_leaves_before_the_page_does(site: Site, expired: Tab) -> None:
    await expired.sign_in()
    await expired.page.evaluate("""() => addEventListener("pagehide", () => {
      session.fetch(new Request("/api/note", { method: "POST", body: "bye", keepalive: true }));
      fetch(new Request("/api/note", { method: "POST", body: "bye", keepalive: true }));
    })""")
    await expired.page.goto(site.origin + "/blank")
    await site.line.until(lambda: len(site.notes) == 2)
    assert site.notes == ["bye", "bye"]


async def test_a_call_with_keepalive_is_repeated_in_full_as_well(site: Site, expired: Tab) -> None:
    script = """() => session.fetch(new Request("/api/note", { method: "POST", body: "käse", keepalive: true }))
      .then((r) => r.status)"""
    assert await expired.page.evaluate(script) == 200
    assert site.notes == ["käse"]
    assert len(site.line.to(NOTE)) == 2


SECOND = """async (options) => {
  const { createSessionClient } = await import("/reseal-browser.js");
  const { intercept } = await import("/sdk/reseal-intercept.js?" + Math.random());
  window.other = createSessionClient(options);
  window.stopOther = intercept(other);
}"""
CALLS = """() => Promise.all([
  fetch("/api/feed").then((r) => r.status),
  new Promise((resolve) => {
    const xhr = new XMLHttpRequest();
    xhr.open("GET", "/api/feed");
    xhr.onloadend = () => resolve(xhr.status);
    xhr.send();
  }),
])"""


async def test_a_second_interception_for_the_same_api_does_nothing_until_the_first_has_ended(
    site: Site, expired: Tab
) -> None:
    ours = "window.ours = [fetch, XMLHttpRequest]"
    await expired.page.evaluate(ours)
    await expired.page.evaluate(SECOND, {})
    assert await expired.page.evaluate("ours[0] === fetch && ours[1] === XMLHttpRequest")
    for ending in ("0", "stop()", "other.close()"):
        await expired.page.evaluate(ending)
        site.expire()
        site.line.forget()
        statuses: list[Any] = await expired.page.evaluate(CALLS)
        assert statuses == ([401] * 2 if ending == "other.close()" else [200] * 2), ending
        assert len(site.refreshes) == (0 if ending == "other.close()" else 1), ending


async def test_interceptions_for_two_apis_stack(site: Site, expired: Tab, open_pages: OpenPages) -> None:
    elsewhere = await open_pages()
    await expired.page.evaluate(SECOND, {"apiDomain": elsewhere.origin})
    assert await expired.page.evaluate(CALLS) == [200, 200]
    await expired.page.evaluate(f"fetch('{elsewhere.origin}/any').catch(() => 0)")
    await elsewhere.line.until(lambda: elsewhere.line.passed)
    asked = elsewhere.line.passed[0].header("access-control-request-headers") or ""
    assert "st-auth-mode" in asked
    await expired.page.evaluate("stop()")
    assert await expired.page.evaluate("new XMLHttpRequest().readyState") == 0
    await expired.page.evaluate("stopOther()")
    assert not await expired.page.evaluate("new XMLHttpRequest().hasOwnProperty('open')")
