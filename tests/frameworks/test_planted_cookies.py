"""A neighbouring host may set a refresh cookie for the whole domain, but no access cookie named ``__Host-``."""

from __future__ import annotations

import pytest

from reseal import EventName
from reseal.core.ids import ANONYMOUS
from tests.frameworks.site import ACCESS, HOUR, REFRESH, REFRESH_PATH, WEBSITE, Browser, Site, keeps_cookies

pytestmark = pytest.mark.parametrize("database_uri", ["memory"], indirect=True)

PAGES = [REFRESH_PATH, f"{REFRESH_PATH}/continue?target=/me"]


async def refreshed(site: Site, cookie: str, path: str = REFRESH_PATH):
    return await site.send("POST", path, [("cookie", cookie), ("origin", WEBSITE)])


async def two(site: Site) -> tuple[Browser, Browser]:
    return await site.signed_in("alice"), await site.signed_in("mallory")


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("age", [0, 2 * HOUR])
async def test_a_planted_refresh_cookie_alone_does_not_change_whose_session_it_is(
    site: Site, path: str, age: int
) -> None:
    owner, planter = await two(site)
    site.clock.advance(age)
    before = site.rows()
    response = await refreshed(site, f"{ACCESS}={owner.access}; {REFRESH}={planter.refresh_token}", path)
    assert (response.status_code, response.json()) == (401, {"message": "unauthorised"})
    assert keeps_cookies(response)
    assert site.rows() == before
    assert [event.reason for event in site.events.of(EventName.REFRESH_REFUSED)] == ["other_session"]


async def test_beside_the_owners_own_it_is_left_out(site: Site) -> None:
    owner, planter = await two(site)
    for pair in ((owner, planter), (planter, owner)):
        line = "; ".join(f"{REFRESH}={each.refresh_token}" for each in pair)
        response = await refreshed(site, f"{ACCESS}={owner.access}; {line}")
        assert response.status_code == 200
        assert owner.handle in response.headers["set-cookie"]


async def test_several_planted_ones_are_refused_as_one_is(site: Site) -> None:
    owner, planter = await two(site)
    other = await site.signed_in("mallory")
    planted = f"{REFRESH}={planter.refresh_token}; {REFRESH}={other.refresh_token}"
    assert (await refreshed(site, f"{ACCESS}={owner.access}; {planted}")).status_code == 401
    assert await site.live("alice") == {owner.handle}


async def test_an_old_access_cookie_of_a_session_that_is_over_stands_in_nobodys_way(site: Site) -> None:
    former, present = await two(site)
    await site.reseal.sessions.revoke_session_using_session_handle(former.handle)
    response = await refreshed(site, f"{ACCESS}={former.access}; {REFRESH}={present.refresh_token}")
    assert response.status_code == 200


async def test_after_signing_in_again_the_planted_cookie_does_no_harm(site: Site) -> None:
    owner, planter = await two(site)
    owner.jar[REFRESH, REFRESH_PATH, ".example.com"] = planter.refresh_token
    assert (await owner.login("alice")).status_code == 200
    site.clock.advance(HOUR)
    assert (await owner.fetch("GET", "/me")).json()["user_id"] == "alice"


async def test_of_access_cookies_planted_beside_it_the_forged_one_is_nothing(site: Site) -> None:
    owner, _ = await two(site)
    line = f"{ACCESS}=forged; {ACCESS}={owner.access}; sAccessToken=x"
    assert (await site.send("GET", "/me", [("cookie", line)])).json()["user_id"] == "alice"


async def test_the_access_cookie_of_a_visitor_signs_no_user_out(site: Site) -> None:
    owner = await site.signed_in("alice")
    site.clock.advance(60_000)
    planted = (await site.reseal.sessions.backend.create(ANONYMOUS)).access_token
    name = site.settings.access_cookie_name
    for pair in ((owner.access, planted), (planted, owner.access)):
        line = "; ".join(f"{name}={each}" for each in pair)
        assert (await site.send("GET", "/me", [("cookie", line)])).json()["user_id"] == "alice"
