"""How the plugin sits in an application: lifespan, responses of all kinds, prefixes, and Litestar's own features beside it."""

from __future__ import annotations

import importlib.util
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from litestar import Litestar, MediaType, Request, Response, asgi, delete, get, post
from litestar.config.csrf import CSRFConfig
from litestar.config.response_cache import ResponseCacheConfig
from litestar.datastructures import CacheControlHeader
from litestar.exceptions import NotFoundException
from litestar.logging import LoggingConfig
from litestar.middleware.session.server_side import ServerSideSessionConfig
from litestar.response import Template
from litestar.template import TemplateConfig
from starlette.applications import Starlette
from starlette.routing import Mount

from reseal import Anonymous, RefreshFirst, SignedIn, TokenTheftDetected
from reseal.litestar import Injected, Reseal, Session, cors_config, session_guard
from reseal.testing import ManualClock
from tests.litestar.site import ACCESS, API, EVIL, HOUR, REFRESH, AnyRequest, Client, make, sessions, settings, visiting
from tests.support.device import Device


def jinja() -> Any:
    """Return the engine, which has moved between versions of Litestar."""
    is_new = importlib.util.find_spec("litestar.plugins.jinja") is not None
    return importlib.import_module(f"litestar.{'plugins' if is_new else 'contrib'}.jinja").JinjaTemplateEngine


def paths(client: Client) -> dict[str, str]:
    return {cookie.name: cookie.path for cookie in client.cookies.jar}


@post("/renamed", status_code=200)
async def renamed(session: Injected[Session]) -> None:
    await session.update_jwt_payload({"name": "Alice"})


async def told_by(app: Any) -> list[Any]:
    """Start and stop an application as a server would; returns what it says."""
    waiting, told = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], []

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        told.append(message)

    await app({"type": "lifespan", "state": {}}, receive, send)
    return told


def test_why_the_application_cannot_start_is_said_before_litestars_stack_trace(tmp_path: Any) -> None:
    (tmp_path / "a folder.db").mkdir()
    (tmp_path / "shop.py").write_text(
        "from litestar import Litestar\n"
        "from reseal.litestar import Reseal, Settings\n"
        "settings = Settings(api_domain='https://api.example.com', database_uri='sqlite:///a folder.db')\n"
        "app = Litestar(plugins=[Reseal(settings)])\n"
    )
    command = [sys.executable, "-m", "uvicorn", "shop:app", "--port", "0"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode != 0
    before = done.stderr.partition("Traceback")[0]
    assert "Reseal cannot start: The configuration has 1 problem:\n  - database_uri: " in before
    assert "a folder.db cannot be opened for writing (Is a directory)" in before


async def test_the_sessions_are_open_for_as_long_as_any_code_of_the_application_runs() -> None:
    seen: list[str] = []

    async def use(when: str) -> None:
        await sessions(app).sessions.revoke_all_sessions_for_user("alice")
        seen.append(when)

    @asynccontextmanager
    async def own(_app: Litestar) -> AsyncIterator[None]:
        await use("lifespan begins")
        yield
        await use("lifespan ends")

    async def start() -> None:
        await use("start")

    async def stop() -> None:
        await use("stop")

    app = make(lifespan=[own], on_startup=[start], on_shutdown=[stop])
    assert [message["type"] for message in await told_by(app)] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]
    assert seen == ["lifespan begins", "start", "lifespan ends", "stop"]


def test_a_personal_response_never_gets_into_the_cache_of_responses() -> None:
    calls: list[str] = []

    @get("/cached", cache=True)
    async def cached(session: Injected[Session]) -> str:
        calls.append(session.get_user_id())
        return session.get_user_id()

    @get("/renewed", cache=True)
    async def renewed(session: Injected[Session]) -> str:
        await session.update_jwt_payload({"name": session.get_user_id()})
        return session.get_user_id()

    @get("/cached-for-all", cache=True)
    async def cached_for_all() -> str:
        calls.append("all")
        return "all"

    app = make(cached, renewed, cached_for_all)
    with visiting(app) as client:
        for user_id in ("alice", "bob"):
            client.cookies.clear()
            client.post(f"/login?user_id={user_id}")
            assert client.get("/cached").text == user_id
            answer = client.get("/renewed")
            assert (answer.text, client.get("/me").text) == (user_id, user_id)
            assert client.get("/cached-for-all").text == "all"
    assert calls == ["alice", "all", "bob"]


