"""Whose page may sign a visitor in: a foreign one could sign him in as somebody else."""

from __future__ import annotations

from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response

from reseal import EventName
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import EVIL, WEBSITE, Lines, Site, keeps_cookies, set_cookies

pytestmark = pytest.mark.parametrize("database_uri", ["memory"], indirect=True)

FOREIGN: dict[str, Lines] = {
    "form": [("origin", EVIL), ("sec-fetch-site", "cross-site")],
    "form of a browser without fetch metadata": [("origin", EVIL)],
    "sandboxed": [("origin", "null")],
    "sandboxed, and called foreign": [("origin", "null"), ("sec-fetch-site", "cross-site")],
    "neighbour without a referrer": [("origin", "null"), ("sec-fetch-site", "same-site")],
    "neighbour": [("origin", "https://blog.example.com"), ("sec-fetch-site", "same-site")],
    "link": [("sec-fetch-site", "cross-site"), ("sec-fetch-mode", "navigate")],
}
OWN: dict[str, Lines] = {
    "page": [("origin", WEBSITE), ("sec-fetch-site", "same-site")],
    "form of a page without a referrer": [("origin", "null"), ("sec-fetch-site", "same-origin")],
    "typed": [("sec-fetch-site", "none")],
    "program": [],
}
USER = {"json": {"user_id": "alice"}}


@pytest.fixture
async def callback(site: Site) -> Site:
    """A site with the callback of an identity provider, by redirect and by form."""

    async def called_back(request: Request) -> Response:
        await site.reseal.create_new_session(request, "alice", allow_cross_site=True)
        return RedirectResponse("/", 303)

    site.app.router.add_route("/callback", called_back, methods=["GET", "POST"])
    return site


@pytest.mark.parametrize("caller", FOREIGN)
async def test_a_foreign_page_signs_nobody_in(site: Site, caller: str) -> None:
    response = await site.send("POST", "/login", FOREIGN[caller], **USER)
    assert (response.status_code, response.json()) == (401, {"message": "unauthorised"})
    assert keeps_cookies(response)
    assert site.rows() == {}
    (event,) = site.events.of(EventName.CROSS_SITE_REFUSED)
    assert "allow_cross_site=True" in (event.reason or "")


async def test_a_foreign_page_that_tries_ends_no_session(site: Site) -> None:
    browser = await site.signed_in("alice")
    cookie = ("cookie", "; ".join(browser.cookies_for("/login")))
    for headers in FOREIGN.values():
        assert (await site.send("POST", "/login", [*headers, cookie], **USER)).status_code == 401
    assert await site.live("alice") == {browser.handle}


@pytest.mark.parametrize("caller", OWN)
async def test_our_pages_visitors_and_programs_sign_in(site: Site, caller: str) -> None:
    response = await site.send("POST", "/login", OWN[caller], **USER)
    assert (response.status_code, len(set_cookies(response))) == (200, 2)


@pytest.mark.parametrize(("method", "caller"), [("GET", "link"), ("POST", "form"), ("POST", "sandboxed")])
async def test_the_callback_of_an_identity_provider_signs_in_if_it_says_so(
    callback: Site, method: str, caller: str
) -> None:
    browser = callback.browser()
    response = await browser.send(method, "/callback", FOREIGN[caller], origin=None)
    assert response.status_code == 303
    assert (await browser.get("/me")).json()["user_id"] == "alice"


async def test_tokens_in_headers_go_to_whoever_asked_and_touch_no_cookie_of_others(open_site: OpenSite) -> None:
    """A page in an application of its own (``null``, ``capacitor:``) signs in for itself: nothing comes by itself."""
    site = await open_site(token_transfer_method="any")
    browser = await site.signed_in("alice")
    cookie = ("cookie", "; ".join(browser.cookies_for("/login")))
    asked: list[Any] = [("origin", "null"), ("st-auth-mode", "header"), cookie]
    response = await site.send("POST", "/login", asked, json={"user_id": "bob"})
    assert response.headers["st-access-token"]
    assert not set_cookies(response)
    assert browser.handle in await site.live("alice")


async def test_a_route_may_answer_the_refusal_in_its_own_words(site: Site) -> None:
    async def own(request: Request) -> Response:
        await site.reseal.require_own_origin(request)
        return JSONResponse({})

    site.app.router.add_route("/own", own, methods=["POST"])
    assert (await site.send("POST", "/own", FOREIGN["form"])).status_code == 401
    assert (await site.send("POST", "/own", OWN["page"])).status_code == 200
