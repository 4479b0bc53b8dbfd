"""WebSockets, event streams and pages rendered on the server, in a real browser."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response, StreamingResponse
from starlette.websockets import WebSocket

from reseal import EventName
from reseal.core.model import EndReason
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn
from tests.browser.conftest import OpenContext, OpenPages
from tests.browser.line import PATIENCE
from tests.browser.site import CHECKED, Site, Tab, open_tab, tokens, until
from tests.frameworks.wires import Ticks

pytestmark = pytest.mark.asyncio(loop_scope="session")

OPEN = """([url, protocols]) => new Promise((resolve) => {
  const socket = (window.socket = new WebSocket(url, protocols));
  const end = (window.ended = new Promise((over) => {
    socket.onclose = ({ code, reason }) => over([code, reason]);
  }));
  end.then(([code]) => resolve(`closed ${code}`));
  socket.onopen = () => resolve(`open ${socket.protocol}`);
})"""
SAY = """(text) => new Promise((resolve) => {
  socket.onmessage = ({ data }) => resolve(data);
  socket.send(text);
})"""
LISTEN = """(path) => {
  window.heard = [];
  const stream = (window.stream = new EventSource(path));
  stream.onmessage = ({ data }) => heard.push(data);
  return new Promise((resolve) => {
    stream.onopen = () => resolve("open");
    window.over = new Promise((told) => {
      stream.addEventListener("session-ended", ({ data }) => (stream.close(), told(data)));
    });
  });
}"""
FRAGMENTS = """([number, path]) => Promise.all(Array.from({ length: number }, async () => {
  const text = await (await fetch(path)).text();
  return text.replace(/^.*?>.*?>/, "");
}))"""
HEADER_MODE = """async (path) => {
  const signIn = { method: "POST", headers: { "st-auth-mode": "header" }, body: JSON.stringify({ user: "alice" }) };
  const authorization = `Bearer ${(await fetch("/login", signIn)).headers.get("st-access-token")}`;
  const answer = await fetch(`/ticket?for=${path}`, { method: "POST", headers: { authorization } });
  return (await answer.json()).ticket;
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def wired(site: Site) -> AsyncIterator[Site]:
    """The site of the other tests with sockets, a stream and rendered pages, and a watch that waits for the test."""
    reseal, app = site.reseal, site.line.app

    async def live(websocket: WebSocket) -> None:
        async with reseal.guard(websocket) as session:
            async for _ in websocket.iter_text():
                await websocket.send_text(session.get_user_id())

    async def ticket(request: Request) -> Response:
        session = await reseal.get_session(request)
        return JSONResponse({"ticket": await session.create_ticket(request.query_params["for"])})

    async def events(request: Request) -> Response:
        session = await reseal.get_session(request, check_database=True)

        async def numbers() -> AsyncIterator[str]:
            yield "data: 1\n\n"
            await asyncio.Event().wait()

        return StreamingResponse(reseal.guard_events(session, numbers()), media_type="text/event-stream")

    async def rendered(request: Request) -> Response:
        match await reseal.peek(request):
            case SignedIn(session):
                return HTMLResponse(f"<!doctype html><link rel=icon href=data:,>Welcome, {session.get_user_id()}")
            case RefreshFirst():
                return reseal.refresh_first(request)
            case Anonymous():
                return HTMLResponse("<!doctype html><link rel=icon href=data:,>Welcome, stranger")

    async def never_satisfied(request: Request) -> Response:
        return reseal.refresh_first(request)

    app.router.add_websocket_route("/live", live)
    app.router.add_route("/ticket", ticket, methods=["POST"])
    app.router.add_route("/events", events, methods=["GET"])
    app.router.add_route("/rendered", rendered, methods=["GET"])
    app.router.add_route("/never-satisfied", never_satisfied, methods=["GET"])
    reseal.watch.pause = Ticks()
    yield site


def address(site: Site) -> str:
    return site.origin.replace("http", "ws", 1) + "/live"


async def opened(page: Page, site: Site, *protocols: str) -> str:
    return await asyncio.wait_for(page.evaluate(OPEN, [address(site), list(protocols)]), PATIENCE)


async def ended(page: Page) -> list[Any]:
    return await asyncio.wait_for(page.evaluate("ended"), PATIENCE)


async def reads(page: Page, text: str) -> None:
    await until(page, "(text) => document.body?.innerText.includes(text)", text)


class TestSockets:
    async def test_a_foreign_page_gets_no_socket_with_the_visitor_s_cookies(
        self, wired: Site, tab: Tab, open_pages: OpenPages
    ) -> None:
        await tab.sign_in()
        assert await opened(tab.page, wired) == "open "
        foreign = await open_pages()  # another port of the same host: its handshakes carry the cookies
        page = await tab.page.context.new_page()
        await page.goto(foreign.origin)
        wired.events.forget()
        assert await opened(page, wired) == "closed 1006"
        [told] = wired.events.named(EventName.CROSS_SITE_REFUSED)  # told only of handshakes with a cookie of ours
        assert foreign.origin in (told.reason or "")
        assert await tab.page.evaluate(SAY, "hello") == "alice"
        assert (await tab.call(CHECKED))["status"] == 200

    async def test_a_socket_outlives_tokens_and_ends_with_the_session(
        self, wired: Site, tab: Tab, context: Any
    ) -> None:
        await tab.sign_in()
        assert await opened(tab.page, wired) == "open "
        for _ in range(3):
            before = await tokens(context)
            wired.expire()
            assert (await tab.call())["status"] == 200
            assert await tokens(context) != before
            await wired.reseal.watch.pause.look()
            assert await tab.page.evaluate(SAY, "hello") == "alice"
        other = await open_tab(context, wired)
        assert await other.attempt("signOut") == {"value": None}
        assert await ended(tab.page) == [4001, "signed_out"]

    async def test_what_another_process_revokes_reaches_the_page_as_4001(self, wired: Site, tab: Tab) -> None:
        handle = await tab.sign_in()
        assert await opened(tab.page, wired) == "open "
        await wired.store.end(wired.settings.scope, [handle], EndReason.REVOKED)
        await wired.reseal.watch.pause.begin()
        assert await ended(tab.page) == [4001, "revoked"]

    async def test_a_page_without_cookies_opens_a_socket_with_a_ticket_once(self, wired: Site, tab: Tab) -> None:
        ticket = await tab.page.evaluate(HEADER_MODE, "/live")
        assert await tokens(tab.page.context) == {}
        assert await opened(tab.page, wired) == "closed 1006"
        assert await opened(tab.page, wired, "reseal", f"reseal.ticket.{ticket}") == "open reseal"
        assert await tab.page.evaluate(SAY, "hello") == "alice"
        assert await opened(tab.page, wired, "reseal", f"reseal.ticket.{ticket}") == "closed 1006"
        assert all(ticket not in passed.path + passed.query for passed in wired.line.passed)

    async def test_an_event_stream_tells_the_page_that_the_session_has_ended(self, wired: Site, tab: Tab) -> None:
        handle = await tab.sign_in()
        assert await tab.page.evaluate(LISTEN, "/events") == "open"
        await tab.until("heard.length === 1")
        wired.expire()
        await wired.reseal.watch.pause.look()
        await wired.reseal.sessions.revoke_session_using_session_handle(handle)
        assert await asyncio.wait_for(tab.page.evaluate("over"), PATIENCE) == "revoked"


class TestRendering:
    async def test_a_page_that_is_opened_after_hours_is_there_after_one_refresh(self, wired: Site, tab: Tab) -> None:
        await tab.sign_in()
        wired.expire()
        wired.line.forget()
        page = await tab.page.context.new_page()
        await page.goto(wired.origin + "/rendered?n=1")
        await reads(page, "Welcome, alice")
        assert page.url == wired.origin + "/rendered?n=1"
        assert len(wired.line.to(wired.refresh_path + "/continue")) == 1
        assert await page.evaluate("history.length") <= 2
        assert (await tab.call(CHECKED))["status"] == 200

    async def test_without_scripts_one_click_does_the_same(
        self, wired: Site, tab: Tab, open_context: OpenContext
    ) -> None:
        await tab.sign_in()
        plain = await open_context(java_script_enabled=False)
        await plain.add_cookies(await tab.page.context.cookies())
        wired.expire()
        page = await plain.new_page()
        await page.goto(wired.origin + "/rendered")
        await page.get_by_role("button", name="Continue").click()
        await page.get_by_text("Welcome, alice").wait_for()

    async def test_a_server_that_is_never_satisfied_makes_no_loop(self, wired: Site, tab: Tab) -> None:
        await tab.sign_in()
        page = await tab.page.context.new_page()
        wired.line.forget()
        await page.goto(wired.origin + "/never-satisfied")
        await page.get_by_role("button", name="Continue").wait_for()
        assert len(wired.line.to(wired.refresh_path + "/continue")) == 1
        assert len(wired.line.to("/never-satisfied")) == 2

    async def test_twenty_pages_rendered_at_once_beside_a_call_sign_nobody_out(
        self, wired: Site, tab: Tab, context: Any
    ) -> None:
        handle = await tab.sign_in()
        pages = [await context.new_page() for _ in range(3)]
        wired.expire()
        call = tab.calling(CHECKED)
        fragments = asyncio.create_task(tab.page.evaluate(FRAGMENTS, [20, "/rendered"]))
        await asyncio.gather(*(page.goto(wired.origin + "/rendered", wait_until="commit") for page in pages))
        await asyncio.gather(*(reads(page, "Welcome, alice") for page in pages))
        assert (await call)["status"] == 200
        assert all("Welcome, alice" in text or "<form" in text for text in await fragments)
        assert await tab.page.evaluate(FRAGMENTS, [20, "/rendered"]) == ["Welcome, alice"] * 20
        wired.leave_race_window()
        assert (await tab.call(CHECKED))["status"] == 200
        assert await wired.reseal.sessions.get_all_session_handles_for_user("alice") == (handle,)
        assert wired.events.named(EventName.TOKEN_THEFT) == []
