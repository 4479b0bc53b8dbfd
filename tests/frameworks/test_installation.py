"""How sessions sit in an application: mounted parts, other scopes, several applications, and what is said if forgotten."""

from __future__ import annotations

import subprocess
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket

import reseal.fastapi
import reseal.starlette
from reseal import ConfigurationError, SessionHeaders, Settings, Unauthorised
from reseal.starlette import facts
from reseal.testing import ManualClock
from tests.frameworks.apps import Framework
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import ACCESS, API, EVIL, HOUR, REFRESH_PATH, WEBSITE, Site, cleared, make_site, set_cookies

SETTINGS = Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:")


async def test_a_mounted_application_sees_the_session_and_answers_refusals(site: Site) -> None:
    browser = await site.signed_in("alice")
    inside = await browser.get("/sub/me")
    assert (inside.status_code, inside.json()["user_id"]) == (200, "alice")
    visitor = await site.send("GET", "/sub/me")
    assert (visitor.status_code, visitor.json()["message"]) == (401, "unauthorised")
    site.clock.advance(HOUR)
    expired = await browser.get("/sub/me")
    assert (expired.status_code, expired.json()) == (401, {"message": "try refresh token"})
    for response in (inside, visitor, expired):
        assert response.headers.get_list("cache-control") == ["no-store"]
        assert response.headers.get_list("vary") == ["Cookie, Authorization"]


async def test_routes_under_a_mount_and_their_own_cookies_work(site: Site) -> None:
    async def update(request: Request) -> Response:
        session = await site.reseal.get_session(request)
        await session.update_jwt_payload({"inside": True})
        return JSONResponse({})

    site.app.router.routes.append(Mount("/under", routes=[Route("/update", update, methods=["POST"])]))
    browser = await site.signed_in("alice")
    response = await browser.post("/under/update")
    assert [cookie.name for cookie in set_cookies(response)] == [ACCESS]
    assert (await browser.get("/me")).json()["payload"] == {"inside": True}


async def test_an_installed_application_works_as_part_of_another(open_site: OpenSite) -> None:
    inner = await open_site(
        refresh_api_path="/api/session/refresh", signout_api_path="/api/signout", access_token_path="/api"
    )
    assert inner.settings.refresh_api_path.startswith("/api")
    assert (
        "/api/session/refresh" in inner.paths()
    )  # the paths in the settings are those that browsers see: mount such an application at /
    outer = Starlette(routes=[Mount("/", app=inner.app)])
    whole = Site(outer, inner.reseal, inner.settings, inner.clock, inner.store, inner.events, inner.ran)
    browser = await whole.signed_in("alice")
    assert (await browser.refresh()).status_code == 200
    assert cleared(await browser.sign_out())


async def test_our_routes_leave_all_others_to_the_application(site: Site) -> None:
    async def answer(request: Request) -> Response:
        return JSONResponse(request.method)

    under, options = Route(f"/under{REFRESH_PATH}", answer), Route(REFRESH_PATH, answer, methods=["OPTIONS"])
    site.app.router.routes += [under, options]
    assert (await site.send("GET", f"/under{REFRESH_PATH}")).json() == "GET"
    assert (await site.send("OPTIONS", REFRESH_PATH)).json() == "OPTIONS"
    wrong = await site.send("PUT", REFRESH_PATH)
    assert (wrong.status_code, wrong.headers["allow"]) == (405, "POST")
    assert site.app.url_path_for("refresh") == REFRESH_PATH


async def test_websockets_pass_through_untouched(site: Site) -> None:
    sent: list[dict[str, Any]] = []
    incoming = iter([{"type": "websocket.connect"}, {"type": "websocket.receive", "text": "hello"}])

    async def receive() -> Any:
        return next(incoming)

    async def send(message: Any) -> None:
        sent.append(message)

    browser = await site.signed_in("alice")
    headers = [(b"cookie", f"{ACCESS}={browser.access}".encode())]
    scope = {"type": "websocket", "path": "/echo", "headers": headers, "query_string": b"", "subprotocols": []}
    await site.app(scope, receive, send)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]
    assert sent[0]["headers"] == []
    assert sent[1]["text"] == "hello"


