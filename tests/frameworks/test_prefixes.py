"""An application whose paths are not those that browsers see: behind a proxy that takes a prefix off, or mounted."""

from __future__ import annotations

import json
from http.cookies import SimpleCookie
from io import BytesIO
from typing import Any

import httpx
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount
from starlette.types import Receive, Scope, Send

from reseal import ConfigurationError, EventName, RequestFacts, Reseal, SessionHeaders, Settings
from reseal.web.answers import answer
from reseal.web.moves import refresh_paths
from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import API, HOUR, WEBSITE, Site, set_cookies

pytestmark = pytest.mark.parametrize("database_uri", ["memory"], indirect=True)


class Stripping:
    """A proxy that takes ``prefix`` off, and a server that may be told so as uvicorn, or as FastAPI's argument, is."""

    def __init__(self, app: Any, prefix: str, told: str) -> None:
        self._app, self._prefix, self._told = app, prefix, told

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["path"].startswith(f"{self._prefix}/"):
            await Response("no such location", 404)(scope, receive, send)
            return
        inner = scope["path"][len(self._prefix) :]
        raw = scope["raw_path"][len(self._prefix) :]
        if self._told:
            scope = {**scope, "root_path": self._prefix}
        if self._told != "in full":
            scope = {**scope, "path": inner, "raw_path": raw}
        await self._app(scope, receive, send)


def behind(site: Site, app: Any) -> Site:
    return Site(app, site.reseal, site.settings, site.clock, site.store, site.events, site.ran)


def add_page(site: Site) -> None:
    async def page(request: Request) -> Response:
        match await site.reseal.peek(request):
            case SignedIn(session):
                return HTMLResponse(f"Welcome, {session.get_user_id()}")
            case RefreshFirst():
                return site.reseal.refresh_first(request)
            case Anonymous():
                return HTMLResponse("Welcome, stranger")

    site.app.router.add_route("/page", page)


def mounted(site: Site, prefix: str) -> Any:
    first, _, second = prefix[1:].partition("/")
    inner: Any = site.app
    if second:
        inner = FastAPI()
        inner.mount(f"/{second}", site.app)
    return Starlette(routes=[Mount(f"/{first}", app=inner)])


WAYS: dict[str, tuple[str, dict[str, Any], Any]] = {
    "the setting": ("/api", {"public_path_prefix": "/api"}, lambda site: Stripping(site.app, "/api", "")),
    "the server, in full": ("/api", {}, lambda site: Stripping(site.app, "/api", "in full")),
    "the server, in part": ("/api", {}, lambda site: Stripping(site.app, "/api", "in part")),
    "both": ("/api", {"public_path_prefix": "/api"}, lambda site: Stripping(site.app, "/api", "in full")),
    "two levels": ("/api/v1", {}, lambda site: Stripping(site.app, "/api/v1", "in full")),
    "a mount": ("/api", {}, lambda site: mounted(site, "/api")),
    "a mount in a mount": ("/api/v1", {}, lambda site: mounted(site, "/api/v1")),
    "a proxy before a mount": (
        "/api/v1",
        {"public_path_prefix": "/api"},
        lambda site: Stripping(mounted(site, "/v1"), "/api", ""),
    ),
    "a server before a mount": ("/api/v1", {}, lambda site: Stripping(mounted(site, "/v1"), "/api", "in full")),
    "a mount at the root": ("", {}, lambda site: Starlette(routes=[Mount("/", app=site.app)])),
    "nothing": ("", {}, lambda site: site.app),
}


@pytest.mark.parametrize("way", WAYS)
async def test_every_ready_made_route_works_behind_a_prefix(open_site: OpenSite, way: str) -> None:
    prefix, given, outside = WAYS[way]
    inside = await open_site(**given)
    add_page(inside)
    site = behind(inside, outside(inside))
    browser = site.browser()
    signed_in = await browser.post(f"{prefix}/login", json={"user_id": "alice"})
    assert {cookie.attributes["path"] for cookie in set_cookies(signed_in)} == {"/", f"{prefix}/session/refresh"}
    for _ in range(2):
        site.clock.advance(HOUR)
        assert (await browser.get(f"{prefix}/me")).json() == {"message": "try refresh token"}
        assert (await browser.post(f"{prefix}/session/refresh")).status_code == 200
        assert (await browser.get(f"{prefix}/me")).json()["user_id"] == "alice"
        assert len(browser.jar) == 2
    site.clock.advance(HOUR)
    for asked in (f"{prefix}/page?n=1", f"{prefix}/session/refresh/continue?target={prefix}/page?n=1"):
        shown = await browser.get(asked)
        where = shown.text.partition('action="')[2].partition('"')[0]
        assert where == f"{prefix}/session/refresh/continue?target={prefix}/page%3Fn%3D1"
    answered = await browser.post(where)
    assert (answered.status_code, answered.headers["location"]) == (303, f"{prefix}/page?n=1")
    assert (await browser.get(answered.headers["location"])).text == "Welcome, alice"
    assert (await browser.get(f"{prefix}/reseal-browser.js")).status_code == 200
    assert (await browser.get(f"{prefix}/.well-known/jwks.json")).status_code == 200
    assert (await browser.post(f"{prefix}/signout")).json() == {"status": "OK"}
    assert browser.jar == {}
    assert await site.live("alice") == set()


