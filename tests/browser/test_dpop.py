"""Sessions in headers that are bound to a key of the browser (DPoP): pages, tabs and workers of Chromium."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from reseal import EventName
from reseal.core import base64url
from tests.browser.conftest import OpenContext, OpenPages, OpenProfile, OpenSite
from tests.browser.line import Passed
from tests.browser.published.shop import PATHS, opened_shop
from tests.browser.site import CHECKED, FEED, NOTE, PATIENT, Site, Tab, in_step, open_tab
from tests.browser.test_cross_site import API, OTHER_SITE, START
from tests.browser.test_intercept import intercepting, send, serve_sdk
from tests.browser.test_worker import KINDS, REGISTER, stop_worker

pytestmark = pytest.mark.asyncio(loop_scope="session")

KEYS = """async () => {
  const name = `reseal ${location.origin}/session/refresh keys`;
  if (!(await indexedDB.databases()).some((each) => each.name === name)) return [];
  const database = await new Promise((resolve) => { indexedDB.open(name).onsuccess = (e) => resolve(e.target.result); });
  const all = database.transaction("keys").objectStore("keys").getAll();
  await new Promise((resolve) => { all.onsuccess = resolve; });
  database.close();
  const exported = ({ privateKey }) => crypto.subtle.exportKey("jwk", privateKey).then(() => "exported", (e) => e.name);
  return Promise.all(all.result.map(async (key) => [key.thumbprint, await exported(key)]));
}"""
NO_KEYS = {
    "no database": 'indexedDB.open = () => { throw new DOMException("Not here", "InvalidStateError"); };',
    "no keys in it": 'IDBObjectStore.prototype.put = () => { throw new DOMException("No clone", "DataCloneError"); };',
    "no cryptography": 'Object.defineProperty(crypto, "subtle", { value: undefined });',
}
SAID = """window.said = [];
console.error = (error) => said.push(error.message);
onerror = (message) => said.push(`uncaught ${message}`);
onunhandledrejection = ({ reason }) => said.push(`unhandled ${reason}`);"""
A_DAY_LATE = "const now = Date.now; Date.now = () => now() - 86_400_000;"
OPTIONS_OF_SHOP = {
    "tokenTransferMethod": "header",
    "refreshPath": PATHS["refresh_api_path"],
    "signOutPath": PATHS["signout_api_path"],
}
STORED = "() => Object.entries(localStorage)"
RESTORE = "(entries) => entries.forEach(([name, value]) => localStorage.setItem(name, value))"

OpenBound = Callable[..., Awaitable[Site]]


@pytest.fixture
def open_bound(open_site: OpenSite) -> OpenBound:
    async def opened(**given: Any) -> Site:
        options = {"tokenTransferMethod": "header", "dpop": True}
        site = await open_site(page_options=options, **{"device_binding": "offer"} | given)
        serve_sdk(site)
        return site

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def site(open_bound: OpenBound) -> Site:
    return await open_bound()


async def keys(page: Page) -> list[list[str]]:
    """The keys of a page's origin: thumbprint, and what comes of an attempt to read the private half."""
    found: list[list[str]] = await page.evaluate(KEYS)
    return found


def claims(token: str) -> dict[str, Any]:
    return dict(json.loads(base64url.decode(token.split(".")[1])))


def proofs(site: Site) -> list[dict[str, Any]]:
    return [claims(each.header("dpop") or "") for each in site.line.passed if each.header("dpop")]


def shown(site: Site) -> list[tuple[str, str, int | None]]:
    """The calls with a proof: path, scheme of ``Authorization``, status of the answer."""
    return [(each.path, scheme_of(each), each.status) for each in site.line.passed if each.header("dpop")]


def scheme_of(passed: Passed) -> str:
    return (passed.header("authorization") or "").partition(" ")[0]