# S61
async def test_a_websocket_can_be_checked_for_session_and_origin_by_the_calls_without_a_framework(site: Site) -> None:
    browser = await site.signed_in("alice")
    found: list[object] = []

    async def guarded(websocket: WebSocket) -> None:
        try:
            session = await site.reseal.sessions.get_session(facts(websocket), SessionHeaders(), True)
        except Unauthorised as error:
            found.append(error.reason.value)
            await websocket.close()
            return
        found.append(session.get_user_id())
        await websocket.accept()
        await websocket.close()

    site.app.router.add_websocket_route("/guarded", guarded)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(_message: Any) -> None:
        pass

    cookie = (b"cookie", f"{ACCESS}={browser.access}".encode())
    for origin in (WEBSITE, EVIL):
        headers = [cookie, (b"origin", origin.encode())]
        await site.app(
            {"type": "websocket", "path": "/guarded", "headers": headers, "query_string": b""}, receive, send
        )
    assert found == ["alice", "cross_site"]


async def test_the_lifespan_of_the_application_runs_inside_ours_and_keeps_its_state(framework: Framework) -> None:
    told: list[str] = []
    reseal = framework.reseal(SETTINGS, clock=ManualClock())

    @asynccontextmanager
    async def lifespan(_app: Any):
        session = await reseal.sessions.backend.create("alice")  # open already
        told.append(session.claims.sub)
        yield {"ready": True}
        told.append("closing")
        await reseal.sessions.backend.create("bob")  # still open

    app = type(framework(framework.reseal(SETTINGS), []))(lifespan=lifespan)
    reseal.install(app)
    messages = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent: list[Any] = []

    async def receive() -> Any:
        return next(messages)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    state: dict[str, Any] = {}
    await app({"type": "lifespan", "app": app, "state": state}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert state == {"ready": True}
    assert told == ["alice", "closing"]


async def test_a_store_that_cannot_be_opened_stops_the_start(framework: Framework, tmp_path: Any) -> None:
    uri = f"sqlite:///{tmp_path}/no/such/folder/sessions.db"
    site = make_site(framework, Settings(api_domain=API, database_uri=uri))
    with pytest.raises(ConfigurationError):
        async with site.app.router.lifespan_context(site.app):
            pass


async def test_an_application_without_sessions_is_told_how_to_install_them(framework: Framework) -> None:
    reseal = framework.reseal(SETTINGS)
    app = framework(framework.reseal(SETTINGS), [])

    async def endpoint(request: Request) -> Response:
        await reseal.get_session(request)
        return JSONResponse({})

    app = Starlette(routes=[Route("/", endpoint)])
    from httpx import ASGITransport, Request as Sent  # noqa: I001

    with pytest.raises(RuntimeError, match=r"call reseal\.install\(app\)"):
        await ASGITransport(app=app).handle_async_request(Sent("GET", API))


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/me"), ("POST", "/login"), ("POST", "/session/refresh"), ("POST", "/signout")]
)
async def test_an_application_run_without_its_lifespan_is_told_so(
    framework: Framework, database_uri: str, method: str, path: str
) -> None:
    from httpx import ASGITransport, Request as Sent  # noqa: I001

    settings = Settings(api_domain=API, database_uri=database_uri)
    site = make_site(framework, settings)
    headers = [("cookie", f"{ACCESS}=x; __Secure-sRefreshToken=x"), ("origin", API)]
    request = Sent(method, API + path, headers=headers, json={"user_id": "alice"})
    with pytest.raises(RuntimeError, match="lifespan"):
        await ASGITransport(app=site.app).handle_async_request(request)


async def test_two_applications_in_one_process_do_not_mix(open_site: OpenSite) -> None:
    clock = ManualClock()
    shop = await open_site(clock=clock, database_uri="memory:")
    blog = await open_site(clock=clock, database_uri="memory:", api_domain="https://blog.example.org")
    customer, reader = await shop.signed_in("alice"), blog.browser()
    assert (await reader.post("/login", origin="https://blog.example.org", json={"user_id": "bob"})).status_code == 200
    customer.site, reader.site = blog, shop
    for browser, handle in ((customer.copy(), customer.handle), (reader.copy(), reader.handle)):
        assert (await browser.get("/me")).json() == {"message": "try refresh token"}
        refused = await browser.send("POST", "/session/refresh", origin=browser.site.settings.api_domain)
        assert refused.json() == {"message": "unauthorised"}
        assert handle not in {key[2] for key in browser.site.rows()}
    customer.site, reader.site = shop, blog
    assert (await customer.get("/me")).json()["user_id"] == "alice"
    assert (await reader.get("/me")).json()["user_id"] == "bob"
    assert {event.user_id for event in shop.events.seen if event.user_id} == {"alice"}


