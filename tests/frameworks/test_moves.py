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
    ],
)
def test_an_older_domain_that_cannot_be_one_is_a_problem(
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
