"""What was reported of other libraries and no other test shows: see ``docs/reports.md``."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reseal import Unauthorised
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import ACCESS, HOUR, REFRESH, REFRESH_PATH, Browser, Site, cleared, cookie_names


async def test_a_strict_check_asks_the_store_also_after_a_lenient_one_in_the_same_request(site: Site) -> None:
    async def both(request: Request) -> Response:
        await site.reseal.get_session(request)
        with pytest.raises(Unauthorised):
            await site.reseal.get_session(request, check_database=True)
        return JSONResponse({})

    site.app.router.add_route("/both", both)
    browser = await site.signed_in("alice")
    await site.reseal.sessions.revoke_all_sessions_for_user("alice")
    assert (await browser.get("/both")).status_code == 200


@pytest.mark.parametrize("change", ["update_session_data", "update_jwt_payload"])
async def test_a_long_request_that_writes_after_the_sign_out_brings_no_session_back(site: Site, change: str) -> None:
    begun, gate = asyncio.Event(), asyncio.Event()

    async def slow(request: Request) -> Response:
        session: Any = await site.reseal.get_session(request)
        begun.set()
        await gate.wait()
        await getattr(session, change)({"written": "late"})
        return JSONResponse({})

    site.app.router.add_route("/slow", slow, methods=["POST"])
    browser = await site.signed_in("alice")
    answer = asyncio.create_task(browser.copy().post("/slow"))
    await begun.wait()
    await browser.sign_out()
    gate.set()
    response = await answer
    assert response.json() == {"message": "unauthorised", "reason": "signed_out"}
    assert cleared(response)
    assert await site.live("alice") == set()


async def test_two_applications_of_one_host_name_keep_their_cookies_apart(open_site: OpenSite) -> None:
    shop = await (await open_site(cookie_suffix="-shop")).signed_in("alice")
    admin = Browser(await open_site(cookie_suffix="-admin"))
    admin.jar = shop.jar
    await admin.login("bob")
    assert sorted({name for name, _, _ in shop.jar}) == [
        f"{name}-{suffix}" for name in (ACCESS, REFRESH) for suffix in ("admin", "shop")
    ]
    for browser, user_id in ((shop, "alice"), (admin, "bob")):
        browser.site.clock.advance(2 * HOUR)
        assert (await browser.fetch("GET", "/me")).json()["user_id"] == user_id
    await admin.sign_out()
    assert (await shop.get("/checked")).status_code == 200


@pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)  # both sites open the same file
async def test_a_suffix_is_given_or_changed_without_a_sign_out(open_site: OpenSite) -> None:
    before = await open_site()
    browser = await before.signed_in("alice")
    after = await open_site(clock=before.clock, cookie_suffix="-shop", older_cookie_suffix="")
    browser.site = after
    assert (await browser.fetch("GET", "/me")).json()["user_id"] == "alice"
    assert sorted(name for name, _, _ in browser.jar) == [f"{ACCESS}-shop", f"{REFRESH}-shop"]


async def test_old_cookies_of_a_web_view_stand_in_nobodys_way_who_signs_in_by_headers(site: Site) -> None:
    view = await site.signed_in("alice")
    site.clock.advance(2 * HOUR)
    expired = ("cookie", f"{ACCESS}={view.access}")
    response = await site.send("POST", "/login", [expired, ("st-auth-mode", "header")], json={"user_id": "bob"})
    assert (response.status_code, response.json()["user_id"]) == (200, "bob")
    bearer = ("authorization", f"Bearer {response.headers['st-access-token']}")
    assert (await site.send("GET", "/me", [expired, bearer])).json()["user_id"] == "bob"
    site.clock.advance(2 * HOUR)
    cookies = ("cookie", "; ".join(view.cookies_for(REFRESH_PATH)))
    bearer = ("authorization", f"Bearer {response.headers['st-refresh-token']}")
    response = await site.send("POST", REFRESH_PATH, [cookies, bearer])
    assert (response.status_code, len(cookie_names(response))) == (200, 2)
    assert cleared_only(response)
    assert len(await site.live("bob")) == 1


def cleared_only(response: Any) -> bool:
    """The cookies are deleted and the tokens are in headers."""
    return all("Max-Age=0" in line for line in response.headers.get_list("set-cookie")) and bool(
        response.headers["st-refresh-token"]
    )
