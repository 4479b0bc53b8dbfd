"""The guide's edge function, in Node.js between Chromium and a server that renders pages."""

from __future__ import annotations

import asyncio
import re
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext

from tests.browser.conftest import OpenSite
from tests.browser.line import PATIENCE
from tests.browser.site import TOKENS, Site, Tab, jar

pytestmark = pytest.mark.asyncio(loop_scope="session")

GUIDE = Path(__file__).parents[2] / "docs" / "how-to" / "server-side-rendering.md"
PAGE = "/api/private?n=1&x=%2F"
SERVER = """
import { once } from "node:events";
import { createServer } from "node:http";

/** Debian's Node.js 18 knows the lines of a response as one only. */
function cookiesOf(headers) {
  return headers.getSetCookie?.() ?? (headers.get("set-cookie") ?? "").split(/, (?=[^ ;=]+=)/).filter(Boolean);
}

const server = createServer(async (incoming, outgoing) => {
  const { method, url } = incoming;
  const headers = new Headers(incoming.headers);
  for (const name of ["connection", "content-length", "host", "transfer-encoding"]) headers.delete(name);
  const chunks = await incoming.toArray();
  const body = chunks.length ? Buffer.concat(chunks) : undefined;
  const render = () => fetch(api + url, { method, headers, body, redirect: "manual" });
  const isRefresh = url.startsWith("/session/refresh");
  const request = { url: `http://localhost${url}`, method, headers };
  const response = await (isRefresh ? render() : withSession(request, render));
  const told = Object.fromEntries(response.headers);
  delete told["content-encoding"];
  const content = Buffer.from(await response.arrayBuffer());
  outgoing.writeHead(response.status, { ...told, "set-cookie": cookiesOf(response.headers) }).end(content);
});
server.listen(0, "127.0.0.1");
await once(server, "listening");
console.log(server.address().port);
const [line] = await once(process.stdin, "data");
const api = String(line).trim();
console.log("ready");
"""


@asynccontextmanager
async def edge(folder: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    node = shutil.which("node")
    assert node is not None
    [recipe] = re.findall(r"```js\n(.*?)```", GUIDE.read_text("utf-8"), re.DOTALL)
    script = folder / "edge.mjs"
    script.write_text(recipe + SERVER)
    pipes = {"stdin": asyncio.subprocess.PIPE, "stdout": asyncio.subprocess.PIPE}
    # The site listens on the IPv4 address, and where both are named localhost, Node.js 18 tries the other one only.
    process = await asyncio.create_subprocess_exec(node, "--dns-result-order=ipv4first", str(script), **pipes)
    try:
        yield process
    finally:
        process.kill()
        await process.wait()


async def said(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    return (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode().strip()


@pytest_asyncio.fixture(loop_scope="session")
async def tab(tmp_path: Path, open_site: OpenSite, context: BrowserContext) -> AsyncIterator[Tab]:
    """Open a page of the site by way of the edge."""
    async with edge(tmp_path) as process:
        origin = f"http://localhost:{await said(process)}"
        site = await open_site(api_domain=origin)
        assert process.stdin is not None
        process.stdin.write(f"{site.origin}\n".encode())
        assert await said(process) == "ready"
        page = await context.new_page()
        await page.goto(origin)
        yield Tab(page, site)
        await page.close()


def turns(site: Site) -> list[tuple[str, int | None]]:
    """The steps of refreshing first that reached the server."""
    return [(each.method, each.status) for each in site.line.to(f"{site.refresh_path}/continue")]


async def test_a_page_that_is_opened_after_hours_is_refreshed_first(tab: Tab) -> None:
    await tab.sign_in()
    tab.site.expire()
    await tab.page.goto(tab.page.url + PAGE[1:])
    await tab.page.get_by_role("heading", name="Only for alice").wait_for()
    assert tab.page.url.endswith(PAGE)
    assert turns(tab.site) == [("GET", 200), ("POST", 303)]


async def test_a_session_that_is_over_ends_in_one_refusal(tab: Tab) -> None:
    handle = await tab.sign_in()
    await tab.site.reseal.sessions.revoke_session_using_session_handle(handle)
    tab.site.expire()
    async with tab.page.expect_response(lambda answer: answer.status == 401 and answer.url.endswith(PAGE)):
        await tab.page.goto(tab.page.url + PAGE[1:])
    assert turns(tab.site) == [("GET", 200), ("POST", 303)]
    assert not TOKENS & (await jar(tab.page.context)).keys()
    await tab.page.get_by_text("unauthorised").wait_for()


async def test_a_stranger_is_refused_at_once_and_scripts_are_left_to_the_sdk(tab: Tab) -> None:
    answer = await tab.page.goto(tab.page.url + PAGE[1:])
    assert answer is not None
    assert answer.status == 401
    await tab.page.go_back()
    await tab.sign_in()
    tab.site.expire()
    assert (await tab.call())["status"] == 200
    assert turns(tab.site) == []
    assert len([each for each in tab.site.refreshes if each.method == "POST"]) == 1
