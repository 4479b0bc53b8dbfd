"""What was reported of other session libraries for these frameworks: see docs/reports.md."""

from __future__ import annotations

from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from sanic import Sanic
from sanic.response import text

from reseal import Settings
from reseal.aiohttp import Reseal as AiohttpReseal
from reseal.client import SessionAuth, SoftwareKey
from reseal.sanic import Reseal as SanicReseal
from reseal.wsgi import Reseal as WsgiReseal
from tests.frameworks.site import API
from tests.scenarios.servers import AsgiApp

SETTINGS = Settings(api_domain=API, database_uri="memory:")
FROM_PAGE = {"origin": API}
NUMBERS = count()
Sanic.test_mode = True
OURS = ["__Host-sAccessToken", "__Secure-sRefreshToken"]


def cookie_names(lines: Any) -> list[str]:
    return sorted(line.partition("=")[0] for line in lines)


async def file(_request: web.Request) -> web.StreamResponse:
    return web.FileResponse(Path(__file__))


async def raised(_request: web.Request) -> web.StreamResponse:
    response = web.HTTPFound("/elsewhere")
    response.set_cookie("theme", "dark")
    raise response


async def streamed(request: web.Request) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"part")
    return response


@pytest.mark.parametrize("ending", [file, raised, streamed])
async def test_a_session_begun_before_any_response_of_aiohttp_leaves_with_it(ending: Any) -> None:
    app, reseal = web.Application(), AiohttpReseal(SETTINGS)
    reseal.install(app)

    async def login(request: web.Request) -> web.StreamResponse:
        await reseal.create_new_session(request, "alice")
        return await ending(request)  # type: ignore[no-any-return]

    app.add_routes([web.post("/login", login)])
    async with TestClient(TestServer(app)) as client:
        answer = await client.post("/login", headers=FROM_PAGE, allow_redirects=False)
        names = cookie_names(answer.headers.getall("set-cookie"))
        assert names == [*OURS, "theme"] if ending is raised else names == OURS


@pytest.mark.parametrize("is_returned", [False, True])
async def test_a_stream_of_sanic_carries_its_cookies_once_also_where_the_handler_returns_it(is_returned: bool) -> None:
    app: Any = Sanic(f"reports_{next(NUMBERS)}", configure_logging=False)
    reseal = SanicReseal(SETTINGS)
    reseal.install(app)

    async def login(request: Any) -> Any:
        await reseal.create_new_session(request, "alice")
        response = await request.respond()
        await response.send(b"part")
        await response.eof()
        return response if is_returned else None

    app.add_route(login, "/login", methods=["POST"])
    async with AsgiApp(app) as served:
        answer = await served.send(httpx.Request("POST", f"{API}/login", headers=FROM_PAGE))
    assert cookie_names(answer.headers.get_list("set-cookie")) == OURS


async def test_a_bound_program_calls_a_path_of_sanic_with_letters_beyond_ascii() -> None:
    app: Any = Sanic(f"reports_{next(NUMBERS)}", configure_logging=False)
    reseal = SanicReseal(Settings(api_domain=API, database_uri="memory:", device_binding="offer"))
    reseal.install(app)

    async def login(request: Any) -> Any:
        await reseal.create_new_session(request, "alice")
        return text("ok")

    async def menu(request: Any, name: str) -> Any:
        return text((await reseal.get_session(request)).get_user_id())

    app.add_route(login, "/login", methods=["POST"])
    app.add_route(menu, "/menus/<name>")
    auth = SessionAuth(API, key=SoftwareKey.generate())
    async with AsgiApp(app) as served:

        async def send(method: str, path: str) -> httpx.Response:
            flow = auth.auth_flow(httpx.Request(method, f"{API}{path}"))
            request = next(flow)
            while True:
                answer = await served.send(request)
                try:
                    request = flow.send(answer)
                except StopIteration:
                    return answer

        assert (await send("POST", "/login")).status_code == 200
        answer = await send("GET", "/menus/caf%C3%A9%20noir")
        assert (answer.status_code, answer.text) == (200, "alice")


def test_a_server_of_wsgi_gets_exc_info_only_where_there_is_some() -> None:
    reseal = WsgiReseal(SETTINGS)
    given: list[tuple[Any, ...]] = []

    def app(environ: Any, start: Any) -> list[bytes]:
        if environ["PATH_INFO"] == "/me":
            reseal.get_session(environ)
        start("200 OK", [])
        return [b""]

    for path in ("/", "/me", "/session/refresh"):
        environ = {"REQUEST_METHOD": "POST", "PATH_INFO": path}
        list(reseal.wrap(app)(environ, lambda *arguments: given.append(arguments)))  # type: ignore[arg-type]
    assert [len(arguments) for arguments in given] == [2, 2, 2]
    reseal.close()