async def test_other_middleware_may_come_before_or_after(framework: Framework) -> None:
    site = make_site(framework, SETTINGS)
    site.app.add_middleware(GZipMiddleware, minimum_size=1)
    site.app.user_middleware.append(
        Middleware(
            CORSMiddleware,
            allow_origins=[WEBSITE],
            allow_credentials=True,
            allow_methods=["*"],
            allow_headers=["rid", "anti-csrf", "content-type"],
            expose_headers=["X-Own"],
        )
    )
    async with site.app.router.lifespan_context(site.app):
        browser = site.browser()
        response = await browser.login("alice")
        exposed = response.headers["access-control-expose-headers"]
        assert {name.strip().lower() for name in exposed.split(",")} == {"x-own", "front-token"}
        assert response.headers.get_list("access-control-allow-origin") == [WEBSITE]
        vary = {name.strip().lower() for name in response.headers["vary"].split(",")}
        assert {"cookie", "authorization", "origin"} <= vary
        zipped = await browser.send("GET", "/me", [("accept-encoding", "gzip"), ("origin", WEBSITE)])
        assert zipped.headers["content-encoding"] == "gzip"
        assert zipped.headers["cache-control"] == "no-store"
        preflight = await site.send(
            "OPTIONS",
            "/session/refresh",
            [("origin", WEBSITE), ("access-control-request-method", "POST"), ("access-control-request-headers", "rid")],
        )
        assert preflight.status_code == 200
        assert not set_cookies(preflight)


async def test_the_public_calls_answer_with_the_store_and_clock_that_were_given(framework: Framework) -> None:
    clock = ManualClock()
    reseal = framework.reseal(SETTINGS, clock=clock)
    site = Site(framework(reseal, []), reseal, SETTINGS, clock, None, None)  # type: ignore[arg-type]
    async with site.app.router.lifespan_context(site.app):
        browser = await site.signed_in("alice")
        clock.advance(HOUR)
        assert (await browser.get("/me")).status_code == 401
        assert (await browser.fetch("GET", "/me")).status_code == 200
        clock.advance(101 * 24 * HOUR)
        assert await reseal.sessions.get_all_session_handles_for_user("alice") == ()


async def test_an_application_that_cannot_start_says_why_without_a_traceback(
    tmp_path: Any, framework: Framework
) -> None:
    (tmp_path / "a folder.db").mkdir()
    site = make_site(framework, replace(SETTINGS, database_uri=f"sqlite:///{tmp_path}/a folder.db"))
    told: list[Any] = []

    async def receive() -> Any:
        return {"type": "lifespan.startup"}

    async def send(message: Any) -> None:
        told.append(message)

    with pytest.raises(ConfigurationError):
        await site.app({"type": "lifespan", "state": {}}, receive, send)
    [message] = told
    assert message["type"] == "lifespan.startup.failed"
    assert message["message"].startswith("Reseal cannot start: ")
    assert "a folder.db" in message["message"]
    assert "Traceback" not in message["message"]


@pytest.mark.parametrize("missing", ["fastapi", "starlette"])
def test_an_import_without_the_package_it_needs_names_the_extra(missing: str) -> None:
    code = f"import sys; sys.modules[{missing!r}] = None; import reseal.{missing}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert f'reseal.{missing} needs {missing}: pip install "reseal[{missing}]"' in done.stderr
    assert "During handling" not in done.stderr


@pytest.mark.parametrize("make", [reseal.fastapi.Reseal, reseal.starlette.Reseal, reseal.AsyncReseal, reseal.Reseal])
def test_an_application_in_place_of_the_settings_is_named(make: Any) -> None:
    with pytest.raises(TypeError, match=r"^Reseal takes Settings, not a Starlette: write Reseal\(Settings\(api_domain"):
        make(Starlette())
