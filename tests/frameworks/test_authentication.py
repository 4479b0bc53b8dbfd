"""Demands on the authentication of a user, as browsers and other clients see them."""

from __future__ import annotations

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reseal import AuthenticatedBy, InvalidInput
from tests.frameworks.conftest import EACH_STORE, OpenSite
from tests.frameworks.site import ACCESS, MINUTE, REFRESH, Site, set_cookies

GOLD = AuthenticatedBy(acr=["gold"], max_age_ms=5 * MINUTE)
DEMANDED = {"message": "a stronger authentication is required", "acr_values": ["gold"], "max_age": 300}


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    site = await open_site()

    async def signed_in(request: Request) -> Response:
        level = request.query_params["acr"]
        session = await site.reseal.create_new_session(request, "alice", {"role": "reader"}, acr=level, amr=["pwd"])
        return JSONResponse(session.get_jwt_payload())

    async def gold(request: Request) -> Response:
        session = await site.reseal.get_session(request, claims=[GOLD])
        return JSONResponse(session.get_jwt_payload())

    async def wrong(request: Request) -> Response:
        with pytest.raises(InvalidInput, match="auth_time"):
            await site.reseal.create_new_session(request, "alice", auth_time=site.clock.wall())
        return JSONResponse({})

    async def step_up(request: Request) -> Response:
        session = await site.reseal.get_session(request)
        await session.elevate(acr="gold", amr=["otp"], for_=10 * MINUTE)
        return JSONResponse(session.get_jwt_payload())

    async def checked(request: Request) -> Response:
        session = await site.reseal.get_session(request, check_database=True, claims=[GOLD])
        return JSONResponse(session.get_jwt_payload())

    for path, route in (
        ("/step-up", step_up),
        ("/checked", checked),
        ("/begin", signed_in),
        ("/gold", gold),
        ("/wrong", wrong),
    ):
        site.app.router.add_route(path, route, methods=["POST"])
    return site


async def send(site: Site, path: str, *headers: tuple[str, str]) -> httpx.Response:
    """Send a request as a client that is no page."""
    transport = httpx.ASGITransport(app=site.app)
    async with httpx.AsyncClient(transport=transport, base_url="https://api.example.com") as client:
        return await client.post(path, headers=list(headers))


@EACH_STORE
async def test_a_page_in_cookie_mode_is_told_what_is_demanded(site: Site) -> None:
    browser = site.browser()
    assert (await browser.post("/begin?acr=silver")).status_code == 200
    answer = await browser.post("/gold")
    assert answer.status_code == 403
    assert answer.json()["claimValidationErrors"] == [{"id": "authentication", "reason": DEMANDED}]
    assert "www-authenticate" not in answer.headers


@EACH_STORE
async def test_the_authentication_is_in_each_access_token_and_grows_old(site: Site) -> None:
    browser, began = site.browser(), site.clock.wall() // 1000
    claims = {"role": "reader", "auth_time": began, "amr": ["pwd"], "acr": "gold"}
    assert (await browser.post("/begin?acr=gold")).json() == claims
    site.clock.advance(4 * MINUTE)
    assert (await browser.refresh()).status_code == 200
    assert (await browser.post("/gold")).json() == claims
    (listed,) = await site.reseal.sessions.list_sessions("alice")
    assert listed.authenticated_by == ("pwd",)
    site.clock.advance(2 * MINUTE)
    answer = await browser.post("/gold")
    assert answer.status_code == 403
    reason = DEMANDED | {"message": "a more recent authentication is required"}
    assert answer.json()["claimValidationErrors"] == [{"id": "authentication", "reason": reason}]


@EACH_STORE
async def test_a_client_with_a_header_gets_the_challenge_of_rfc_9470(site: Site) -> None:
    begun = await send(site, "/begin?acr=silver", ("st-auth-mode", "header"))
    token = ("authorization", f"Bearer {begun.headers['st-access-token']}")
    answer = await send(site, "/gold", token)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer error="insufficient_user_authentication", error_description="another authentication is required", '
        'acr_values="gold", max_age="300"'
    )
    assert answer.json()["claimValidationErrors"] == [{"id": "authentication", "reason": DEMANDED}]


@EACH_STORE
async def test_a_page_in_header_mode_is_answered_as_in_cookie_mode_because_it_refreshes_after_a_401(site: Site) -> None:
    begun = await send(site, "/begin?acr=silver", ("st-auth-mode", "header"))
    token = ("authorization", f"Bearer {begun.headers['st-access-token']}")
    answer = await send(site, "/gold", token, ("st-auth-mode", "header"))
    assert answer.status_code == 403
    assert "www-authenticate" not in answer.headers


@EACH_STORE
async def test_a_time_in_milliseconds_is_refused(site: Site) -> None:
    assert (await site.browser().post("/wrong")).status_code == 200


@EACH_STORE
async def test_a_browser_has_the_level_at_once_and_until_its_end(site: Site) -> None:
    browser = site.browser()
    claims = (await browser.post("/begin?acr=silver")).json()
    raised = await browser.post("/step-up")
    assert {cookie.name for cookie in set_cookies(raised)} >= {ACCESS, REFRESH}
    assert raised.json() == claims | {"acr": "gold", "amr": ["otp"]}
    for path in ("/gold", "/checked"):
        answer = await browser.post(path)
        assert answer.json() == raised.json()
        assert not set_cookies(answer)
    handle = (await site.reseal.sessions.list_sessions("alice"))[0].handle
    assert await site.reseal.sessions.get_jwt_payload(handle) == claims
    site.clock.advance(10 * MINUTE)
    assert (await browser.post("/gold")).status_code == 401
    assert (await browser.refresh()).status_code == 200
    assert (await browser.post("/gold")).status_code == 403


@EACH_STORE
async def test_the_level_ends_in_the_database_when_a_token_from_before_is_used(site: Site) -> None:
    browser = site.browser()
    await browser.post("/begin?acr=silver")
    thief = browser.copy()
    await browser.post("/step-up")
    assert (await thief.refresh()).status_code == 200
    assert (await thief.post("/gold")).status_code == 403
    assert (await browser.post("/checked")).status_code == 403


@EACH_STORE
async def test_a_client_with_a_header_gets_the_level_in_headers(site: Site) -> None:
    begun = await send(site, "/begin?acr=silver", ("st-auth-mode", "header"))
    raised = await send(site, "/step-up", ("authorization", f"Bearer {begun.headers['st-access-token']}"))
    assert raised.headers["st-refresh-token"] != begun.headers["st-refresh-token"]
    for token, status in ((raised, 200), (begun, 401)):
        answer = await send(site, "/gold", ("authorization", f"Bearer {token.headers['st-access-token']}"))
        assert answer.status_code == status
