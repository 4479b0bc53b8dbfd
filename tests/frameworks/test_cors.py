"""Pages of other origins: those of the settings may call with their session, and nobody else is answered."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from reseal import EventName, RequestFacts, SessionHeaders, get_cors_exposed_headers, get_cors_headers
from tests.frameworks.apps import FRAMEWORKS, Framework
from tests.frameworks.site import API, EVIL, WEBSITE, Settings, Site, keeps_cookies, make_site

ADMIN = "https://admin.example.com"
SETTINGS = Settings(api_domain=API, website_domain=WEBSITE, trusted_origins=(ADMIN,), database_uri="memory:")
NOT_OURS = [
    EVIL,
    "null",
    "*",
    "",
    "https://www.example.com.evil.example.net",  # ours as a prefix
    "https://evilwww.example.com",  # ours as a suffix
    "https://sub.www.example.com",
    "https://example.com",
    "https://www.example.com:8443",
    "https://www.example.com:443",
    "http://www.example.com",
    "https://WWW.example.com",
    "HTTPS://www.example.com",
    "https://www.example.com/",
    "https://www.example.com.",
    "https://www.example.com@evil.example.net",
    " https://evil.example.net",
    f"{WEBSITE}, {EVIL}",
]
ASKED = "rid, fdi-version, anti-csrf, authorization, st-auth-mode, content-type, x-own"


async def opened(framework: Framework) -> Site:
    site = make_site(framework, SETTINGS)
    site.reseal.install_cors(site.app, allow_headers=["X-Own"], expose_headers=["X-Told"])
    await site.store.open()
    await site.reseal.sessions.backend.open()
    return site


@pytest.fixture
async def site(framework: Framework) -> Site:
    return await opened(framework)


def preflight_lines(origin: str, method: str = "POST", asked: str = ASKED) -> list[tuple[str, str]]:
    return [
        ("origin", origin),
        ("access-control-request-method", method),
        ("access-control-request-headers", asked),
    ]


# S66
@pytest.mark.parametrize("origin", [API, WEBSITE, ADMIN])
async def test_a_page_of_ours_may_send_and_read_all_that_its_session_needs(site: Site, origin: str) -> None:
    for method in ("GET", "POST", "PUT", "PATCH", "DELETE"):
        answer = await site.send("OPTIONS", "/me", preflight_lines(origin, method))
        assert answer.status_code == 200
        assert answer.headers["access-control-allow-origin"] == origin
        assert answer.headers["access-control-allow-credentials"] == "true"
        allowed = {name.strip().lower() for name in answer.headers["access-control-allow-headers"].split(",")}
        assert set(ASKED.split(", ")) <= allowed
    answer = await site.send("POST", "/login", [("origin", origin)], json={"user_id": "alice"})
    exposed = {name.strip().lower() for name in answer.headers["access-control-expose-headers"].split(",")}
    ours = {"front-token", "anti-csrf", "st-access-token", "st-refresh-token", "retry-after"}
    assert ours | {"dpop-nonce", "www-authenticate", "x-told"} == exposed
    assert answer.headers.get_list("access-control-allow-origin") == [origin]
    refused = await site.send("GET", "/me", [("origin", origin)])
    assert (refused.status_code, refused.headers["access-control-allow-origin"]) == (401, origin)


# S66
@pytest.mark.parametrize("origin", NOT_OURS)
async def test_any_other_origin_is_allowed_nothing(site: Site, origin: str) -> None:
    answers = [await site.send("OPTIONS", path, preflight_lines(origin)) for path in ("/me", "/session/refresh")]
    answers.append(await site.send("GET", "/plain", [("origin", origin)]))
    answers.append(await site.send("POST", "/login", [("origin", origin)], json={"user_id": "alice"}))
    for answer in answers:
        assert not [name for name in answer.headers if name.startswith("access-control-allow-")]
    assert answers[0].status_code == 405


# S66
@pytest.mark.parametrize("origin", NOT_OURS)
async def test_a_preflight_handler_of_your_own_allows_no_other_origin_either(site: Site, origin: str) -> None:
    for lines in (preflight_lines(origin), [("origin", WEBSITE), ("origin", origin)], []):
        response = SessionHeaders()
        request = RequestFacts.of("OPTIONS", "/me", lines)
        assert site.reseal.sessions.set_relevant_headers_for_options_api(request, response) is False
        assert response.items() == []


async def test_a_preflight_handler_of_your_own_says_all_that_a_page_of_ours_needs(framework: Framework) -> None:
    site = make_site(framework, SETTINGS)

    async def preflight(request: Request) -> Response:
        site.reseal.set_relevant_headers_for_options_api(request)
        return Response(status_code=204)

    site.app.router.routes.insert(0, Route("/me", preflight, methods=["OPTIONS"]))
    answer = await site.send("OPTIONS", "/me", preflight_lines(ADMIN))
    assert answer.headers["access-control-allow-origin"] == ADMIN
    assert answer.headers["access-control-allow-credentials"] == "true"
    assert set(get_cors_headers()) == set(answer.headers["access-control-allow-headers"].split(", "))
    assert "PATCH" in answer.headers["access-control-allow-methods"]


def test_the_lists_are_the_callers_own() -> None:
    for listed in (get_cors_headers, get_cors_exposed_headers):
        listed().clear()
        assert listed()


class TestSigningIn:
    """There is no session to protect yet, but one to be pushed upon a user."""

    @pytest.fixture
    def guarded(self, site: Site) -> Site:
        async def login(request: Request) -> Response:
            await site.reseal.require_own_origin(request)
            await site.reseal.create_new_session(request, "mallory")
            return JSONResponse({})

        site.app.router.routes.insert(0, Route("/own-login", login, methods=["POST"]))
        return site

    @pytest.mark.parametrize(
        "lines",
        [[("origin", origin)] for origin in NOT_OURS]
        + [[("sec-fetch-site", "cross-site")], [("sec-fetch-site", "same-site")]]
        + [[("origin", WEBSITE), ("origin", EVIL)]],
    )
    async def test_no_foreign_page_signs_its_visitor_in(self, guarded: Site, lines: list[tuple[str, str]]) -> None:
        answer = await guarded.send("POST", "/own-login", lines)
        assert (answer.status_code, answer.json()) == (401, {"message": "unauthorised"})
        assert keeps_cookies(answer)
        assert guarded.rows() == {}
        assert len(guarded.events.of(EventName.CROSS_SITE_REFUSED)) == 1

    @pytest.mark.parametrize("lines", [[("origin", WEBSITE)], [("sec-fetch-site", "same-origin")], []])
    async def test_our_own_pages_and_programs_do(self, guarded: Site, lines: list[tuple[str, str]]) -> None:
        assert (await guarded.send("POST", "/own-login", lines)).status_code == 200


async def test_the_origin_check_is_a_dependency_of_fastapi() -> None:
    from fastapi import Depends

    site = await opened(FRAMEWORKS["fastapi"])

    @site.app.post("/guarded", dependencies=[Depends(site.reseal.require_own_origin)])
    async def guarded() -> str:
        return "in"

    site.app.router.routes.insert(0, site.app.router.routes.pop())
    assert (await site.send("POST", "/guarded", [("origin", EVIL)])).status_code == 401
    assert (await site.send("POST", "/guarded", [("origin", WEBSITE)])).json() == "in"


async def test_a_websocket_is_told_what_to_use_instead(site: Site) -> None:
    from fastapi import Depends, FastAPI

    told: list[str] = []

    async def by_hand(websocket: WebSocket) -> None:
        await site.reseal.get_session(websocket)  # type: ignore[arg-type]  # the mistake

    site.app.router.routes.insert(0, WebSocketRoute("/by-hand", by_hand))
    paths = ["/by-hand"]
    if isinstance(site.app, FastAPI):
        dependency: Any = Depends(site.reseal.session())  # type: ignore[attr-defined]

        @site.app.websocket("/by-dependency")
        async def by_dependency(websocket: WebSocket, session: Any = dependency) -> None:
            raise AssertionError("there is no such session")

        site.app.router.routes.insert(0, site.app.router.routes.pop())
        paths.append("/by-dependency")

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    async def send(_message: Any) -> None:
        pass

    for path in paths:
        scope = {"type": "websocket", "path": path, "headers": [], "query_string": b""}
        with pytest.raises(RuntimeError, match=r"use reseal\.guard\(websocket\)"):
            await site.app(scope, receive, send)
        told.append(path)
    assert told == paths
