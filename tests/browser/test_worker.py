"""The session in a service worker: pages use plain calls, and no script of theirs ever holds a token."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from tests.browser.conftest import OpenPages, OpenSite
from tests.browser.line import PATIENCE
from tests.browser.published.shop import opened_shop
from tests.browser.site import CHECKED, FEED, Pages, Site, Tab, in_step, jar, open_tab
from tests.browser.test_cross_site import START
from tests.browser.test_intercept import send, serve_sdk

pytestmark = pytest.mark.asyncio(loop_scope="session")

KINDS = {
    "module": 'import { startSessionWorker } from "/sdk/reseal-worker.js"; startSessionWorker(%s);',
    "classic": 'importScripts("/sdk/reseal-worker.classic.js"); reseal.startSessionWorker(%s);',
}
REGISTER = """async (type) => {
  const workers = navigator.serviceWorker;
  const controlled = new Promise((resolve) => workers.addEventListener("controllerchange", resolve, { once: true }));
  await workers.register("/session-worker.js", { type });
  if (!workers.controller) {
    (await workers.ready).active.postMessage(0);
    await controlled;
  }
}"""
EVERYTHING = """async () => {
  const found = [document.cookie, JSON.stringify(localStorage), JSON.stringify(sessionStorage)];
  for (const { name } of await indexedDB.databases()) {
    const database = await new Promise((resolve) => { indexedDB.open(name).onsuccess = (e) => resolve(e.target.result); });
    for (const store of database.objectStoreNames) {
      const all = database.transaction(store).objectStore(store).getAll();
      await new Promise((resolve) => { all.onsuccess = resolve; });
      const text = (value) => value?.data ? new TextDecoder("latin1").decode(value.data) : String(value);
      found.push(...all.result.map(text));
    }
    database.close();
  }
  for (const key of await caches.keys()) found.push(key);
  return found.join();
}"""


def serve_worker(site: Site | Pages, kind: str = "module", options: str = "{}") -> None:
    serve_sdk(site)

    async def script(_request: Request) -> Response:
        return Response(KINDS[kind] % options, media_type="text/javascript")

    site.line.app.router.add_route("/session-worker.js", script)  # type: ignore[attr-defined]


@pytest_asyncio.fixture(loop_scope="session")
async def header_site(open_site: OpenSite) -> Site:
    return await open_site(page_options={"tokenTransferMethod": "header"})


async def controlled_tab(context: BrowserContext, site: Site, kind: str = "module") -> Tab:
    tab = await open_tab(context, site)
    await tab.page.evaluate(REGISTER, kind)
    return tab


async def stop_worker(context: BrowserContext, tab: Tab) -> None:
    """End the worker as the browser does when it is idle; the next request starts it again."""
    devtools = await context.new_cdp_session(tab.page)
    states: asyncio.Queue[str] = asyncio.Queue()

    def note(news: dict[str, Any]) -> None:
        for version in news["versions"]:
            states.put_nowait(version["runningStatus"])

    devtools.on("ServiceWorker.workerVersionUpdated", note)
    await devtools.send("ServiceWorker.enable")
    await devtools.send("ServiceWorker.stopAllWorkers")
    async with asyncio.timeout(PATIENCE):
        while await states.get() != "stopped":
            pass
    await devtools.detach()


def secrets(site: Site) -> list[str]:
    """Every token that the application has given out."""
    names = {"st-access-token", "st-refresh-token"}
    return [value for each in site.line.passed for name, value in each.answer_headers if name in names and value]


@pytest.mark.parametrize("kind", KINDS)
async def test_pages_are_served_with_plain_calls_and_see_no_token(
    header_site: Site, context: BrowserContext, kind: str
) -> None:
    serve_worker(header_site, kind)
    tab = await controlled_tab(context, header_site, kind)
    seen: list[dict[str, str]] = []
    script = """([path, init]) => fetch(path, init).then(async (r) => ({
      status: r.status, body: await r.text(), headers: Object.fromEntries(r.headers), url: r.url }))"""
    for path, init in [("/login", {"method": "POST", "body": '{"user": "alice"}'}), (FEED, {}), (CHECKED, {})]:
        header_site.expire()
        answer = await tab.page.evaluate(script, [path, init])
        assert (answer["status"], answer["url"]) == (200, header_site.origin + path)
        seen.append(answer)
    assert (await send(tab))["status"] == 200
    given = secrets(header_site)
    assert len(given) >= 6
    visible = json.dumps(seen) + await tab.page.evaluate(EVERYTHING)
    assert not [token for token in given if token in visible]
    assert "front-token" in seen[0]["headers"]
    assert await jar(context) == {}


async def test_tabs_share_one_refresh_in_the_worker_and_their_clients_know_the_user(
    header_site: Site, context: BrowserContext
) -> None:
    serve_worker(header_site)
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    other = await open_tab(context, header_site)
    await in_step(tab, other)
    header_site.expire()
    header_site.line.forget()
    assert await tab.calls(10) == await other.calls(10) == [200] * 10
    assert len(header_site.refreshes) == 1
    assert await other.page.evaluate("session.getUserId()") == "alice"
    assert (await tab.attempt("attemptRefreshingSession"))["value"] is True
    await other.attempt("signOut")
    assert (await other.told())[-1] == "SIGN_OUT"
    await tab.hears("SESSION_EXPIRED elsewhere")
    assert (await tab.call())["status"] == 401


async def test_the_end_of_the_session_reaches_the_page_with_its_reason(
    header_site: Site, context: BrowserContext
) -> None:
    serve_worker(header_site)
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    await tab.page.evaluate('session.on("SESSION_EXPIRED", ({ serverReason }) => (window.said = serverReason)); 0')
    await header_site.reseal.sessions.revoke_all_sessions_for_user("alice")
    header_site.expire()
    assert (await tab.call())["status"] == 401
    assert (await tab.told())[-1] == "SESSION_EXPIRED refused"
    assert await tab.page.evaluate("said") == "user_revoked"


@pytest.mark.parametrize("persist", [False, True])
async def test_a_worker_that_was_stopped_knows_the_session_only_if_it_may_keep_it(
    header_site: Site, context: BrowserContext, persist: bool
) -> None:
    serve_worker(header_site, options=json.dumps({"persist": persist}))
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    for _ in range(2):
        header_site.expire()
        await tab.call()
    await stop_worker(context, tab)
    assert (await tab.call())["status"] == (200 if persist else 401)
    visible = await tab.page.evaluate(EVERYTHING)
    assert not [token for token in secrets(header_site) if token in visible]
    if persist:
        await tab.attempt("signOut")
        await stop_worker(context, tab)
        assert (await tab.call())["status"] == 401


async def test_a_page_reloaded_without_the_worker_is_taken_over_and_still_signed_in(
    header_site: Site, context: BrowserContext
) -> None:
    serve_worker(header_site)
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    devtools = await context.new_cdp_session(tab.page)
    async with tab.page.expect_event("load"):
        await devtools.send("Page.reload", {"ignoreCache": True})
    assert await tab.page.evaluate("navigator.serviceWorker.controller") is None
    await tab.page.evaluate(REGISTER, "module")
    assert (await tab.call())["status"] == 200


async def test_dedicated_workers_of_a_page_are_served_as_well(header_site: Site, context: BrowserContext) -> None:
    serve_worker(header_site)

    async def script(_request: Request) -> Response:
        source = "onmessage = async ({ data }) => postMessage((await fetch(data)).status)"
        return Response(source, media_type="text/javascript")

    header_site.line.app.router.add_route("/dedicated.js", script)  # type: ignore[attr-defined]
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    header_site.expire()
    asked = """(path) => new Promise((resolve) => {
      const worker = new Worker("/dedicated.js");
      worker.onmessage = ({ data }) => resolve(data);
      worker.postMessage(path);
    })"""
    assert await tab.page.evaluate(asked, CHECKED) == 200
    assert len(header_site.refreshes) == 1


async def test_an_api_on_another_origin_is_served_as_well(
    stack: AsyncExitStack, open_pages: OpenPages, context: BrowserContext, tmp_path: Path
) -> None:
    pages = await open_pages()
    site = await stack.enter_async_context(opened_shop(tmp_path, website_domain=pages.origin))
    options = {
        "apiDomain": site.origin,
        "refreshPath": site.settings.refresh_api_path,
        "signOutPath": site.settings.signout_api_path,
    }
    serve_worker(pages, options=json.dumps(options))
    page = await context.new_page()
    await page.goto(pages.origin)
    await page.evaluate(REGISTER, "module")
    await page.evaluate(START, [site.origin, options | {"tokenTransferMethod": "header"}])
    tab = Tab(page, site)
    handle = await tab.sign_in()
    for generation in (1, 2):
        site.expire()
        assert await page.evaluate("(url) => fetch(url).then((r) => r.status)", site.origin + CHECKED) == 200
        assert (await site.row(handle)).generation == generation
    assert len(secrets(site)) >= 6
    visible = await page.evaluate(EVERYTHING)
    assert not [token for token in secrets(site) if token in visible]
    await tab.attempt("signOut")
    assert (await site.row(handle)).ended_at is not None
    assert (await tab.call(FEED))["status"] == 401
    assert await tab.told() == ["SESSION_CREATED", "SIGN_OUT"]


async def test_what_is_no_call_of_a_script_passes_the_worker_by(header_site: Site, context: BrowserContext) -> None:
    serve_worker(header_site)
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    header_site.line.forget()
    await tab.page.goto(header_site.origin + "/api/private")
    assert header_site.line.to("/api/private")[0].header("authorization") is None
    await tab.page.goto(header_site.origin)
    await tab.page.evaluate(f"fetch('{FEED}', {{ credentials: 'omit' }})")
    assert header_site.line.to(FEED)[0].header("authorization") is None


async def test_a_worker_cannot_be_asked_for_its_tokens(header_site: Site, context: BrowserContext) -> None:
    serve_worker(header_site)
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    answers: Any = await tab.page.evaluate(
        """async () => {
          const heard = [];
          navigator.serviceWorker.addEventListener("message", (event) => heard.push(event.data));
          navigator.serviceWorker.controller.postMessage("tokens");
          const refreshed = await fetch("/session/refresh", { method: "POST" });
          return [heard, refreshed.status, Object.fromEntries(refreshed.headers), await refreshed.text()];
        }"""
    )
    assert (answers[0], answers[1], answers[3]) == ([], 200, "{}")
    assert not [token for token in secrets(header_site) if token in json.dumps(answers)]


async def test_answers_without_a_body_and_redirected_ones_reach_the_page_as_they_are(
    header_site: Site, context: BrowserContext
) -> None:
    serve_worker(header_site)

    async def empty(request: Request) -> Response:
        await header_site.reseal.get_session(request)
        return Response(status_code=int(request.path_params["status"]))

    async def redirect(_request: Request) -> Response:
        return RedirectResponse(FEED, 303)

    async def echo(request: Request) -> Response:
        await header_site.reseal.get_session(request)
        return Response(await request.body())

    router = header_site.line.app.router  # type: ignore[attr-defined]
    router.add_route("/empty/{status}", empty, methods=["GET", "POST"])
    router.add_route("/redirect", redirect, methods=["GET", "POST"])
    router.add_route("/echo", echo, methods=["POST"])
    tab = await controlled_tab(context, header_site)
    await tab.sign_in()
    script = """async ([path, method]) => {
      const response = await fetch(path, { method });
      return [response.status, response.redirected, response.url];
    }"""
    for is_expired in (False, True):
        for status in (204, 205, 304):
            if is_expired:
                header_site.expire()
            path = f"/empty/{status}"
            for method in ("GET", "POST"):
                told = await tab.page.evaluate(script, [path, method])
                assert told == [status, False, header_site.origin + path]
            assert (await send(tab, path))["status"] == status
        if is_expired:
            header_site.expire()
        told = await tab.page.evaluate(script, ["/redirect", "POST"])
        assert told == [200, True, header_site.origin + FEED]
    header_site.expire()
    with_keepalive = """() => fetch(new Request("/echo", { method: "POST", body: "bye", keepalive: true }))
      .then((r) => r.text())"""
    assert await tab.page.evaluate(with_keepalive) == "bye"
