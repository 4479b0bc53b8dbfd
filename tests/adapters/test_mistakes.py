"""What an adapter says when it was forgotten, installed twice, or asked in the wrong place: one sentence each."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from itertools import count
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from quart import Quart, request
from sanic import Sanic

from reseal import Settings
from reseal.aiohttp import Reseal as AiohttpReseal
from reseal.quart import Reseal as QuartReseal
from reseal.quart import current_session
from reseal.sanic import Reseal as SanicReseal
from tests.frameworks.site import API
from tests.scenarios.servers import AsgiApp

SETTINGS = Settings(api_domain=API, database_uri="memory:")
NUMBERS = count()
Sanic.test_mode = True


def a_sanic() -> Any:
    return Sanic(f"mistakes_{next(NUMBERS)}", configure_logging=False)


TWICE: dict[str, Callable[[], Any]] = {
    "quart": lambda: (app := Quart("shop"), QuartReseal(SETTINGS).init_app(app), QuartReseal(SETTINGS).init_app(app)),
    "aiohttp": lambda: (
        app := web.Application(),
        reseal := AiohttpReseal(SETTINGS),
        reseal.install(app),
        reseal.install(app),
    ),
    "sanic": lambda: (reseal := SanicReseal(SETTINGS), reseal.install(a_sanic()), reseal.install(a_sanic())),
}


@pytest.mark.parametrize("name", TWICE)
def test_installed_twice(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"^Reseal is installed .*already: call .* once$"):
        TWICE[name]()


async def test_not_installed_in_quart() -> None:
    app, reseal = Quart("shop"), QuartReseal(SETTINGS)
    found: list[str] = []

    @app.get("/")
    async def index() -> str:
        try:
            await reseal.get_session(request)
        except RuntimeError as error:
            found.append(str(error))
        return ""

    await app.test_client().get("/")
    assert found[0].startswith("sessions are not installed around this code: call reseal.install(app), or")


async def test_not_installed_in_aiohttp(caplog: pytest.LogCaptureFixture) -> None:
    app, reseal = web.Application(), AiohttpReseal(SETTINGS)

    async def index(request: web.Request) -> web.Response:
        await reseal.get_session(request)
        return web.Response()

    app.add_routes([web.get("/", index)])
    async with TestClient(TestServer(app)) as client:
        assert (await client.get("/")).status == 500
    assert "call reseal.install(app)" in caplog.text


async def test_not_installed_in_sanic() -> None:
    app, reseal = a_sanic(), SanicReseal(SETTINGS)
    found: list[str] = []

    async def index(request: Any) -> Any:
        try:
            await reseal.get_session(request)
        except RuntimeError as error:
            found.append(str(error))

    app.add_route(index, "/")
    async with AsgiApp(app) as served:
        await served.send(httpx.Request("GET", f"{API}/"))
    assert found == ["sessions are not installed in this application: call reseal.install(app)"]


async def test_the_current_session_of_a_view_that_demands_none() -> None:
    app = Quart("shop")
    app.testing = True
    QuartReseal(SETTINGS).init_app(app)

    @app.get("/")
    async def index() -> str:
        return current_session.get_user_id()

    with pytest.raises(RuntimeError, match=r"below @reseal\.session_required\(\); elsewhere call reseal\.get_session"):
        await app.test_client().get("/")


@pytest.mark.parametrize("missing", ["quart", "aiohttp", "sanic"])
def test_an_import_without_the_package_it_needs_names_the_package(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import reseal.{missing}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f"reseal.{missing} needs {missing}: pip install {missing}" in done.stderr
    assert "During handling" not in done.stderr