async def test_a_session_is_bound_at_the_sign_in_and_its_key_ends_with_it(site: Site, tab: Tab) -> None:
    await tab.sign_in()
    assert site.events.named(EventName.SESSION_BOUND)
    access = (await tab.tokens())["sAccessToken"]
    assert await keys(tab.page) == [[claims(access)["cnf"]["jkt"], "InvalidAccessError"]]
    assert (await tab.call(f"{CHECKED}?page=2"))["status"] == 200
    site.expire()
    assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
    assert site.notes == ["x"]
    assert (await tab.attempt("signOut"))["value"] is None
    assert await keys(tab.page) == []
    schemes = [scheme for path, scheme, _ in shown(site) if path != "/login"]
    assert set(schemes) == {"DPoP"}
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION", "SIGN_OUT"]
    assert site.events.named(EventName.BINDING_REFUSED) == []


async def test_a_server_that_binds_nothing_has_sessions_as_ever(open_bound: OpenBound, context: BrowserContext) -> None:
    site = await open_bound(device_binding="off")
    tab = await open_tab(context, site)
    await tab.sign_in()
    site.expire()
    assert (await tab.call())["status"] == 200
    assert {scheme for path, scheme, _ in shown(site) if path != "/login"} == {"Bearer"}


async def test_a_session_that_lives_already_is_bound_by_its_next_refresh(site: Site, tab: Tab) -> None:
    await tab.page.evaluate(
        """async () => {
          const { createSessionClient } = await import("/reseal-browser.js");
          const plain = createSessionClient({ tokenTransferMethod: "header" });
          await plain.fetch("/login", { method: "POST", body: '{"user": "alice"}' });
          plain.close();
        }"""
    )
    assert site.events.named(EventName.SESSION_BOUND) == []
    assert (await tab.call())["status"] == 200
    site.expire()
    assert (await tab.call())["status"] == 200
    assert site.events.named(EventName.SESSION_BOUND)
    schemes = [scheme for _, scheme, _ in shown(site)]
    assert (set(schemes[:-1]), schemes[-1]) == ({"Bearer"}, "DPoP")


async def test_tabs_that_begin_together_have_one_key_and_share_refreshes(site: Site, context: BrowserContext) -> None:
    await context.add_init_script(PATIENT)
    tabs = [await open_tab(context, site) for _ in range(3)]
    await asyncio.gather(*[tab.sign_in() for tab in tabs])
    await in_step(*tabs)
    assert len(await keys(tabs[0].page)) == 1
    for _ in range(2):
        site.expire()
        assert await asyncio.gather(*[tab.calls(4) for tab in tabs]) == [[200] * 4] * 3
    await tabs[0].attempt("signOut")
    await tabs[1].hears("SESSION_EXPIRED elsewhere")
    await tabs[1].sign_in()
    await in_step(*tabs)
    assert await asyncio.gather(*[tab.calls(2) for tab in tabs]) == [[200] * 2] * 3
    assert len(await keys(tabs[0].page)) == 1
    assert site.events.named(EventName.BINDING_REFUSED) == []
    assert site.events.named(EventName.TOKEN_THEFT) == []


async def test_a_browser_that_is_restarted_still_has_its_key(site: Site, open_profile: OpenProfile) -> None:
    async with open_profile("own") as context:
        tab = await open_tab(context, site)
        await tab.sign_in()
        before = await keys(tab.page)
    site.expire()
    async with open_profile("own") as context:
        tab = await open_tab(context, site)
        assert (await tab.call(CHECKED))["status"] == 200
        assert await keys(tab.page) == before


@pytest.mark.parametrize("settings", [{"dpop_proof_age": 0}, {"session_expired_status_code": 440, "dpop_proof_age": 0}])
async def test_the_server_asks_for_nonces_and_no_session_expires_by_that(
    open_bound: OpenBound, context: BrowserContext, settings: dict[str, Any]
) -> None:
    site = await open_bound(**settings)
    tab = await open_tab(context, site)
    await tab.sign_in()
    assert [status for _, _, status in shown(site)] == [401, 200]
    assert await tab.calls(4) == [200] * 4
    await intercepting(tab)
    other = await open_tab(context, site)
    await intercepting(other)
    answer = await send(other, NOTE, "POST", body="by the old way", upload=True)
    assert (answer["status"], site.notes[-1:]) == (200, ["by the old way"])
    assert [each for each in answer["told"] if each.startswith("upload")] == [
        "upload loadstart", "upload progress", "upload load", "upload loadend",
    ]  # fmt: skip
    assert answer["told"][-2:] == ["load", "loadend"]
    assert (site.refreshes, await tab.told()) == ([], ["SESSION_CREATED"])
    site.expire()
    assert (await send(other))["status"] == 200
    assert (await tab.call())["status"] == 200
    assert await other.told() == ["REFRESH_SESSION"]


