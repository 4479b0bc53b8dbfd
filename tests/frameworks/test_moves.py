"""A change of configuration meets browsers that hold cookies of the old one: nothing loops, nobody is confused."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import httpx
import pytest

from reseal import ConfigurationError, EventName, Settings
from reseal.testing import ManualClock
from tests.frameworks.conftest import OpenSite
from tests.frameworks.site import API, HOUR, WEBSITE, Lines, Site, set_cookies
from tests.frameworks.test_header_mode import Page

pytestmark = pytest.mark.parametrize("database_uri", ["sqlite"], indirect=True)  # both sites open the same file

CONFIGURATIONS: dict[str, dict[str, Any]] = {
    "this host alone": {},
    "the whole domain": {"cookie_domain": "example.com"},
    "one part of the paths": {"access_token_path": "/sub", "signout_api_path": "/sub/signout"},
    "another refresh path": {"refresh_api_path": "/api/refresh"},
    "plain http": {"api_domain": "http://api.example.com", "cookie_secure": False},
    "headers": {"token_transfer_method": "header"},
}
PAIRS = list(permutations(CONFIGURATIONS, 2))
CONTINUES = {
    *permutations(["this host alone", "the whole domain", "one part of the paths", "headers"], 2),
    ("headers", "another refresh path"),
    ("headers", "plain http"),
}
"""What is not in here changes the refresh cookie's name or path, so that it no longer arrives."""
ME = "/sub/me"


class Chromium(Page):
    """A browser that keeps cookies as RFC 6265bis says, and a page that sends in headers what it was given there."""

    refreshes = 0

    def move_to(self, site: Site) -> None:
        self.site = site

    def cookies_for(self, path: str) -> list[str]:
        secure = self.site.settings.api_domain.startswith("https:")
        return [each for each in super().cookies_for(path) if secure or not each.startswith("__")]

    async def send(
        self, method: str, path: str, headers: Lines = (), *, origin: str | None = WEBSITE, **body: Any
    ) -> httpx.Response:
        self.refreshes += path == self.site.settings.refresh_api_path
        return await super().send(method, path, headers, origin=origin, **body)

    def _keep(self, response: httpx.Response) -> None:
        for cookie in set_cookies(response):
            assert not cookie.name.startswith("__") or "secure" in cookie.attributes
            if cookie.name.startswith("__Host-"):
                assert (cookie.attributes["path"], cookie.attributes.get("domain")) == ("/", None)
        super()._keep(response)


async def move(open_site: OpenSite, before: str, after: str, **more: Any) -> tuple[Chromium, str]:
    """Sign in under one configuration, and let the other one take over an hour later."""
    clock = ManualClock()
    browser = Chromium(await open_site(clock=clock, **_config(before)))
    handle = (await browser.login("alice")).json()["handle"]
    clock.advance(HOUR)
    browser.move_to(await open_site(clock=clock, **(_config(after) | more)))
    return browser, handle


def _config(name: str) -> dict[str, Any]:
    return {"token_transfer_method": "cookie"} | CONFIGURATIONS[name]


# S60
@pytest.mark.parametrize(("before", "after"), PAIRS)
async def test_after_any_change_the_session_goes_on_or_ends_in_one_clean_refusal(
    open_site: OpenSite, before: str, after: str
) -> None:
    browser, handle = await move(open_site, before, after)
    answer = await browser.fetch("GET", ME)
    assert browser.refreshes <= 2
    if (before, after) in CONTINUES:
        assert answer.json()["handle"] == handle
    else:
        assert answer.status_code == 401
        assert (await browser.login("alice")).status_code == 200
    await _everything_works(browser)
    assert not browser.site.events.of(EventName.TOKEN_THEFT)


# S60, S44
@pytest.mark.parametrize(
    ("before", "after", "older"),
    [("this host alone", "the whole domain", ""), ("the whole domain", "this host alone", "example.com")],
)
async def test_the_cookies_of_an_older_domain_go_in_the_response_that_brings_the_new_ones(
    open_site: OpenSite, before: str, after: str, older: str
) -> None:
    browser, handle = await move(open_site, before, after, older_cookie_domain=older)
    old = set(browser.jar)
    answer = await browser.fetch("GET", ME)
    assert (answer.json()["handle"], browser.refreshes) == (handle, 1)
    assert old.isdisjoint(browser.jar)
    assert len(browser.jar) == 2
    await _everything_works(browser)