def test_the_applications_own_filter_of_the_cache_stays() -> None:
    calls: list[str] = []

    @get("/uncached", cache=True)
    async def uncached() -> str:
        calls.append("called")
        return "never kept"

    config = ResponseCacheConfig(cache_response_filter=lambda _scope, _status: False)
    with visiting(make(uncached, response_cache_config=config)) as client:
        client.get("/uncached")
        client.get("/uncached")
    assert calls == ["called", "called"]


def test_cookies_leave_with_errors_of_the_router_and_of_middleware_as_well() -> None:
    def failing_middleware(app: Any) -> Any:
        async def call(scope: Any, receive: Any, send: Any) -> None:
            await sessions(scope["app"]).create_new_session(Request(scope, receive), "alice")
            raise NotFoundException

        return call

    def lost(request: AnyRequest, _error: Exception) -> Response[str]:
        is_preflight = sessions(app).set_relevant_headers_for_options_api(request)
        return Response(str(is_preflight), status_code=404, media_type=MediaType.TEXT)

    @get("/failing", middleware=[failing_middleware])
    async def failing() -> None: ...

    app = make(failing, renamed, exception_handlers={404: lost})
    with visiting(app) as client:
        answer = client.get("/failing")
        assert (answer.status_code, set(paths(client))) == (404, {ACCESS, REFRESH})
        assert client.get("/no-such-path").headers["access-control-allow-origin"] == API
        assert client.get("/renamed").status_code == 405


def test_the_applications_own_answer_to_an_error_wins() -> None:
    def stolen(_request: AnyRequest, error: Exception) -> Response[dict[str, str]]:
        assert isinstance(error, TokenTheftDetected)
        return Response({"message": "token theft detected", "help": "/stolen"}, status_code=401)

    clock = ManualClock()
    handlers = {TokenTheftDetected: stolen}
    app = make(clock=clock, exception_handlers=handlers)
    assert handlers == {TokenTheftDetected: stolen}
    with visiting(app) as client:
        client.post("/login")
        [old] = [cookie.value for cookie in client.cookies.jar if cookie.name == REFRESH]
        for _ in range(2):
            clock.advance(HOUR)
            assert client.post("/session/refresh").status_code == 200
        client.cookies.set(REFRESH, str(old), domain="api.example.com", path="/session/refresh")
        answer = client.post("/session/refresh")
    assert (answer.status_code, answer.json()["help"]) == (401, "/stolen")
    assert answer.headers["front-token"] == "remove"


if hasattr(LoggingConfig(), "disable_stack_trace"):  # since Litestar 2.16

    def test_what_visitors_cause_leaves_no_stack_trace_in_the_log(caplog: Any) -> None:
        @get("/broken")
        async def broken() -> None:
            raise RuntimeError("a mistake")

        config = LoggingConfig(log_exceptions="always", configure_root_logger=False)
        with visiting(make(broken, logging_config=config)) as client, caplog.at_level(logging.ERROR):
            logging.getLogger("litestar").propagate = True
            client.get("/me")
            assert not [record for record in caplog.records if record.levelno >= logging.ERROR]
            client.get("/broken")
            assert [record.name for record in caplog.records if record.levelno >= logging.ERROR] == ["litestar"]


def test_litestars_own_csrf_protection_leaves_our_routes_alone() -> None:
    @delete("/thing", status_code=200)
    async def thing() -> str:
        return "gone"

    config = CSRFConfig("secret", exclude_from_csrf_key="no_csrf")
    with visiting(make(thing, csrf_config=config)) as client:
        client.get("/me")
        token = client.cookies["csrftoken"]
        assert client.delete("/thing").status_code == 403
        assert client.delete("/thing", headers={"x-csrftoken": token}).text == "gone"
        assert client.post("/login").status_code == 403
        client.post("/login", headers={"x-csrftoken": token})
        assert client.post("/session/refresh").status_code == 200
        assert client.post("/signout").status_code == 200


def test_litestars_own_csrf_protection_lets_browsers_bind_and_refresh_sessions() -> None:
    config = CSRFConfig("secret", exclude_from_csrf_key="no_csrf")
    device = Device()
    with visiting(make(csrf_config=config, changes={"device_binding": "offer"})) as client:
        client.get("/me")
        signed_in = client.post("/login", headers={"x-csrftoken": client.cookies["csrftoken"]})
        challenge = signed_in.headers["secure-session-registration"].rpartition('="')[2].rstrip('"')
        proof = device.proof(challenge, brings_key=True)
        answer = client.post("/session/refresh/bind", headers={"secure-session-response": proof})
        assert answer.status_code == 200
        named = {"sec-secure-session-id": f'"{answer.json()["session_identifier"]}"'}
        assert client.post("/session/refresh/bound", headers=named).status_code == 403
        challenge = answer.headers["secure-session-challenge"].partition('";')[0].lstrip('"')
        proof = device.proof(challenge, brings_key=False)
        answer = client.post("/session/refresh/bound", headers=named | {"secure-session-response": proof})
        assert answer.json()["session_identifier"] == signed_in.json()["handle"]


