"""Policies of single sessions, as browsers see them."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reseal import SessionPolicy, SignIn, TooManySessions
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


async def test_a_sign_in_beyond_the_limit_names_the_sessions_and_keeps_the_browser_s_own(site: Site) -> None:
    told: list[TooManySessions] = []
    one = SessionPolicy(max_sessions=1, at_limit="ask")

    async def sign_in(request: Request) -> Response:
        try:
            await site.reseal.create_new_session(request, "alice", policy=one)
        except TooManySessions as error:
            told.append(error)
            return JSONResponse({}, 409)
        return JSONResponse({})

    site.app.router.add_route("/one", sign_in, methods=["POST"])
    phone, computer = site.browser(), site.browser()
    assert [(await phone.post("/one")).status_code for _ in range(2)] == [200, 200]
    assert (await computer.post("/one")).status_code == 409
    assert [(each.limit, each.may_choose) for each in told] == [(1, True)]
    assert [each.handle for each in told[0].sessions] == [phone.handle]
    await site.reseal.sessions.revoke_session_using_session_handle(phone.handle)
    assert (await computer.post("/one")).status_code == 200


async def test_the_page_of_an_evicted_session_is_told_of_the_limit(site: Site) -> None:
    async def sign_in(request: Request) -> Response:
        await site.reseal.create_new_session(request, "alice", policy=SessionPolicy(max_sessions=1))
        return JSONResponse({})

    site.app.router.add_route("/evicting", sign_in, methods=["POST"])
    phone, computer = site.browser(), site.browser()
    for browser in (phone, computer):
        assert (await browser.post("/evicting")).status_code == 200
    answer = await phone.refresh()
    assert (answer.status_code, answer.json()) == (401, {"message": "unauthorised", "reason": "limit"})
    assert [each.end_reason for each in await site.reseal.sessions.list_sessions("alice", ended_within=HOUR)] == [
        None,
        "limit",
    ]
    assert (await computer.refresh()).status_code == 200


async def test_a_function_chooses_for_every_adapter(site: Site) -> None:
    seen: list[SignIn] = []

    @site.reseal.sessions.choose_policy
    def choose(sign_in: SignIn) -> SessionPolicy:
        seen.append(sign_in)
        return FOR_NOW

    browser = await site.signed_in("bob")
    assert [each.user_id for each in seen] == ["bob"]
    assert not [each for each in set_cookies(await browser.refresh()) if "expires" in each.attributes]