async def test_a_part_without_routes_signs_in_for_the_application_that_has_them(site: Site) -> None:
    async def login(request: Request) -> Response:
        await site.reseal.create_new_session(request, "alice")
        return Response()

    part = Starlette()
    part.router.add_route("/login", login, methods=["POST"])
    site.reseal.install(part, routes=False)
    site.app.router.routes.append(Mount("/part", app=part))
    browser = site.browser()
    await browser.post("/part/login")
    assert (await browser.refresh()).status_code == 200


async def test_a_part_of_the_paths_for_the_access_cookie_is_one_within_the_application(open_site: OpenSite) -> None:
    inside = await open_site(access_token_path="/sub", signout_api_path="/sub/signout", public_path_prefix="/api")
    browser = behind(inside, Stripping(inside.app, "/api", "")).browser()
    await browser.post("/api/login", json={"user_id": "alice"})
    assert {place[1] for place in browser.jar} == {"/api/sub", "/api/session/refresh"}
    assert (await browser.get("/api/sub/me")).json()["user_id"] == "alice"


@pytest.mark.parametrize("api_domain", ["http://localhost:8000", API])
async def test_a_prefix_that_nobody_told_of_is_told_at_the_first_refresh(open_site: OpenSite, api_domain: str) -> None:
    inside = await open_site(api_domain=api_domain)
    browser = behind(inside, Stripping(inside.app, "/api", "")).browser()
    await browser.post("/api/login", json={"user_id": "alice"})
    response = await browser.send("POST", "/api/session/refresh", [("x-forwarded-prefix", "/api")])
    assert (response.status_code, response.json()["reason"]) == (401, "no_token")
    (event,) = inside.events.of(EventName.REFRESH_COOKIE_MISSING)
    for word in ("/session/refresh", "public_path_prefix", "'/api'"):
        assert word in str(event.reason)
    assert response.json().get("hint") == (event.reason if "localhost" in api_domain else None)


async def test_nothing_is_told_of_strangers_and_of_foreign_pages(site: Site) -> None:
    browser = await site.signed_in("alice")
    cookies = ("cookie", "; ".join(browser.cookies_for("/")))
    for headers in ([], [("origin", WEBSITE)], [cookies, ("origin", "https://evil.example.net")]):
        assert (await site.send("POST", "/session/refresh", headers)).status_code == 401
    assert not site.events.of(EventName.REFRESH_COOKIE_MISSING)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"public_path_prefix": "/api", "refresh_api_path": "/api/session/refresh"}, "leave the prefix out"),
        ({"public_path_prefix": "api"}, "must be a plain path"),
        ({"public_path_prefix": "/api/"}, "must be a plain path"),
    ],
)
def test_a_prefix_that_cannot_be_one_is_a_problem(database_uri: str, given: dict[str, Any], problem: str) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Settings(api_domain=API, **given)
    assert Settings(api_domain=API, public_path_prefix="/").public_path_prefix == ""


# -- without a framework: WSGI, where SCRIPT_NAME says what was taken off ----------------------------------------------


def wsgi_app(reseal: Reseal) -> Any:
    def app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        lines = [(name[5:].replace("_", "-"), text) for name, text in environ.items() if name.startswith("HTTP_")]
        request = RequestFacts.of(
            environ["REQUEST_METHOD"], environ["PATH_INFO"], lines, root_path=environ["SCRIPT_NAME"]
        )
        outbox, status, body = SessionHeaders(), 200, {}
        more: list[tuple[str, str]] = []
        try:
            if request.path in refresh_paths(reseal.settings):
                body = reseal.answer_refresh(request, outbox)
            elif request.path == "/login":
                reseal.create_new_session(request, outbox, "alice")
            else:
                body = {"user": reseal.get_session(request, outbox).get_user_id()}
        except Exception as error:  # noqa: BLE001 - translated as the documentation says
            told = answer(error, reseal.settings)  # type: ignore[arg-type]
            status, body, more = told.status, told.body, list(told.headers)
        start_response(f"{status} X", [("content-type", "application/json"), *more, *outbox.items()])
        return [json.dumps(body).encode()]

    return app


def call(app: Any, method: str, path: str, script_name: str, cookies: str = "") -> httpx.Response:
    told: list[Any] = []
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": script_name,
        "HTTP_ORIGIN": API,
        "HTTP_COOKIE": cookies,
        "wsgi.input": BytesIO(),
    }
    body = b"".join(app(environ, lambda status, headers: told.extend((status, headers))))
    return httpx.Response(int(told[0][:3]), headers=told[1], content=body)


@pytest.mark.parametrize(("script_name", "prefix"), [("/api", ""), ("", "/api"), ("/v1", "/api"), ("", "")])
def test_without_a_framework_script_name_and_the_setting_do_the_same(
    database_uri: str, script_name: str, prefix: str
) -> None:
    settings = Settings(api_domain=API, database_uri="memory:", public_path_prefix=prefix)
    with Reseal(settings) as reseal:
        app = wsgi_app(reseal)
        for path in ("/login", "/session/refresh"):
            response = call(app, "POST", path, script_name, path and cookie_line(locals().get("response")))
            assert response.status_code == 200, response.text
            places = {cookie.attributes["path"] for cookie in set_cookies(response)}
            assert places == {"/", f"{prefix}{script_name}/session/refresh"}


def cookie_line(response: httpx.Response | None) -> str:
    jar: SimpleCookie = SimpleCookie()
    for line in response.headers.get_list("set-cookie") if response else []:
        jar.load(line)
    return "; ".join(f"{name}={morsel.value}" for name, morsel in jar.items())