# S60
@pytest.mark.parametrize(
    ("older", "now"), [("", "example.com"), ("example.com", None), ("example.com", "api.example.com")]
)
async def test_signing_in_and_signing_out_leave_no_cookie_of_the_older_domain(
    open_site: OpenSite, older: str, now: str | None
) -> None:
    clock = ManualClock()
    for act in ("login", "sign_out"):
        browser = Chromium(await open_site(clock=clock, cookie_domain=older or None, token_transfer_method="cookie"))
        await browser.login("alice")
        old = set(browser.jar)
        browser.move_to(
            await open_site(clock=clock, cookie_domain=now, older_cookie_domain=older, token_transfer_method="cookie")
        )
        assert (await getattr(browser, act)()).status_code == 200
        assert old.isdisjoint(browser.jar)


MOVES: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "the refresh path": (
        {},
        {"refresh_api_path": "/api/refresh", "older_refresh_api_path": "/session/refresh"},
    ),
    "the refresh path, to one below": (
        {},
        {"refresh_api_path": "/session/refresh/v2", "older_refresh_api_path": "/session/refresh"},
    ),
    "to https": (
        {"api_domain": "http://api.example.com", "cookie_secure": False},
        {"older_cookie_secure": False},
    ),
    "from secure cookies to others": ({}, {"cookie_secure": False, "older_cookie_secure": True}),
    "the part of the paths": (
        {"access_token_path": "/sub", "signout_api_path": "/sub/signout"},
        {"older_access_token_path": "/sub", "signout_api_path": "/sub/signout"},
    ),
    "everything at once": (
        {"api_domain": "http://api.example.com", "cookie_secure": False, "cookie_domain": "example.com"},
        {
            "older_cookie_secure": False,
            "older_cookie_domain": "example.com",
            "refresh_api_path": "/api/refresh",
            "older_refresh_api_path": "/session/refresh",
        },
    ),
}
"""A configuration, and what has to be said in the next one so that nobody is signed out."""


class Following(Chromium):
    """A browser that follows a redirect with the same method, as Fetch says of 307, and reads what it is told to clear."""

    hops = 0

    async def send(
        self, method: str, path: str, headers: Lines = (), *, origin: str | None = WEBSITE, **body: Any
    ) -> httpx.Response:
        response = await super().send(method, path, headers, origin=origin, **body)
        if response.status_code == 307:
            self.hops += 1
            return await self.send(method, response.headers["location"], headers, origin=origin, **body)
        return response


async def moved(open_site: OpenSite, name: str) -> tuple[Following, str, set[Any]]:
    before, after = MOVES[name]
    clock = ManualClock()
    browser = Following(await open_site(clock=clock, token_transfer_method="cookie", **before))
    handle = (await browser.login("alice")).json()["handle"]
    browser.move_to(await open_site(clock=clock, token_transfer_method="cookie", **after))
    return browser, handle, set(browser.jar)


# S60
@pytest.mark.parametrize("name", MOVES)
async def test_a_move_that_names_what_was_before_signs_nobody_out_and_leaves_no_old_cookie(
    open_site: OpenSite, name: str
) -> None:
    browser, handle, old = await moved(open_site, name)
    for _ in range(3):
        assert (await browser.fetch("GET", ME)).json()["handle"] == handle
        browser.site.clock.advance(HOUR)
    assert len(browser.jar) == 2
    names = browser.site.settings
    assert {place[0] for place in browser.jar} == {names.access_cookie_name, names.refresh_cookie_name}
    assert old - set(browser.jar)
    assert browser.hops <= 1
    assert not browser.site.events.of(EventName.TOKEN_THEFT)
    await _everything_works(browser)


# S60
@pytest.mark.parametrize("act", ["login", "sign_out"])
@pytest.mark.parametrize("name", MOVES)
async def test_signing_in_and_out_at_once_after_a_move_leave_no_old_cookie(
    open_site: OpenSite, name: str, act: str
) -> None:
    browser, handle, _ = await moved(open_site, name)
    answer = await getattr(browser, act)()
    if answer.status_code == 401:  # the cookie has the older name: it is exchanged first
        await browser.refresh()
        answer = await getattr(browser, act)()
    assert answer.status_code == 200
    assert len(browser.jar) == (2 if act == "login" else 0)
    if act == "sign_out":
        assert await browser.site.end_reason(handle) == "signed_out"


