"""Foreign pages change nothing, and nothing that a request says about itself switches the check off."""

from __future__ import annotations

from itertools import permutations, product
from typing import Any

import pytest

from reseal import EventName, Refusal
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import (
    ACCESS,
    EVIL,
    HOUR,
    REFRESH,
    REFRESH_PATH,
    WEBSITE,
    Browser,
    Site,
    keeps_cookies,
    set_cookies,
)

FORMS: dict[str, dict[str, Any]] = {
    "urlencoded": {"data": {"amount": "1"}},
    "multipart": {"files": {"amount": (None, "1")}},
    "text": {"content": b'{"amount": 1}', "more": [("content-type", "text/plain")]},
    "none": {},
}
CHANGING = [REFRESH_PATH, "/signout", "/count", "/grant", "/revoke", "/revoke-others", "/update/then/json"]
FOREIGN = {
    "origin": [("origin", EVIL)],
    "origin and site": [("origin", EVIL), ("sec-fetch-site", "cross-site")],
    "site alone": [("sec-fetch-site", "cross-site")],
    "sibling": [("sec-fetch-site", "same-site")],
    "sandboxed": [("origin", "null"), ("sec-fetch-site", "cross-site")],
    "near miss": [("origin", "https://www.example.com.evil.example.net")],
    "other scheme": [("origin", "http://www.example.com")],
    "other port": [("origin", "https://www.example.com:8443")],
    "user part": [("origin", "https://www.example.com@evil.example.net")],
    "two origins": [("origin", WEBSITE), ("origin", EVIL)],
    "lying site": [("origin", EVIL), ("sec-fetch-site", "same-origin")],
}

SWITCHES = [
    [("authorization", "Bearer junk")],
    [("authorization", "Basic dTpw")],
    [("st-auth-mode", "header")],
    [("st-auth-mode", "cookie"), ("rid", "anti-csrf")],
    [("rid", "session")],
    [("rid", "anti-csrf")],
    [("anti-csrf", "x" * 43)],
    [("x-http-method-override", "GET")],
    [("x-requested-with", "XMLHttpRequest"), ("fdi-version", "1.16")],
    [("content-type", "application/json")],
]
"""Headers by which a request might claim that the check is not meant for it."""


async def attack(victim: Browser, path: str, headers: list[tuple[str, str]], **body: Any) -> Any:
    """A foreign page sends the victim's browser there; the cookies go along as if SameSite did not exist."""
    more = body.pop("more", [])
    cookies = ("cookie", "; ".join(victim.cookies_for(path)))
    return await victim.site.send("POST", path, [cookies, *headers, *more], **body)


# S61
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("anti_csrf", [False, True])
async def test_no_form_of_a_foreign_page_changes_anything(open_site: OpenSite, form: str, anti_csrf: bool) -> None:
    site = await open_site(enable_anti_csrf=anti_csrf)
    victim = await site.signed_in("alice")
    before = site.rows()
    for path, headers in product(CHANGING, FOREIGN.values()):
        response = await attack(victim, path, headers, **FORMS[form])
        assert (response.status_code, response.json()) == (401, {"message": "unauthorised"})
        assert keeps_cookies(response)
    assert site.rows() == before
    assert site.ran == []
    refusals = site.events.of(EventName.CROSS_SITE_REFUSED)
    assert len(refusals) == len(CHANGING) * len(FOREIGN)
    assert (await victim.refresh()).status_code == 200


# S61
@pytest.mark.parametrize("cookie", [None, f"{ACCESS}=garbage; {REFRESH}=garbage"])
async def test_a_foreign_page_cannot_take_cookies_away_that_stayed_at_home(site: Site, cookie: str | None) -> None:
    """Lax cookies do not travel with a foreign form, but an answer to it that clears them would count."""
    for path, headers in product((REFRESH_PATH, "/signout"), FOREIGN.values()):
        sent = [*headers, ("cookie", cookie)] if cookie else headers
        response = await site.send("POST", path, sent)
        assert response.status_code == 401
        assert keeps_cookies(response)


# S61
async def test_an_expired_session_is_not_ended_by_a_foreign_page_either(site: Site) -> None:
    victim = await site.signed_in("alice")
    site.clock.advance(2 * HOUR)
    response = await attack(victim, "/signout", FOREIGN["origin"])
    assert response.status_code == 401
    assert keeps_cookies(response)
    assert await site.live("alice") == {victim.handle}