async def test_a_device_whose_clock_is_a_day_late_is_no_other(site: Site, context: BrowserContext) -> None:
    await context.add_init_script(A_DAY_LATE)
    tab = await open_tab(context, site)
    await tab.sign_in()
    for _ in range(2):
        site.expire()
        assert await tab.calls(3) == [200] * 3
    assert [status for path, _, status in shown(site) if path == "/login"] == [401, 200]
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION", "REFRESH_SESSION"]


async def test_a_storage_copied_to_another_browser_is_refused_there_and_its_owner_notices_nothing(
    site: Site, tab: Tab, open_context: OpenContext
) -> None:
    handle = await tab.sign_in()
    thief = await open_tab(await open_context(), site)
    copied = await tab.page.evaluate(STORED)
    for is_expired in (False, True):
        await thief.page.evaluate(RESTORE, copied)
        await thief.page.reload()
        if is_expired:
            site.expire()
        assert (await thief.call(CHECKED))["status"] == 401
        assert await thief.told() == ["SESSION_EXPIRED refused"]
    assert site.events.named(EventName.BINDING_REFUSED)
    assert (await site.row(handle)).ended_at is None
    assert (await tab.call(CHECKED))["status"] == 200
    site.leave_race_window()
    site.expire()
    assert (await tab.call(CHECKED))["status"] == 200
    assert set(await tab.told()) == {"SESSION_CREATED", "REFRESH_SESSION"}
    assert site.events.named(EventName.TOKEN_THEFT) == []


async def test_tokens_that_a_script_carries_away_are_of_no_use(site: Site, tab: Tab, open_context: OpenContext) -> None:
    await tab.sign_in()
    stolen = await tab.tokens()
    await tab.call()
    used = site.line.to(FEED)[-1].header("dpop")
    elsewhere = (await open_context()).request
    for token, path, method in (("sAccessToken", FEED, "GET"), ("sRefreshToken", site.refresh_path, "POST")):
        for headers in (
            {"authorization": f"Bearer {stolen[token]}"},
            {"authorization": f"DPoP {stolen[token]}"},
            {"authorization": f"DPoP {stolen[token]}", "dpop": str(used)},
        ):
            answer = await elsewhere.fetch(site.origin + path, method=method, headers=headers | {"rid": "session"})
            assert answer.status == 401, (path, headers)
    assert (await tab.call(CHECKED))["status"] == 200
    assert await tab.told() == ["SESSION_CREATED"]


@pytest.mark.parametrize("script", NO_KEYS.values(), ids=NO_KEYS)
async def test_a_browser_that_keeps_no_key_has_sessions_as_before_and_says_so_once(
    site: Site, context: BrowserContext, script: str
) -> None:
    await context.add_init_script(script + SAID)
    tab = await open_tab(context, site)
    await tab.sign_in()
    site.expire()
    assert await tab.calls(3) == [200] * 3
    assert await tab.page.evaluate("said") == ["This browser keeps no key, so that its sessions are not bound to it."]
    assert site.events.named(EventName.SESSION_BOUND) == []
    await tab.attempt("signOut")
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION", "SIGN_OUT"]