async def test_a_changed_payload_before_the_first_refresh_keeps_the_only_refresh_cookie(open_site: OpenSite) -> None:
    browser, handle, _ = await moved(open_site, "the refresh path")
    assert (await browser.post("/update/then/json")).status_code == 200
    browser.site.clock.advance(HOUR)
    assert (await browser.fetch("GET", ME)).json()["handle"] == handle


async def test_pages_that_still_call_the_older_path_are_sent_to_the_new_one(open_site: OpenSite) -> None:
    browser, handle, _ = await moved(open_site, "the refresh path")
    for hops in (0, 1, 2):
        browser.site.clock.advance(HOUR)
        assert (await browser.post("/session/refresh")).status_code == 200
        assert browser.hops == hops
        assert (await browser.get("/me")).json()["handle"] == handle


async def test_whoever_has_no_cookie_at_either_path_is_sent_once_and_refused(open_site: OpenSite) -> None:
    browser, _, _ = await moved(open_site, "the refresh path")
    browser.jar.clear()
    for path in ("/api/refresh", "/session/refresh"):
        browser.hops = 0
        refused = await browser.post(path)
        assert (refused.status_code, refused.json()["reason"]) == (401, "no_token")
        assert browser.hops == 1


async def test_a_page_that_refreshes_first_finds_the_older_path_too(open_site: OpenSite) -> None:
    browser, handle, _ = await moved(open_site, "the refresh path")
    browser.site.clock.advance(HOUR)
    answer = await browser.post("/api/refresh/continue?target=/me")
    assert (answer.status_code, answer.headers["location"], browser.hops) == (303, "/me", 1)
    assert (await browser.get("/me")).json()["handle"] == handle


async def test_an_access_cookie_of_an_older_name_opens_nothing_by_itself(open_site: OpenSite) -> None:
    browser, _, _ = await moved(open_site, "to https")
    assert (await browser.get("/me")).json() == {"message": "try refresh token"}
    assert (await browser.get("/sub/me")).json() == {"message": "try refresh token"}


# S55
async def test_of_two_good_access_tokens_the_newer_one_counts(open_site: OpenSite) -> None:
    site = await open_site(token_transfer_method="cookie")
    alice = await site.signed_in("alice")
    site.clock.advance(60_000)
    bob = await site.signed_in("bob")
    name = site.settings.access_cookie_name
    for pair in ((alice, bob), (bob, alice)):
        line = "; ".join(f"{name}={each.access}" for each in pair)
        assert (await site.send("GET", "/me", [("cookie", line)])).json()["user_id"] == "bob"


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"older_cookie_domain": "elsewhere.example"}, "must be the host of 'api_domain' or a parent domain"),
        ({"older_cookie_domain": ""}, "must differ from 'cookie_domain'"),
        ({"older_cookie_domain": ".example.com", "cookie_domain": "example.com"}, "must differ from 'cookie_domain'"),
        ({"older_refresh_api_path": "/session/refresh"}, "must differ from 'refresh_api_path'"),
        ({"older_refresh_api_path": "/signout"}, "must differ from 'signout_api_path'"),
        ({"older_refresh_api_path": "/"}, "must not be '/'"),
        ({"older_access_token_path": "/"}, "must differ from 'access_token_path'"),
        ({"older_cookie_secure": True}, "must differ from the present value"),
    ],
)
def test_an_older_place_that_cannot_be_one_is_a_problem(
    database_uri: str, settings: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ConfigurationError, match=problem):
        Settings(api_domain=API, **settings)


async def _everything_works(browser: Chromium) -> None:
    """Each expiry costs one refresh; signing out is final, and signing in begins anew."""
    clock = browser.site.clock
    for _ in range(3):
        clock.advance(HOUR)
        browser.refreshes = 0
        assert (await browser.fetch("GET", ME)).status_code == 200
        assert browser.refreshes == 1
        assert (await browser.fetch("GET", ME)).status_code == 200
        assert browser.refreshes == 1
    assert (await browser.sign_out()).status_code == 200
    browser.refreshes = 0
    assert (await browser.fetch("GET", ME)).status_code == 401
    assert browser.refreshes == 1
    assert (await browser.login("bob")).status_code == 200
    assert (await browser.get(ME)).json()["user_id"] == "bob"
