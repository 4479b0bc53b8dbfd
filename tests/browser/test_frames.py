"""Frames and workers of a page: they share its session, refresh it once together and lose it together."""

from __future__ import annotations

import asyncio
import json

import pytest
from playwright.async_api import BrowserContext, Frame

from tests.browser.line import PATIENCE
from tests.browser.site import CHECKED, EACH_WAY, FEED, PATIENT, Site, Tab, open_tab, until
from tests.browser.test_intercept import serve_sdk

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRAME = """(src) => new Promise((resolve) => {
  const frame = Object.assign(document.createElement("iframe"), { src, onload: resolve });
  document.body.append(frame);
})"""
CALL = "(path) => call(path).then((answer) => answer.status)"

WORKER = """async (source) => {
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  const worker = new Worker(address, { type: "module" });
  window.ask = (message) => new Promise((resolve) => {
    worker.onmessage = ({ data }) => resolve(data);
    worker.onerror = (event) => resolve(event.message);
    worker.postMessage(message);
  });
}"""
PLAIN = "onmessage = async ({ data }) => postMessage((await fetch(data)).status)"
CLIENT = """onmessage = async ({ data: [origin, options] }) => {
  const { createSessionClient } = await import(`${origin}/reseal-browser.js`);
  try {
    await createSessionClient({ apiDomain: origin, ...options }).fetch(`${origin}/api/feed`);
    postMessage("sent");
  } catch (error) {
    postMessage(`${error.name}: ${error.message}`);
  }
}"""


async def open_frame(tab: Tab) -> Frame:
    await tab.page.evaluate(FRAME, tab.site.origin + "/")
    frame = tab.page.frames[-1]
    await until(frame, "window.session !== undefined")
    return frame


@EACH_WAY
async def test_a_frame_shares_the_session_of_its_page_and_their_refresh_is_one(
    site: Site, context: BrowserContext
) -> None:
    await context.add_init_script(PATIENT)
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    frames = [await open_frame(tab) for _ in range(3)]
    for generation in (1, 2):
        site.expire()
        answers = await asyncio.gather(*[each.evaluate(CALL, CHECKED) for each in (tab.page, *frames)])
        assert answers == [200] * 4
        assert (await site.row(handle)).generation == len(site.refreshes) == generation
    await frames[0].evaluate("attempt('signOut')")
    await tab.hears("SESSION_EXPIRED elsewhere")
    assert await frames[1].evaluate(CALL, FEED) == (await tab.call())["status"] == 401


@EACH_WAY
async def test_a_frame_that_is_removed_in_the_middle_of_its_refresh_takes_nobody_along(
    site: Site, context: BrowserContext
) -> None:
    tab = await open_tab(context, site)
    handle = await tab.sign_in()
    frame = await open_frame(tab)
    site.expire()
    held = site.line.hold(site.refresh_path)
    await frame.evaluate(f"void call('{FEED}')")
    await held.arrived()
    call = tab.calling(CHECKED)
    await tab.page.evaluate("document.querySelector('iframe').remove()")
    assert (await call)["status"] == 200
    held.release()
    assert (await site.row(handle)).generation == 1


async def test_a_worker_sends_the_cookies_and_its_page_refreshes_for_it(site: Site, tab: Tab) -> None:
    await tab.sign_in()
    await tab.page.evaluate(WORKER, PLAIN)
    asked = f"ask('{site.origin}{CHECKED}')"
    assert await tab.page.evaluate(asked) == 200
    site.expire()
    assert await tab.page.evaluate(asked) == 401
    assert await tab.attempt("attemptRefreshingSession") == {"value": True}
    assert await tab.page.evaluate(asked) == 200
    assert len(site.refreshes) == 1


@EACH_WAY
async def test_a_client_in_a_worker_fails_and_sends_nothing(site: Site, tab: Tab, page_options: dict[str, str]) -> None:
    """There is no document, so neither its cookies nor its storage: no session, rather than half of one."""
    await tab.sign_in()
    await tab.page.evaluate(WORKER, CLIENT)
    site.line.forget()
    asked = f"ask({json.dumps([site.origin, page_options])})"
    said = await asyncio.wait_for(tab.page.evaluate(asked), PATIENCE)
    assert said == "ReferenceError: document is not defined"
    assert site.line.to(FEED) == []


@EACH_WAY
async def test_a_sandboxed_frame_may_make_a_client_and_calls_as_it_may_without(
    site: Site, context: BrowserContext, page_options: dict[str, str]
) -> None:
    serve_sdk(site)
    tab = await open_tab(context, site)
    await tab.sign_in()
    script = f"""<script src="{site.origin}/sdk/reseal-browser.classic.js"></script><script>
      const session = reseal.createSessionClient({json.dumps({"apiDomain": site.origin, **page_options})});
      session.fetch("{site.origin}{FEED}").then(String, (error) => error.message).then((told) => {{
        parent.postMessage([told, session.getUserId() ?? null], "*");
      }});
    </script>"""
    sandboxed = """(srcdoc) => new Promise((resolve) => {
      onmessage = ({ data }) => resolve(data);
      const frame = document.createElement("iframe");
      frame.sandbox = "allow-scripts";
      frame.srcdoc = srcdoc;
      document.body.append(frame);
    })"""
    assert await tab.page.evaluate(sandboxed, script) == ["Failed to fetch", None]
