"""The seed's loop over HTTP, and the answers, headers and routes of the browser interface (era D)."""

from __future__ import annotations

import httpx
import pytest
from fastapi import Depends, FastAPI, HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reseal import EventName, ResealError, Settings, TokenTheftDetected
from reseal.fastapi import Reseal
from reseal.testing import ManualClock
from tests.frameworks.apps import Framework
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import (
    ACCESS,
    API,
    HOUR,
    REFRESH,
    REFRESH_PATH,
    WEBSITE,
    Site,
    cleared,
    cookie_names,
    front_token,
    keeps_cookies,
    make_site,
)


@pytest.mark.parametrize("status", [401, 440])
async def test_an_expired_access_token_is_refreshed_and_the_request_repeated(open_site: OpenSite, status: int) -> None:
    site = await open_site(session_expired_status_code=status)
    browser = await site.signed_in("alice")
    site.clock.advance(HOUR)
    before = dict(browser.jar)

    expired = await browser.get("/me")
    assert (expired.status_code, expired.json()) == (status, {"message": "try refresh token"})
    assert keeps_cookies(expired)
    assert browser.jar == before

    refreshed = await browser.refresh()
    assert (refreshed.status_code, refreshed.json()) == (200, {})
    assert sorted(cookie_names(refreshed)) == sorted([ACCESS, REFRESH])
    assert all(browser.jar[place] != value for place, value in before.items())

    again = await browser.get("/me")
    assert again.status_code == 200
    assert again.json()["user_id"] == "alice"


async def test_the_loop_goes_on_for_as_long_as_the_user_does(site: Site) -> None:
    browser = await site.signed_in("alice")
    for _ in range(5):
        site.clock.advance(2 * HOUR)
        assert (await browser.fetch("POST", "/count")).status_code == 200
    assert (await browser.get("/data")).json() == {"count": 5}
    assert len(site.rows()) == 1
    assert len(site.events.of(EventName.SESSION_REFRESHED)) == 5
    assert not site.events.of(EventName.TOKEN_THEFT)


@pytest.mark.parametrize("status", [401, 440])
async def test_each_error_has_its_status_and_its_body(open_site: OpenSite, status: int) -> None:
    site = await open_site(session_expired_status_code=status)
    browser, visitor = await site.signed_in(), site.browser()

    no_token = await visitor.get("/me")
    assert (no_token.status_code, no_token.json()) == (status, {"message": "unauthorised", "reason": "no_token"})
    assert keeps_cookies(no_token)

    refreshed_by_a_visitor = await visitor.refresh()
    assert refreshed_by_a_visitor.status_code == status
    assert keeps_cookies(refreshed_by_a_visitor)

    claim = await browser.get("/mfa")
    failure = {"id": "mfa", "reason": {"message": "value does not exist"}}
    assert claim.status_code == 403
    assert claim.json() == {"message": "invalid claim", "claimValidationErrors": [failure]}
    assert keeps_cookies(claim)

    await site.reseal.sessions.revoke_all_sessions_for_user("alice")
    revoked = await browser.get("/checked")
    assert revoked.status_code == status
    assert revoked.json() == {"message": "unauthorised", "reason": "user_revoked"}
    assert cleared(revoked)

    assert (await visitor.post("/login", json={"user_id": ""})).status_code == 400


async def test_theft_is_answered_once_with_its_own_words_and_ends_the_session(site: Site) -> None:
    user = await site.signed_in("alice")
    thief = user.copy()
    await user.refresh()
    assert (await user.get("/checked")).status_code == 200  # the successor is seen in use
    site.clock.advance(HOUR)

    caught = await thief.refresh()
    assert (caught.status_code, caught.json()) == (401, {"message": "token theft detected"})
    assert cleared(caught)

    ended = await user.refresh()
    assert ended.json() == {"message": "unauthorised", "reason": "theft"}
    assert cleared(ended)
    (theft,) = site.events.of(EventName.TOKEN_THEFT)
    assert (theft.user_id, theft.reason) == ("alice", "previous")