# S62
@pytest.mark.parametrize("path", ["/count", "/signout", REFRESH_PATH])
async def test_our_own_pages_are_believed_by_their_origin(site: Site, path: str) -> None:
    own = [
        [("origin", WEBSITE)],
        [("origin", "https://api.example.com"), ("sec-fetch-site", "same-origin")],
        [("origin", WEBSITE), ("sec-fetch-site", "same-site")],
        [("sec-fetch-site", "same-origin")],
        [("rid", "anti-csrf")],
        [("sec-fetch-site", "none"), ("rid", "session")],
    ]
    for headers in own:
        response = await attack(await site.signed_in("alice"), path, headers)
        assert response.status_code == 200


# S62
@pytest.mark.parametrize("path", ["/count", "/signout", REFRESH_PATH])
async def test_a_request_that_attests_nothing_is_refused(site: Site, path: str) -> None:
    victim = await site.signed_in("alice")
    before = site.rows()
    for headers in ([], [("rid", "")], [("sec-fetch-site", "none")], [("sec-fetch-site", "odd")]):
        response = await attack(victim, path, headers)
        assert response.status_code == 401
        assert keeps_cookies(response)
    assert site.rows() == before


# S63
@pytest.mark.parametrize("anti_csrf", [False, True])
async def test_no_header_switches_the_check_off(open_site: OpenSite, anti_csrf: bool) -> None:
    site = await open_site(enable_anti_csrf=anti_csrf)
    victim = await site.signed_in("alice")
    before = site.rows()
    for switch, path in product(SWITCHES, CHANGING):
        attests = [[("origin", EVIL)], [("sec-fetch-site", "cross-site")], *([[]] if anti_csrf else [])]
        for attested in attests:
            response = await attack(victim, path, [*attested, *switch])
            assert response.status_code == 401, (switch, path, attested)
            assert keeps_cookies(response)
    assert site.rows() == before
    assert site.ran == []


# S63
async def test_a_refusal_for_the_anti_csrf_token_costs_nobody_the_session(open_site: OpenSite) -> None:
    site = await open_site(enable_anti_csrf=True)
    victim = await site.signed_in("alice")
    for path in (REFRESH_PATH, "/signout", "/count"):
        response = await attack(victim, path, [("anti-csrf", "wrong")])
        assert response.status_code == 401
        assert keeps_cookies(response)
    assert (await victim.refresh()).status_code == 200


# S08
async def test_the_anti_csrf_token_belongs_to_one_session_and_one_generation(open_site: OpenSite) -> None:
    site = await open_site(enable_anti_csrf=True)
    a, b = await site.signed_in("alice"), await site.signed_in("bob")
    assert a.anti_csrf
    assert b.anti_csrf

    async def try_with(browser: Browser, token: str | None, path: str = "/count") -> int:
        return (await attack(browser, path, [("anti-csrf", token)] if token is not None else [])).status_code

    assert await try_with(a, a.anti_csrf) == 200
    for wrong in (b.anti_csrf, None, "", a.anti_csrf[:-1], a.anti_csrf + "x", a.anti_csrf.swapcase()):
        for path in ("/count", "/signout", REFRESH_PATH):
            assert await try_with(a, wrong, path) == 401

    former = a.anti_csrf
    await a.refresh()
    assert a.anti_csrf != former
    for path in ("/count", REFRESH_PATH, "/signout"):
        assert await try_with(a, former, path) == 401
    assert await try_with(a, a.anti_csrf) == 200
    assert len(a.anti_csrf) >= 22  # 128 bits in base64url
    await a.post("/grant")
    assert await try_with(a, a.anti_csrf) == 200
    assert not site.events.of(EventName.TOKEN_THEFT)


# S08
async def test_anti_csrf_tokens_do_not_repeat(open_site: OpenSite) -> None:
    site = await open_site(enable_anti_csrf=True)
    browsers = [await site.signed_in(f"user-{n}") for n in range(10)]
    tokens = [browser.anti_csrf for browser in browsers]
    for _ in range(3):
        for browser in browsers:
            await browser.refresh()
            tokens.append(browser.anti_csrf)
    assert len(set(tokens)) == len(tokens) == 40
    for one, other in permutations(browsers[:3], 2):
        assert (await attack(one, "/count", [("anti-csrf", str(other.anti_csrf))])).status_code == 401