def test_our_cookies_and_others_of_the_same_response_are_all_kept() -> None:
    @get("/enter")
    async def enter(request: AnyRequest) -> Response[str]:
        request.session["seen"] = True
        await sessions(app).create_new_session(request, "alice")
        return Response("in", cookies={"theme": "dark"})

    app = make(enter, csrf_config=CSRFConfig("secret"), middleware=[ServerSideSessionConfig().middleware])
    with visiting(app) as client:
        client.get("/enter")
        assert set(paths(client)) == {ACCESS, REFRESH, "csrftoken", "session", "theme"}


def test_litestars_own_sessions_may_run_beside() -> None:
    @get("/visits")
    async def visits(request: AnyRequest, session: Injected[Session]) -> list[Any]:
        request.session["visits"] = request.session.get("visits", 0) + 1
        return [session.get_user_id(), request.session["visits"]]

    with visiting(make(visits, middleware=[ServerSideSessionConfig().middleware])) as client:
        client.post("/login")
        assert [client.get("/visits").json() for _ in range(2)] == [["alice", 1], ["alice", 2]]


def test_a_cache_rule_of_the_application_does_not_reach_what_depends_on_a_session() -> None:
    @get("/open")
    async def open_() -> str:
        return "open"

    with visiting(make(open_, cache_control=CacheControlHeader(public=True, max_age=60))) as client:
        client.post("/login")
        assert client.get("/open").headers["cache-control"] == "max-age=60, public"
        assert client.get("/me").headers.get_list("cache-control") == ["no-store"]


def test_pages_of_own_origins_may_call_and_others_are_told_nothing() -> None:
    given = settings(trusted_origins=("https://www.example.com",))
    config = cors_config(given, allow_headers=["X-Own"], expose_headers=["X-Told"])
    app = make(changes={"trusted_origins": ("https://www.example.com",)}, cors_config=config)
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "rid, anti-csrf, x-own"}
    with visiting(app) as client:
        own = client.options("/session/refresh", headers=asked | {"origin": "https://www.example.com"})
        assert own.headers["access-control-allow-origin"] == "https://www.example.com"
        assert own.headers["access-control-allow-credentials"] == "true"
        answer = client.post("/login", headers={"origin": "https://www.example.com"})
        exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
        assert {"front-token", "retry-after", "x-told"} <= exposed
        foreign = client.get("/.well-known/jwks.json", headers={"origin": EVIL})
        assert not [name for name in foreign.headers if name.startswith("access-control-")]


@pytest.mark.parametrize("how", ["path", "root path", "both", "mounted"])
def test_under_a_prefix_cookies_are_sent_where_they_are_needed(how: str) -> None:
    app: Any = make(path="/shop" if how in {"path", "both"} else None)
    prefix = {"path": "/shop", "both": "/outer/shop"}.get(how, "/outer")
    root = "/outer" if how in {"root path", "both"} else ""
    if how == "mounted":
        app = Starlette(routes=[Mount("/outer", app)], lifespan=lambda _: app_lifespan)
        app_lifespan = app.routes[0].app.lifespan()
    with visiting(app, root_path=root) as client:
        assert client.post(f"{prefix}/login").status_code == 200
        assert paths(client)[REFRESH] == f"{prefix}/session/refresh"
        assert client.get(f"{prefix}/me").text == "alice"
        assert client.post(f"{prefix}/session/refresh").status_code == 200
        assert client.post(f"{prefix}/signout").status_code == 200
        assert not paths(client)


def test_one_application_mounted_in_another_has_sessions_of_its_own() -> None:
    inner = make(changes={"cookie_suffix": "inner"})

    @asgi("/inner", is_mount=True, copy_scope=True)
    async def mounted(scope: Any, receive: Any, send: Any) -> None:
        await inner(scope, receive, send)

    outer = make(mounted, lifespan=[lambda _: inner.lifespan()])
    with visiting(outer) as client:
        client.post("/login?user_id=outer")
        client.post("/inner/login?user_id=inner")
        assert client.get("/me").text == "outer"
        assert client.get("/inner/me").text == "inner"


