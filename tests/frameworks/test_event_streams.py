"""Event streams over real sockets: they end with their session, and say so."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest

from reseal.core.model import EndReason
from reseal.watch import BLIND_LIMIT
from tests.frameworks.apps import Framework
from tests.frameworks.site import Browser
from tests.frameworks.wires import PATIENCE, Wire, opened_wire


@pytest.fixture
async def wire(framework: Framework) -> AsyncIterator[Wire]:
    async with opened_wire(framework) as wire:
        yield wire


@asynccontextmanager
async def stream(wire: Wire, browser: Browser, path: str = "/events") -> AsyncIterator[httpx.Response]:
    headers = {"cookie": "; ".join(browser.cookies_for(path))}
    async with (
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{wire.port}", timeout=PATIENCE, trust_env=False) as client,
        client.stream("GET", path, headers=headers) as response,
    ):
        yield response


async def rest(chunks: AsyncIterator[str]) -> str:
    return "".join([chunk async for chunk in chunks])


async def test_a_stream_ends_when_its_session_is_revoked_and_says_why(wire):
    browser = await wire.site.signed_in()
    async with stream(wire, browser) as response:
        assert response.headers["cache-control"] == "no-store"
        chunks = response.aiter_text()
        assert await anext(chunks) == "data: 1\n\n"
        await wire.site.reseal.sessions.revoke_session_using_session_handle(browser.handle)
        assert await rest(chunks) == "event: session-ended\ndata: revoked\n\n"
    assert wire.ended == ["numbers"]
    assert len(wire.site.reseal.watch) == 0


async def test_a_stream_notices_at_the_next_look_what_another_process_ends(wire):
    browser = await wire.site.signed_in()
    async with stream(wire, browser) as response:
        chunks = response.aiter_text()
        assert await anext(chunks) == "data: 1\n\n"
        await wire.site.store.end(wire.site.settings.scope, [browser.handle], EndReason.REVOKED)
        await wire.ticks.begin()
        assert await rest(chunks) == "event: session-ended\ndata: revoked\n\n"


async def test_a_stream_outlives_its_access_token(wire):
    browser = await wire.site.signed_in()
    async with stream(wire, browser) as response:
        chunks = response.aiter_text()
        assert await anext(chunks) == "data: 1\n\n"
        for _ in range(3):
            wire.site.clock.advance(wire.site.settings.access_token_ms)
            await browser.refresh()
            await wire.ticks.look()
        assert wire.ended == []
        await browser.sign_out()
        assert await rest(chunks) == "event: session-ended\ndata: signed_out\n\n"


async def test_a_stream_that_cannot_be_checked_for_long_breaks_off_without_a_word(wire):
    browser = await wire.site.signed_in()
    async with stream(wire, browser) as response:
        chunks = response.aiter_text()
        assert await anext(chunks) == "data: 1\n\n"
        wire.site.store.failing = {"*"}
        wire.site.clock.advance(BLIND_LIMIT - 1)
        await wire.ticks.look()
        assert wire.ended == []
        wire.site.clock.advance(1)
        await wire.ticks.begin()
        assert await rest(chunks) == ""
    async with stream(wire, browser) as response:
        assert response.status_code == 503


async def test_a_stream_that_is_through_ends_as_it_is(wire):
    async with stream(wire, await wire.site.signed_in(), "/few-events") as response:
        assert await rest(response.aiter_text()) == "data: 0\n\ndata: 1\n\ndata: 2\n\n"
    assert len(wire.site.reseal.watch) == 0


async def test_a_session_that_has_ended_gets_one_event_and_no_more(wire):
    browser = await wire.site.signed_in()
    await wire.site.store.end(wire.site.settings.scope, [browser.handle], EndReason.REVOKED)
    async with stream(wire, browser, "/few-events") as response:
        assert await rest(response.aiter_text()) == "event: session-ended\ndata: revoked\n\n"
    async with stream(wire, browser) as response:
        assert response.status_code == 401


async def test_nothing_is_left_of_a_page_that_went_away(wire):
    browser = await wire.site.signed_in()
    before = asyncio.all_tasks()
    for _ in range(3):
        async with stream(wire, browser) as response:
            assert await anext(response.aiter_text()) == "data: 1\n\n"
            assert len(wire.site.reseal.watch) == 1
        await wire.until(lambda: len(wire.site.reseal.watch) == 0)
    await wire.until(lambda: not asyncio.all_tasks() - before)
    assert wire.ended == ["numbers"] * 3