# S62
async def test_the_check_can_be_asked_for_and_left_out_route_by_route(site: Site) -> None:
    browser = await site.signed_in("alice")
    cookies = ("cookie", f"{ACCESS}={browser.access}")
    assert (await site.send("POST", "/unprotected", [cookies, ("origin", EVIL)])).status_code == 200
    assert (await site.send("GET", "/protected", [cookies, ("origin", EVIL)])).status_code == 401
    assert (await site.send("GET", "/protected", [cookies])).status_code == 401
    assert (await site.send("GET", "/protected", [cookies, ("origin", WEBSITE)])).status_code == 200
    assert (await site.send("GET", "/me", [cookies, ("origin", EVIL)])).status_code == 200


# S61
async def test_a_refused_page_is_told_nothing_and_the_log_what_would_help(site: Site) -> None:
    victim = await site.signed_in("alice")
    response = await attack(victim, "/count", [("origin", EVIL)])
    assert Refusal.CROSS_SITE.value not in response.text
    (event,) = site.events.of(EventName.CROSS_SITE_REFUSED)
    assert event.reason is not None
    assert EVIL in event.reason
    assert "trusted_origins" in event.reason


# S64
@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS"])
async def test_safe_methods_change_nothing_on_any_route(site: Site, method: str) -> None:
    browser = await site.signed_in("alice", jwt_payload={"mfa": True}, session_data={"count": 1})
    await browser.refresh()
    assert (await browser.get("/checked")).status_code == 200  # the generation counts as seen from here on
    before = site.rows()
    paths = site.paths() | {"/private/apps.py", "/sub/me", "/"}
    assert {REFRESH_PATH, "/signout", "/count", "/login", "/.well-known/jwks.json"} <= paths
    for path in sorted(paths):
        for headers in ([], [("origin", WEBSITE)], [("origin", EVIL), ("sec-fetch-site", "cross-site")]):
            response = await browser.send(method, path.replace("{how}", "json") or "/", headers)
            assert response.status_code < 500 or path == "/failing-claim"
            assert not set_cookies(response)
    assert site.rows() == before


# S61
@pytest.mark.parametrize("anti_csrf", [False, True])
async def test_a_form_of_an_old_browser_takes_no_cookies_away_either(open_site: OpenSite, anti_csrf: bool) -> None:
    """It says neither ``Origin`` nor ``Sec-Fetch-Site``, and its Lax cookies stayed at home."""
    site = await open_site(enable_anti_csrf=anti_csrf)
    for path in (REFRESH_PATH, f"{REFRESH_PATH}/continue", "/signout"):
        response = await site.send("POST", path, data={"a": "1"})
        assert response.status_code == 401
        assert keeps_cookies(response)


LOOPBACK = "http://localhost:8000"


@pytest.mark.parametrize("database_uri", ["memory"], indirect=True)
@pytest.mark.parametrize(
    ("headers", "advice"),
    [
        ([], "a rid or anti-csrf header is missing"),
        ([("origin", "http://localhost:5173")], "add it to trusted_origins"),
        ([("sec-fetch-site", "cross-site")], "cross-site"),
    ],
)
async def test_a_refusal_says_why_in_the_log_and_on_loopback_in_the_answer(
    open_site: OpenSite, headers: list[tuple[str, str]], advice: str
) -> None:
    for api_domain, is_told in ((LOOPBACK, True), ("https://api.example.com", False)):
        site = await open_site(api_domain=api_domain, website_domain=None)
        browser = site.browser()
        await browser.send("POST", "/login", json={"user_id": "alice"}, origin=None)
        for path in (REFRESH_PATH, f"{REFRESH_PATH}/continue", "/signout"):
            response = await browser.send("POST", path, headers, origin=None)
            assert (response.status_code, response.json()["message"]) == (401, "unauthorised")
            assert (advice in response.json().get("hint", "")) is is_told
            assert advice in (site.events.of(EventName.CROSS_SITE_REFUSED)[-1].reason or "")
