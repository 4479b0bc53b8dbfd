"""What the session says leaves with every response, once, to the right browser, and stays in no cache."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse

from tests.frameworks.apps import ENDINGS
from tests.frameworks.site import (
    ACCESS,
    HOUR,
    REFRESH,
    REFRESH_PATH,
    WEBSITE,
    Site,
    cookie_names,
    keeps_cookies,
    set_cookies,
)

STATUS = {"exception": 500, "http-exception": 418, "redirect": 303, "not-modified": 304}


def is_private(response: httpx.Response) -> bool:
    vary = {name.strip().lower() for name in response.headers.get("vary", "").split(",")}
    return response.headers.get_list("cache-control") == ["no-store"] and {"cookie", "authorization"} <= vary


def ours(response: httpx.Response) -> list[str]:
    return [name for name in cookie_names(response) if name != "theme"]


# S57, S59
@pytest.mark.parametrize("how", ENDINGS)
@pytest.mark.parametrize(
    ("path", "names"),
    [
        (f"{REFRESH_PATH}/then", [ACCESS, REFRESH]),
        ("/update/then", [ACCESS]),
        ("/login/then", [ACCESS, REFRESH]),
        ("/revoke/then", [ACCESS, REFRESH]),
    ],
)
async def test_new_cookies_leave_exactly_once_however_the_response_comes_about(
    site: Site, path: str, names: list[str], how: str
) -> None:
    browser = await site.signed_in("alice")
    before = dict(browser.jar)
    response = await browser.post(f"{path}/{how}")
    assert response.status_code == STATUS.get(how, 200)
    assert ours(response) == names
    assert len(response.headers.get_list("front-token")) == 1
    assert "front-token" in response.headers["access-control-expose-headers"]
    assert is_private(response)
    assert len(response.headers.get_list("vary")) == 1
    if path.startswith("/revoke"):
        assert not [name for name, _, _ in browser.jar if name != "theme"]
    else:
        assert all(browser.jar[place] != value for place, value in before.items() if place[0] in names)
        assert (await browser.get("/checked")).status_code == 200
        assert (await browser.refresh()).status_code == 200
    assert {
        "json": response.content == b"{}",
        "background": site.ran[:1] == ["background"] and response.content == b"{}",
        "stream": response.content == b"onetwothree",
        "own": response.content == b"own" and cookie_names(response)[0] == "theme",
        "http-exception": response.headers.get("x-own") == "kept",
        "redirect": response.headers.get("location") == "/elsewhere",
        "not-modified": response.headers.get("etag") == '"1"' and response.content == b"",
        "file": b"two" in response.content,
        "exception": b"handler" not in response.content,
    }[how]


# S57
async def test_what_is_said_to_one_cache_alone_does_not_overrule_it(site: Site) -> None:
    said = {"CDN-Cache-Control": "max-age=600", "Surrogate-Control": "max-age=600", "X-Accel-Expires": "600"}

    async def page(request: Request) -> JSONResponse:
        await site.reseal.get_session(request)
        return JSONResponse({}, headers=said)

    site.app.router.add_route("/page", page)
    response = await (await site.signed_in("alice")).get("/page")
    assert response.status_code == 200
    assert [response.headers.get_list(name) for name in said] == [["no-store"], ["no-store"], ["0"]]
    assert is_private(response)


# S57
async def test_a_response_that_only_read_the_session_is_kept_by_no_cache(site: Site) -> None:
    browser = await site.signed_in("alice")
    for how in ENDINGS:
        response = await browser.get(f"/read/then/{how}")
        assert response.status_code == STATUS.get(how, 200)
        assert is_private(response)
        assert ours(response) == []
        assert "front-token" not in response.headers
        assert "access-control-expose-headers" not in response.headers


# S57
async def test_what_an_application_varies_by_is_kept_beside_ours(site: Site) -> None:
    browser = await site.signed_in("alice")
    response = await browser.get("/read/then/own")
    assert response.headers["vary"] == "Accept, Cookie, Authorization"


# S57
@pytest.mark.parametrize("who", ["visitor", "user", "garbage", "expired", "revoked"])
async def test_refusals_are_kept_by_no_cache_either(site: Site, who: str) -> None:
    browser = await site.signed_in("alice")
    if who == "visitor":
        browser.jar = {}
    elif who == "garbage":
        browser.jar = dict.fromkeys(browser.jar, "garbage")
    elif who == "expired":
        site.clock.advance(HOUR)
    elif who == "revoked":
        await site.reseal.sessions.revoke_all_sessions_for_user("alice")
    for path in ("/me", "/checked", "/mfa", "/private/apps.py", "/sub/me", REFRESH_PATH):
        method = "POST" if path == REFRESH_PATH else "GET"
        assert is_private(await browser.copy().send(method, path)), path


# S57
async def test_static_files_behind_a_session_are_kept_by_no_cache(site: Site) -> None:
    browser = await site.signed_in("alice")
    private, public = await browser.get("/private/apps.py"), await browser.get("/static/apps.py")
    assert private.status_code == public.status_code == 200
    assert private.content == public.content
    assert is_private(private)
    assert not is_private(public)
    not_modified = await browser.send("GET", "/private/apps.py", [("if-none-match", private.headers["etag"])])
    assert not_modified.status_code == 304
    assert is_private(not_modified)
    assert (await site.send("GET", "/private/apps.py")).status_code == 401


# S57
@pytest.mark.parametrize(
    "path", ["/plain", "/static/apps.py", "/nowhere", "/.well-known/jwks.json", "/reseal-browser.js"]
)
async def test_responses_that_no_session_touched_stay_as_they_are(site: Site, path: str) -> None:
    browser = await site.signed_in("alice")
    with_cookies, without = await browser.get(path), await site.send("GET", path)
    assert with_cookies.headers.raw == without.headers.raw
    assert keeps_cookies(with_cookies)
    assert "no-store" not in with_cookies.headers.get("cache-control", "")
    assert "vary" not in with_cookies.headers


# S57
@pytest.mark.parametrize("how", ["login", "refresh", "signout", "grant"])
async def test_responses_that_set_or_clear_a_session_are_kept_by_no_cache(site: Site, how: str) -> None:
    browser = await site.signed_in("alice")
    if how == "login":
        response = await browser.login("alice")
    else:
        response = await browser.post({"refresh": REFRESH_PATH, "signout": "/signout", "grant": "/grant"}[how])
    assert set_cookies(response)
    assert is_private(response)


# S57
@pytest.mark.parametrize("path", ["/login", REFRESH_PATH, "/signout"])
async def test_failures_of_the_store_are_kept_by_no_cache(site: Site, path: str) -> None:
    browser = await site.signed_in("alice")
    site.store.failing = {"*"}
    response = await browser.post(path, json={"user_id": "alice"})
    assert response.status_code == 503
    assert is_private(response)


# S59
async def test_many_users_at_once_get_their_own_cookies_and_nobody_elses(site: Site) -> None:
    users = [f"user-{n}" for n in range(24)]
    browsers = dict(zip(users, await asyncio.gather(*(site.signed_in(user) for user in users)), strict=True))
    assert len({browser.handle for browser in browsers.values()}) == len(users)

    async def visit(user: str) -> None:
        browser = browsers[user]
        handle = browser.handle
        for path, many in (("/update/then/stream", 1), (REFRESH_PATH, 2), ("/grant", 1), ("/read/then/stream", 0)):
            method = "GET" if path.startswith("/read") else "POST"
            response = await browser.send(method, path)
            assert response.status_code == 200
            assert len(set_cookies(response)) == many
            assert browser.handle == handle
            seen = (await browser.get("/me")).json()
            assert (seen["user_id"], seen["handle"]) == (user, handle)

    async def stranger() -> None:
        for path in ("/plain", "/me", "/static/apps.py") * 4:
            response = await site.send("GET", path)
            assert keeps_cookies(response)

    await asyncio.gather(*(visit(user) for user in users), *(stranger() for _ in range(4)))


# S59
async def test_pages_of_one_browser_that_refresh_at_once_end_up_with_one_session(site: Site) -> None:
    browser = await site.signed_in("alice")
    site.clock.advance(HOUR)
    pages = [browser.copy() for _ in range(8)]
    responses = await asyncio.gather(*(page.refresh() for page in pages))
    assert [response.status_code for response in responses] == [200] * 8
    assert len({page.refresh_token for page in pages}) == 1
    for page in pages:
        assert (await page.get("/checked")).status_code == 200


# S59
async def test_a_start_message_without_headers_gets_ours(site: Site) -> None:
    """ASGI lets an application leave the header list out."""
    from starlette.requests import Request
    from starlette.routing import Mount

    async def bare(scope: dict, receive: object, send: object) -> None:
        await site.reseal.get_session(Request(scope))
        await send({"type": "http.response.start", "status": 204})
        await send({"type": "http.response.body"})

    site.app.router.routes.append(Mount("/bare", app=bare))  # type: ignore[arg-type]
    browser = await site.signed_in("alice")
    response = await browser.get("/bare/")
    assert response.status_code == 204
    assert is_private(response)


# S59
async def test_early_information_before_the_response_changes_nothing(site: Site) -> None:
    from starlette.requests import Request
    from starlette.routing import Mount

    told = []

    async def informed(scope: dict, receive: object, send: object) -> None:
        await send({"type": "http.response.debug", "info": {}})
        await site.reseal.get_session(Request(scope))
        await send({"type": "http.response.start", "status": 200, "headers": [(b"x-own", b"1")]})
        await send({"type": "http.response.body"})

    async def receive() -> dict[str, object]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict) -> None:
        told.append(message)

    site.app.router.routes.append(Mount("/informed", app=informed))  # type: ignore[arg-type]
    browser = await site.signed_in("alice")
    headers = [(b"cookie", f"{ACCESS}={browser.access}".encode()), (b"origin", WEBSITE.encode())]
    scope = {"type": "http", "method": "GET", "path": "/informed/", "headers": headers, "query_string": b""}
    await site.app(scope, receive, send)  # type: ignore[arg-type]
    assert [message["type"] for message in told] == [
        "http.response.debug",
        "http.response.start",
        "http.response.body",
    ]
    assert (b"cache-control", b"no-store") in told[1]["headers"]
    assert "headers" not in told[2]
