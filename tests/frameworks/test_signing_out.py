"""Signing out says "OK" if a session was ended, or if there was none; nobody is told so while his session lives on."""

from __future__ import annotations

import pytest

from reseal.testing import ManualClock
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import ACCESS, HOUR, REFRESH, WEBSITE, Site, cleared, keeps_cookies
from tests.frameworks.test_header_mode import Page

pytestmark = pytest.mark.parametrize("database_uri", ["memory"], indirect=True)

FROM_OUR_PAGE = ("origin", WEBSITE)


async def unverifiable(open_site: OpenSite) -> str:
    """A token that is built like one of ours, and is another application's."""
    other = await Page.signed_in(await open_site(app_id="other"), "mallory")
    return other.access


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
async def test_a_token_nobody_can_read_beside_the_cookies_does_not_keep_their_session_alive(
    open_site: OpenSite, scheme: str
) -> None:
    site = await open_site()
    browser = await site.signed_in("alice")
    line = ("authorization", f"{scheme} {await unverifiable(open_site)}")
    response = await browser.send("POST", "/signout", [line])
    assert (response.status_code, response.json()) == (200, {"status": "OK"})
    assert response.headers["st-access-token"] == ""
    assert browser.jar == {}
    assert await site.live("alice") == set()


async def test_a_token_nobody_can_read_alone_ends_nothing_and_is_not_answered_with_ok(open_site: OpenSite) -> None:
    site = await open_site()
    line = ("authorization", f"Bearer {await unverifiable(open_site)}")
    response = await site.send("POST", "/signout", [line])
    assert (response.status_code, response.json()) == (401, {"message": "try refresh token"})
    assert "st-access-token" not in response.headers


async def test_a_refresh_token_in_the_header_is_not_answered_with_ok(site: Site) -> None:
    page = await Page.signed_in(site)
    response = await site.send("POST", "/signout", [("authorization", f"Bearer {page.refresh_token}")])
    assert response.status_code == 401
    assert len(await site.live("alice")) == 1


async def test_whoever_is_told_to_refresh_first_signs_out_after_it(open_site: OpenSite) -> None:
    clock = ManualClock()
    site = await open_site(clock=clock, access_token_dynamic_signing_key_update_interval=1)
    browser = await site.signed_in("alice")
    await site.reseal.sessions.rotate_keys()
    for _ in range(4):  # the key that signed the browser's token is retired
        clock.advance(3 * HOUR)
        await site.reseal.sessions.backend.keep_fresh()
    first = await browser.sign_out()
    assert (first.status_code, first.json()) == (401, {"message": "try refresh token"})
    assert keeps_cookies(first)
    await browser.refresh()
    assert cleared(await browser.sign_out())
    assert await site.live("alice") == set()


async def test_of_several_cookies_each_genuine_one_ends_its_session(site: Site) -> None:
    alice, bob = await site.signed_in("alice"), await site.signed_in("bob")
    line = f"{ACCESS}={alice.access}; {ACCESS}=garbage; {ACCESS}={bob.access}"
    assert cleared(await site.send("POST", "/signout", [("cookie", line), FROM_OUR_PAGE]))
    assert await site.live("alice") == await site.live("bob") == set()


async def test_nothing_shown_is_nothing_to_end(site: Site) -> None:
    for lines in ([], [("cookie", f"{REFRESH}=x")], [("authorization", "Basic dTpw")]):
        assert cleared(await site.send("POST", "/signout", [*lines, FROM_OUR_PAGE]))
