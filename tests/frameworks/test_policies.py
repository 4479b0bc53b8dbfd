"""Policies of single sessions, as browsers see them."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reseal import SessionPolicy
from tests.frameworks.conftest import EACH_STORE, OpenSite
from tests.frameworks.site import HOUR, Site, set_cookies

FOR_NOW = SessionPolicy(idle_ms=HOUR, persistent=False)


@pytest.fixture
async def site(open_site: OpenSite) -> Site:
    site = await open_site()

    async def signed_in(request: Request) -> Response:
        await site.reseal.create_new_session(request, "alice", policy=FOR_NOW)
        return JSONResponse({})

    site.app.router.add_route("/for-now", signed_in, methods=["POST"])
    return site


@EACH_STORE
async def test_without_remember_me_no_cookie_of_the_session_outlives_the_browser(site: Site) -> None:
    browser = site.browser()
    answers = [await browser.post("/for-now"), await browser.refresh()]
    for answer in answers:
        cookies = [cookie for cookie in set_cookies(answer) if cookie.value]
        assert len(cookies) == 2
        assert not [each for each in cookies if each.attributes.keys() & {"max-age", "expires"}]
    site.clock.advance(HOUR)
    assert (await browser.refresh()).status_code == 401