async def test_a_session_whose_key_is_lost_ends_once_and_the_next_one_is_bound_again(
    site: Site, context: BrowserContext
) -> None:
    tab = await open_tab(context, site)
    await tab.sign_in()
    await tab.page.goto(site.origin + "/blank")
    await tab.page.evaluate(
        """() => new Promise((resolve) => {
          indexedDB.deleteDatabase(`reseal ${location.origin}/session/refresh keys`).onsuccess = resolve;
        })"""
    )
    await tab.page.goto(site.origin)
    site.line.forget()
    assert (await tab.call())["status"] == 401
    assert [path for path, _, _ in shown(site)] == [FEED, site.refresh_path]
    assert await tab.told() == ["SESSION_EXPIRED refused"]
    await tab.sign_in()
    assert (await tab.call(CHECKED))["status"] == 200
    assert len(await keys(tab.page)) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_call_that_the_router_redirects_arrives(site: Site, tab: Tab, method: str) -> None:
    async def redirect(request: Request) -> Response:
        return RedirectResponse(f"{FEED if request.method == 'GET' else NOTE}?moved=1")

    site.line.app.router.add_route("/old", redirect, methods=["GET", "POST"])  # type: ignore[attr-defined]
    await tab.sign_in()
    await intercepting(tab)
    body = {"body": "x"} if method == "POST" else {}
    assert (await tab.call("/old", method=method, **body))["status"] == 200
    assert (await send(tab, "/old", method, **body))["status"] == 200
    assert site.notes == (["x", "x"] if body else [])
    assert site.refreshes == []


async def test_a_page_of_another_site_is_bound_to_its_browser_by_cors(
    stack: AsyncExitStack, open_pages: OpenPages, strict_browser: BrowserContext, certificate: Path, tmp_path: Path
) -> None:
    pages = await open_pages(host=OTHER_SITE, certificate=certificate)
    serve_sdk(pages)
    place = {"host": API, "certificate": certificate, "website_domain": pages.origin}
    site = await stack.enter_async_context(opened_shop(tmp_path, **place, device_binding="offer", dpop_proof_age=0))
    page = await strict_browser.new_page()
    await page.add_init_script(A_DAY_LATE)
    await page.goto(pages.origin)
    await page.evaluate("async () => { window.dpop = (await import('/sdk/reseal-dpop.js')).dpop; }")
    await page.evaluate(START.replace("...options", "...options, dpop"), [site.origin, OPTIONS_OF_SHOP])
    tab = Tab(page, site)
    await tab.sign_in()
    assert site.events.named(EventName.SESSION_BOUND)
    for notes in (1, 2):
        site.expire()
        assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
        assert (await tab.call(CHECKED))["status"] == 200
        assert len(site.notes) == notes
    await tab.attempt("signOut")
    assert await tab.told() == ["SESSION_CREATED", "REFRESH_SESSION", "REFRESH_SESSION", "SIGN_OUT"]
    assert {scheme for path, scheme, _ in shown(site) if path != "/login"} == {"DPoP"}


def serve_bound_worker(site: Site, kind: str, options: str) -> None:
    """Serve a worker that binds, as a page of the documentation would write it."""
    imports = 'import { dpop } from "/sdk/reseal-dpop.js"; ' if kind == "module" else ""
    given = f"{{ ...{options}, dpop{'' if imports else ': reseal.dpop'} }}"

    async def script(_request: Request) -> Response:
        return Response(imports + KINDS[kind] % given, media_type="text/javascript")

    site.line.app.router.add_route("/session-worker.js", script)  # type: ignore[attr-defined]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("persist", [False, True])
async def test_a_worker_binds_the_session_of_its_pages(
    open_site: OpenSite, context: BrowserContext, kind: str, persist: bool
) -> None:
    options = {"page_options": {"tokenTransferMethod": "header"}, "device_binding": "offer", "dpop_proof_age": 0}
    site = await open_site(**options)
    serve_sdk(site)
    serve_bound_worker(site, kind, json.dumps({"persist": persist}))
    tab = await open_tab(context, site)
    await tab.page.evaluate(REGISTER, kind)
    await tab.sign_in()
    assert site.events.named(EventName.SESSION_BOUND)
    site.expire()
    assert await tab.calls(4) == [200] * 4
    assert (await tab.call(NOTE, method="POST", body="x"))["status"] == 200
    assert len(await keys(tab.page)) == (1 if persist else 0)
    await stop_worker(context, tab)
    assert (await tab.call())["status"] == (200 if persist else 401)
    if persist:
        await tab.attempt("signOut")
        assert await keys(tab.page) == []
    assert site.events.named(EventName.BINDING_REFUSED) == []