@pytest.mark.parametrize("registered_first", [True, False])
async def test_a_theft_handler_of_the_application_wins_and_knows_whose_session_it_was(
    framework: Framework, registered_first: bool
) -> None:
    told: list[tuple[str, str]] = []

    async def on_theft(_request: Request, error: Exception) -> Response:
        assert isinstance(error, TokenTheftDetected)
        told.append((error.user_id, error.session_handle))
        return JSONResponse({"message": "we told the owner"}, 409)

    site = make_site(framework, Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:"))
    if registered_first:  # the factory installed ours already, so make it the first by installing again
        site.app.exception_handlers.pop(ResealError)
        site.app.add_exception_handler(TokenTheftDetected, on_theft)
        site.app.add_exception_handler(ResealError, site.reseal._answer)
    else:
        site.app.add_exception_handler(TokenTheftDetected, on_theft)
    async with site.app.router.lifespan_context(site.app):
        user = await site.signed_in("alice")
        handle, thief = user.handle, user.copy()
        await user.refresh()
        await user.get("/checked")
        site.clock.advance(HOUR)
        caught = await thief.refresh()
        assert (caught.status_code, caught.json()) == (409, {"message": "we told the owner"})
        assert cleared(caught)  # whoever answers, the cookies of that browser go
        assert told == [("alice", handle)]
        assert (await user.refresh()).status_code == 401


async def test_the_front_token_tells_the_page_what_it_may_know(site: Site) -> None:
    browser = site.browser()
    response = await browser.login("alice ☂", jwt_payload={"role": "admin", "sub": "forged"})
    second = site.clock.wall() // 1000
    assert front_token(response) == {
        "uid": "alice ☂",
        "ate": (second + 3600) * 1000,
        "up": {
            "role": "admin",
            "sub": "alice ☂",
            "iat": second,
            "exp": second + 3600,
            "tId": "public",
            "sessionHandle": browser.handle,
        },
        "ik": 1,
    }
    assert list(front_token(response)) == ["uid", "ate", "up", "ik"]
    for secret in (browser.access, browser.refresh_token):
        assert secret not in response.text
        assert secret not in response.headers["front-token"]


@pytest.mark.parametrize("on", [True, False])
async def test_the_anti_csrf_header_is_sent_with_each_new_pair_if_switched_on(open_site: OpenSite, on: bool) -> None:
    site = await open_site(enable_anti_csrf=on)
    browser = site.browser()
    tokens = []
    for response in (await browser.login(), await browser.refresh()):
        exposed = {name.strip() for name in response.headers["access-control-expose-headers"].split(",")}
        assert exposed == ({"front-token", "anti-csrf"} if on else {"front-token"})
        assert ("anti-csrf" in response.headers) is on
        tokens.append(response.headers.get("anti-csrf"))
    assert not on or tokens[0] != tokens[1]
    gone = await browser.sign_out()
    assert gone.headers["access-control-expose-headers"] == "front-token"
    assert "anti-csrf" not in gone.headers


async def test_the_public_keys_are_published_and_nothing_private_with_them(site: Site) -> None:
    browser = await site.signed_in()
    response = await site.send("GET", "/.well-known/jwks.json")
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "max-age=60, must-revalidate"
    (key,) = response.json()["keys"]
    assert set(key) == {"kty", "kid", "alg", "use", "crv", "x", "y"}
    assert (key["kty"], key["alg"], key["use"]) == ("EC", "ES256", "sig")
    assert keeps_cookies(response)
    assert browser.access.count(".") == 2


@pytest.mark.parametrize(
    ("algorithm", "members"),
    [("EdDSA", {"kty", "kid", "alg", "use", "crv", "x"}), ("RS256", {"kty", "kid", "alg", "use", "n", "e"})],
)
async def test_the_other_algorithms_publish_public_members_too(
    framework: Framework, algorithm: str, members: set[str]
) -> None:
    settings = Settings(api_domain=API, database_uri="memory:", access_token_signing_algorithm=algorithm)
    site = make_site(framework, settings)
    async with site.app.router.lifespan_context(site.app):
        (key,) = (await site.send("GET", "/.well-known/jwks.json")).json()["keys"]
        assert set(key) == members


async def test_the_browser_sdk_is_served_as_a_script(site: Site) -> None:
    response = await site.send("GET", "/reseal-browser.js")
    assert response.status_code == 200
    assert response.headers["content-type"].split(";")[0] == "text/javascript"
    assert "max-age" in response.headers["cache-control"]
    assert response.content
    assert keeps_cookies(response)


@pytest.mark.parametrize("database_uri", ["memory"], indirect=True)
async def test_what_can_be_got_can_be_asked_for_by_head(site: Site) -> None:
    for path in ("/.well-known/jwks.json", "/reseal-browser.js", "/session/refresh/continue"):
        told, shown = await site.send("HEAD", path), await site.send("GET", path)
        assert told.status_code == 200
        assert told.headers == shown.headers


async def test_the_ready_made_routes_can_be_left_out_for_routes_of_your_own(framework: Framework) -> None:
    settings = Settings(api_domain=API, website_domain=WEBSITE, database_uri="memory:")
    reseal = framework.reseal(settings, clock=ManualClock())
    app = framework(reseal, [], routes=False)

    async def own_refresh(request: Request) -> Response:
        return JSONResponse({"user": (await reseal.refresh_session(request)).get_user_id()})

    async def own_sign_out(request: Request) -> Response:
        await reseal.sign_out(request)
        return JSONResponse({"bye": True})

    site = Site(app, reseal, settings, reseal.sessions.clock, None, None)  # type: ignore[arg-type]
    async with app.router.lifespan_context(app):
        for method, path in [
            ("POST", REFRESH_PATH),
            ("POST", "/signout"),
            ("GET", "/.well-known/jwks.json"),
            ("GET", "/reseal-browser.js"),
        ]:
            assert (await site.send(method, path)).status_code == 404
        app.router.add_route(REFRESH_PATH, own_refresh, methods=["POST"])
        app.router.add_route("/signout", own_sign_out, methods=["POST"])
        browser = await site.signed_in("alice")
        assert (await browser.refresh()).json() == {"user": "alice"}
        assert (await browser.get("/me")).status_code == 200
        out = await browser.sign_out()
        assert out.json() == {"bye": True}
        assert cleared(out)
        assert browser.jar == {}


async def test_the_paths_of_the_ready_made_routes_follow_the_settings(open_site: OpenSite) -> None:
    site = await open_site(refresh_api_path="/auth/session/refresh", signout_api_path="/auth/signout")
    browser = await site.signed_in()
    assert {place[1] for place in browser.jar} == {"/", "/auth/session/refresh"}
    assert (await browser.refresh()).status_code == 200
    assert (await browser.post("/signout")).status_code == 404
    assert (await browser.sign_out()).status_code == 200


@pytest.mark.parametrize("framework", ["fastapi"], indirect=True)
@pytest.mark.parametrize("database_uri", ["memory"], indirect=True)
class TestFastAPI:
    async def test_the_api_page_shows_the_lock_on_what_needs_a_session(self, site: Site) -> None:
        assert isinstance(site.app, FastAPI)
        page = (await site.send("GET", "/openapi.json")).json()
        scheme = {"type": "apiKey", "in": "cookie", "name": ACCESS}
        bearer = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
        assert page["components"]["securitySchemes"] == {"sessionCookie": scheme, "sessionToken": bearer}
        either = [{"sessionCookie": []}, {"sessionToken": []}]
        assert page["paths"]["/me"]["get"]["security"] == either
        assert page["paths"]["/mfa"]["get"]["security"] == either
        assert (await site.send("GET", "/openapi.json")).json() == page
        assert "security" not in page["paths"]["/plain"]["get"]
        assert page["paths"][REFRESH_PATH]["post"]["tags"] == ["session"]
        assert page["paths"]["/signout"]["post"]["tags"] == ["session"]
        assert "/reseal-browser.js" not in page["paths"]
        assert "parameters" not in page["paths"]["/me"]["get"]

    async def test_an_optional_session_is_none_for_visitors_and_never_for_a_bad_token(self, site: Site) -> None:
        from fastapi import Depends

        found: list[object] = []
        assert isinstance(site.app, FastAPI)

        async def maybe(session: object = Depends(site.reseal.optional_session())) -> None:  # type: ignore[attr-defined]
            found.append(session)

        site.app.add_api_route("/maybe", maybe)
        visitor, browser = site.browser(), await site.signed_in()
        response = await visitor.get("/maybe")
        assert (response.status_code, found) == (200, [None])
        assert (await browser.get("/maybe")).status_code == 200
        assert found[1] is not None
        site.clock.advance(HOUR)
        expired = await browser.get("/maybe")
        assert (expired.status_code, expired.json()) == (401, {"message": "try refresh token"})
        assert len(found) == 2

    async def test_what_an_optional_session_says_to_a_visitor_is_not_kept_by_a_cache(self, site: Site) -> None:
        """S57: the page depends on the cookie also when there is none."""
        from fastapi import Depends

        assert isinstance(site.app, FastAPI)

        async def maybe(session: object = Depends(site.reseal.optional_session())) -> bool:  # type: ignore[attr-defined]
            return session is None

        site.app.add_api_route("/maybe", maybe)
        response = await site.browser().get("/maybe")
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["vary"] == "Cookie, Authorization"


async def test_what_the_application_demands_of_every_request_is_demanded_at_our_routes() -> None:
    async def refuse(tenant: str) -> None:
        raise HTTPException(418)

    app, settings = FastAPI(dependencies=[Depends(refuse)]), Settings(api_domain=API, database_uri="memory:")
    Reseal(settings).install(app)
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url=API) as client:
        assert (await client.post(f"{REFRESH_PATH}?tenant=a")).status_code == 418
        assert (await client.post(REFRESH_PATH)).status_code == 422
        page = (await client.get("/openapi.json")).json()
    assert page["paths"][REFRESH_PATH]["post"]["parameters"][0]["name"] == "tenant"
    assert "HTTPValidationError" in page["components"]["schemas"]
