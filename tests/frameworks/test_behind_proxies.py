"""nginx and HAProxy that take a prefix off the paths, in front of uvicorn that is or is not told of it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn

from reseal import Settings
from tests.frameworks.apps import FRAMEWORKS
from tests.frameworks.site import HOUR, Site, make_site
from tests.support.ports import free_port
from tests.support.proxies import haproxy, nginx

PREFIX = "/api"
ORIGIN = "http://localhost:8000"
PROXIES: dict[str, Any] = {"nginx": nginx, "haproxy": haproxy}
SET_UPS: dict[str, tuple[dict[str, Any], str, str]] = {
    "the setting": ({"public_path_prefix": PREFIX}, "", "/session/refresh"),
    "the server": ({}, PREFIX, "/session/refresh"),
    "the setting, and another path": (
        {"public_path_prefix": PREFIX, "refresh_api_path": "/auth/renew"},
        "",
        "/auth/renew",
    ),
}


class _Server(uvicorn.Server):
    def capture_signals(self) -> Any:
        return nullcontext()


@asynccontextmanager
async def serving(site: Site, root_path: str) -> AsyncIterator[int]:
    port = free_port()
    listener = socket.socket()
    listener.bind(("127.0.0.1", port))
    server = _Server(uvicorn.Config(site.app, log_config=None, root_path=root_path))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    try:
        while not server.started:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
        yield port
    finally:
        server.should_exit = True
        await running


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("set_up", SET_UPS)
async def test_a_session_lives_behind_a_proxy_that_takes_a_prefix_off(tmp_path: Path, proxy: str, set_up: str) -> None:
    given, root_path, refresh = SET_UPS[set_up]
    site = make_site(FRAMEWORKS["fastapi"], Settings(api_domain=ORIGIN, database_uri="memory:", **given))
    async with serving(site, root_path) as port:
        context = PROXIES[proxy](tmp_path, port, prefix=PREFIX, ready=f"{PREFIX}/plain")
        outside = await asyncio.to_thread(context.__enter__)
        try:
            await live(site, f"http://localhost:{outside}{PREFIX}", refresh)
        finally:
            await asyncio.to_thread(context.__exit__, None, None, None)


async def live(site: Site, address: str, refresh: str) -> None:
    async with httpx.AsyncClient(headers={"origin": ORIGIN}, trust_env=False) as page:
        signed_in = await page.post(f"{address}/login", json={"user_id": "alice"})
        assert signed_in.status_code == 200, signed_in.text
        for _ in range(2):
            site.clock.advance(HOUR)
            assert (await page.get(f"{address}/me")).status_code == 401
            assert (await page.post(address + refresh)).status_code == 200
            assert (await page.get(f"{address}/me")).json()["user_id"] == "alice"
        shown = await page.get(f"{address}{refresh}/continue", params={"target": f"{PREFIX}/me"})
        where = shown.text.partition('action="')[2].partition('"')[0]
        assert where == f"{PREFIX}{refresh}/continue?target={PREFIX}/me"
        back = await page.post(str(httpx.URL(address).join(where)))
        assert (back.status_code, back.headers["location"]) == (303, f"{PREFIX}/me")
        assert (await page.get(f"{address}/reseal-browser.js")).status_code == 200
        assert (await page.post(f"{address}/signout")).json() == {"status": "OK"}
        assert not page.cookies