def test_a_guarded_mount_serves_those_who_are_signed_in() -> None:
    async def plain(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": [(b"cache-control", b"public")]})
        await send({"type": "http.response.body", "body": b"plain"})

    with visiting(make(asgi("/plain", is_mount=True, guards=[session_guard()], copy_scope=True)(plain))) as client:
        assert client.get("/plain").status_code == 401
        client.post("/login")
        answer = client.get("/plain")
        assert (answer.text, answer.headers["cache-control"]) == ("plain", "no-store")


def test_routes_of_the_applications_own_take_the_place_of_ours() -> None:
    reseal = Reseal(settings(refresh_api_path="/own/refresh"), routes=False)

    @post("/login")
    async def login(request: AnyRequest) -> None:
        await reseal.create_new_session(request, "alice")

    @post("/own/refresh", status_code=200)
    async def refresh(request: AnyRequest) -> str:
        return (await reseal.refresh_session(request)).get_user_id()

    @post("/leave", status_code=200)
    async def leave(request: AnyRequest) -> None:
        await reseal.sign_out(request)

    with visiting(Litestar([login, refresh, leave], plugins=[reseal], logging_config=None)) as client:
        assert client.post("/signout").status_code == 404
        client.post("/login")
        assert client.post("/own/refresh").text == "alice"
        assert client.post("/leave").status_code == 200
        assert not paths(client)


def test_a_page_refreshes_first_and_comes_back(tmp_path: Any) -> None:
    (tmp_path / "home.html").write_text("Welcome, {{ name }}")
    clock = ManualClock()

    @get("/home")
    async def home(request: AnyRequest) -> Response[Any] | Template:
        match await sessions(app).peek(request):
            case SignedIn(session):
                return Template("home.html", context={"name": session.get_user_id()})
            case RefreshFirst():
                return sessions(app).refresh_first(request)
            case Anonymous():
                return Template("home.html", context={"name": "stranger"})

    templates = TemplateConfig(directory=tmp_path, engine=jinja())
    app = make(home, clock=clock, path="/shop", template_config=templates)
    with visiting(app) as client:
        assert client.get("/shop/home").text == "Welcome, stranger"
        client.post("/shop/login")
        assert client.get("/shop/home").text == "Welcome, alice"
        clock.advance(HOUR)
        page = client.get("/shop/home?tab=two words")
        assert "/shop/home%3Ftab%3Dtwo%2520words" in page.text
        back = client.post(
            "/shop/session/refresh/continue?target=/shop/home",
            headers={"sec-fetch-site": "same-origin"},
            follow_redirects=False,
        )
        assert (back.status_code, back.headers["location"]) == (303, "/shop/home")
        assert client.get("/shop/home").text == "Welcome, alice"


def test_a_page_that_only_demands_a_session_refreshes_first_by_itself() -> None:
    clock = ManualClock()
    loads = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "sec-fetch-site": "same-origin"}
    with visiting(make(renamed, clock=clock, path="/shop")) as client:
        client.post("/shop/login")
        clock.advance(HOUR)
        assert client.get("/shop/me").json()["message"] == "try refresh token"
        page = client.get("/shop/me?tab=1", headers=loads | {"accept": "text/html"})
        assert "/shop/session/refresh/continue?target=/shop/me%3Ftab%3D1" in page.text
        form = client.post("/shop/renamed", headers=loads | {"accept": "text/html"}, follow_redirects=False)
        assert (form.status_code, form.headers["location"]) == (
            307,
            "/shop/session/refresh/repeat?target=/shop/renamed",
        )
        again = client.post(form.headers["location"], headers=loads, follow_redirects=False)
        assert (again.status_code, again.headers["location"]) == (307, "/shop/renamed")
        assert client.post("/shop/renamed").status_code == 200


def test_applications_of_one_process_know_nothing_of_one_another() -> None:
    one, other = make(), make(changes={"cookie_suffix": "other"})
    with visiting(one) as client, visiting(other) as other_client:
        client.post("/login?user_id=one")
        other_client.post("/login?user_id=other")
        assert (client.get("/me").text, other_client.get("/me").text) == ("one", "other")
        other_client.cookies = client.cookies
        assert other_client.get("/me").status_code == 401


def test_without_the_package_the_import_names_the_extra() -> None:
    code = "import sys; sys.modules['litestar'] = None; import reseal.litestar"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert 'reseal.litestar needs litestar: pip install "reseal[litestar]"' in done.stderr
    assert "During handling" not in done.stderr
