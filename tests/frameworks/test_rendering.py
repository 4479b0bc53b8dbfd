"""Pages that are rendered on the server: whose they are, and the page that refreshes first."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import html
import re
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from reseal.web.rendering import Anonymous, RefreshFirst, SignedIn, local_target
from tests.frameworks.site import (
    ACCESS,
    EVIL,
    HOUR,
    REFRESH,
    REFRESH_PATH,
    WEBSITE,
    Browser,
    Site,
    cleared,
    keeps_cookies,
)

CONTINUE = f"{REFRESH_PATH}/continue"


@pytest.fixture
async def rendering(site: Site) -> Site:
    async def page(request: Request) -> Response:
        match await site.reseal.peek(request, check_database="checked" in request.query_params):
            case SignedIn(session):
                return HTMLResponse(f"Welcome, {session.get_user_id()}")
            case RefreshFirst():
                return site.reseal.refresh_first(request)
            case Anonymous():
                return HTMLResponse("Welcome, stranger")

    site.app.router.add_route("/page", page)
    return site


def action(response: httpx.Response) -> str:
    """Where the form of a page goes."""
    found = {html.unescape(text) for text in re.findall(r'action="([^"]*)"', response.text)}
    assert len(found) == 1
    return found.pop()


OPENED_BY_THE_USER = [("sec-fetch-site", "none")]
NAVIGATIONS = {
    "typed": (OPENED_BY_THE_USER, True),
    "a link of ours": ([("sec-fetch-site", "same-origin")], True),
    "a link of ours over plain http": ([("referer", f"{WEBSITE}/list?page=2")], True),
    "a foreign link": ([("sec-fetch-site", "cross-site")], False),
    "a foreign link by way of ours": ([("sec-fetch-site", "cross-site"), ("referer", f"{WEBSITE}/")], False),
    "a link of a neighbour": ([("sec-fetch-site", "same-site"), ("referer", "https://blog.example.com/")], False),
    "two words": ([("sec-fetch-site", "none"), ("sec-fetch-site", "none")], False),
    "a foreign link over plain http": ([("referer", f"{EVIL}/")], False),
    "a near miss": ([("referer", f"{WEBSITE}.evil.example.net/")], False),
    "a user part": ([("referer", f"{WEBSITE}@evil.example.net/")], False),
    "nothing said": ([], False),
}
"""How a browser says that a page was opened, and whether that page may go on by itself."""


async def followed(browser: Browser, response: httpx.Response) -> httpx.Response:
    """Do what the page does: send the form, and go where that leads."""
    answer = await browser.post(action(response))
    assert answer.status_code == 303, answer.text
    return await browser.get(answer.headers["location"])


async def test_a_page_knows_its_visitor(rendering):
    assert (await rendering.browser().get("/page")).text == "Welcome, stranger"
    browser = await rendering.signed_in("alice")
    response = await browser.get("/page")
    assert response.text == "Welcome, alice"
    assert response.headers["cache-control"] == "no-store"


async def test_a_visitor_whose_token_has_ended_refreshes_first_and_comes_back(rendering):
    browser = await rendering.signed_in("alice")
    rendering.clock.advance(HOUR)
    before = dict(browser.jar)
    response = await browser.get("/page?n=1&x=%2F")
    assert (response.status_code, response.headers["cache-control"]) == (200, "no-store")
    assert browser.jar == before
    where = urlsplit(action(response))
    assert (where.path, parse_qs(where.query)) == (CONTINUE, {"target": ["/page?n=1&x=%2F"]})
    assert (await followed(browser, response)).text == "Welcome, alice"
    assert browser.jar != before


async def test_a_session_that_is_over_comes_back_as_a_stranger(rendering):
    browser = await rendering.signed_in("alice")
    await rendering.reseal.sessions.revoke_session_using_session_handle(browser.handle)
    assert (await browser.get("/page")).text == "Welcome, alice"  # as long as the access token lasts
    assert (await browser.get("/page?checked")).text == "Welcome, stranger"
    other = await rendering.signed_in("bob")
    await rendering.reseal.sessions.revoke_session_using_session_handle(other.handle)
    rendering.clock.advance(HOUR)
    assert (await followed(other, await other.get("/page"))).text == "Welcome, stranger"
    assert other.jar == {}


async def test_a_token_that_nobody_can_refresh_is_forgotten(rendering):
    browser = rendering.browser()
    browser.jar[rendering.settings.access_cookie_name, "/", None] = "not.a.token"
    assert (await followed(browser, await browser.get("/page"))).text == "Welcome, stranger"
    assert browser.jar == {}


async def test_theft_is_found_on_the_way_and_the_visitor_comes_back_as_a_stranger(rendering):
    browser = await rendering.signed_in("alice")
    thief = browser.copy()
    await browser.refresh()
    await browser.get("/checked")
    rendering.clock.advance(HOUR)
    assert (await followed(thief, await thief.get("/page"))).text == "Welcome, stranger"
    assert thief.jar == {}
    assert await rendering.live("alice") == set()


async def test_a_browser_that_signed_in_again_meanwhile_keeps_its_new_session(rendering):
    browser = await rendering.signed_in("alice")
    late = browser.copy()
    await browser.login("bob")
    answer = await late.post(f"{CONTINUE}?target=/page")
    assert answer.status_code == 303
    assert answer.headers.get_list("set-cookie") == []


async def test_a_silent_store_signs_nobody_out_and_offers_to_try_again(rendering):
    browser = await rendering.signed_in("alice")
    rendering.clock.advance(HOUR)
    page = await browser.get("/page")
    rendering.store.failing = {"*"}
    before = dict(browser.jar)
    answer = await browser.post(action(page))
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    assert browser.jar == before
    assert "<script" not in answer.text  # nothing that would try by itself
    rendering.store.failing = set()
    assert (await followed(browser, answer)).text == "Welcome, alice"


async def test_a_store_that_was_asked_and_is_silent_is_no_stranger(rendering):
    browser = await rendering.signed_in("alice")
    rendering.store.failing = {"*"}
    assert (await browser.get("/page?checked")).status_code == 503


@pytest.mark.parametrize("navigation", NAVIGATIONS)
async def test_a_foreign_link_becomes_one_of_ours_by_the_hand_of_the_visitor_only(rendering, navigation):
    headers, goes_on = NAVIGATIONS[navigation]
    browser = await rendering.signed_in("alice")
    rendering.clock.advance(HOUR)
    for path in (f"{CONTINUE}?target=/page", "/page"):
        page = await browser.send("GET", path, headers)
        assert ("<script" in page.text) is goes_on
        assert "<button>Continue</button>" in page.text
        assert ("<noscript" in page.text) is goes_on
    assert (await followed(browser, page)).text == "Welcome, alice"


@pytest.mark.parametrize("origin", [EVIL, "null", None])
@pytest.mark.parametrize("cookie", [None, f"{ACCESS}=garbage; {REFRESH}=garbage", f"{ACCESS}=garbage"])
async def test_a_foreign_form_takes_no_cookies_away_that_stayed_at_home(rendering, origin, cookie):
    headers = [(name, value) for name, value in (("origin", origin), ("cookie", cookie)) if value]
    answer = await rendering.send("POST", f"{CONTINUE}?target=/page", headers)
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorised"})
    assert keeps_cookies(answer)


@pytest.mark.parametrize("origin", [EVIL, "null"])
async def test_a_foreign_form_refreshes_nothing(rendering, origin):
    browser = await rendering.signed_in("alice")
    rows = rendering.rows()
    answer = await browser.send("POST", f"{CONTINUE}?target=/page", origin=origin)
    assert answer.status_code == 401
    assert not cleared(answer)
    assert rendering.rows() == rows


async def test_only_post_refreshes(rendering):
    browser = await rendering.signed_in("alice")
    rows = rendering.rows()
    for method in ("GET", "HEAD", "PUT"):
        answer = await browser.send(method, f"{CONTINUE}?target=/page")
        assert answer.status_code in {200, 405}  # a page to look at, and to nothing else
        assert answer.headers.get_list("set-cookie") == []
    assert rendering.rows() == rows


async def test_a_proxy_can_send_a_visitor_to_the_page_that_refreshes_first(rendering):
    browser = await rendering.signed_in("alice")
    rendering.clock.advance(HOUR)
    direct = await browser.get("/page?n=1&x=%2F")
    sent = await browser.get(str(httpx.URL(CONTINUE, params={"target": "/page?n=1&x=%2F"})))
    assert (sent.status_code, sent.text) == (200, direct.text)
    for name in ("cache-control", "content-security-policy"):
        assert sent.headers[name] == direct.headers[name]
    assert (await followed(browser, sent)).text == "Welcome, alice"


async def test_the_page_that_a_foreign_link_leads_to_names_no_foreign_place(rendering):
    browser = rendering.browser()
    for given, target in TARGETS:
        page = await browser.get(str(httpx.URL(CONTINUE, params={"target": given})))
        where = urlsplit(action(page))
        assert (where.netloc, where.path, parse_qs(where.query)) == ("", CONTINUE, {"target": [target]})


TARGETS = [
    ("/", "/"),
    ("/page", "/page"),
    ("/page?x=%2F%2Fevil&y=1", "/page?x=%2F%2Fevil&y=1"),
    ("/caf%C3%A9", "/caf%C3%A9"),
    ("", "/"),
    ("page", "/"),
    ("//evil.example.net", "/"),
    ("//evil.example.net/page", "/"),
    ("/\\evil.example.net", "/"),
    ("\\\\evil.example.net", "/"),
    ("/a\\b", "/"),
    ("https://evil.example.net", "/"),
    ("javascript:alert(1)", "/"),
    ("/\t/evil.example.net", "/"),
    ("/page\r\nset-cookie: a=b", "/"),
    ("/é", "/"),
    ("/" + "x" * 5000, "/"),
]


@pytest.mark.parametrize(("given", "target"), TARGETS)
def test_a_target_is_a_path_of_this_host(given, target):
    assert local_target(given) == target


async def test_the_way_back_leads_nowhere_else(rendering):
    browser = await rendering.signed_in("alice")
    for given, target in TARGETS:
        answer = await browser.send("POST", str(httpx.URL(CONTINUE, params={"target": given})))
        assert (answer.status_code, answer.headers["location"]) == (303, target)


async def test_the_page_allows_its_own_script_and_nothing_else(rendering):
    browser = await rendering.signed_in("alice")
    rendering.clock.advance(HOUR)
    response = await browser.send("GET", '/page?"><script>alert(1)</script>', OPENED_BY_THE_USER)
    [script] = re.findall(r"<script>(.*?)</script>", response.text, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "form-action": "'self'",
        "base-uri": "'none'",
        "frame-ancestors": "'none'",
        "script-src": f"'sha256-{digest}'",
    }
    assert response.text.count("<form") == 2  # the other one is for browsers without scripts
    assert browser.access not in response.text


async def test_twenty_pages_rendered_at_once_beside_the_browser_sign_nobody_out(rendering):
    browser = await rendering.signed_in("alice")
    for _ in range(5):
        rendering.clock.advance(HOUR)
        renderers = [browser.copy() for _ in range(20)]
        pages = asyncio.gather(*(renderer.get("/page") for renderer in renderers))
        refreshed, responses = await asyncio.gather(browser.refresh(), pages)
        assert refreshed.status_code == 200
        assert all("Welcome, stranger" not in response.text for response in responses)
        returns = [followed(each, page) for each, page in zip(renderers, responses, strict=True) if "form" in page.text]
        assert [page.text for page in await asyncio.gather(*returns)] == ["Welcome, alice"] * len(returns)
        assert (await browser.get("/checked")).status_code == 200
    assert await rendering.live("alice") == {browser.handle}
