"""Where the service is: several hosts, one of them down, and the key that they ask for."""

from __future__ import annotations

from tests.sdk.process import within
from tests.sdk.suite.replies import accepted, of_those

SOON = 20
"""Seconds for what an application writes or notices by and by."""
UNAVAILABLE = "No SuperTokens core available to query"


class Hosts:
    @of_those(lambda sdk: sdk.is_main and sdk.tries_next_host)
    def test_it_goes_on_while_one_of_two_hosts_is_down(self, site):
        browser, _ = site.signed_in()
        for door in site.doors:
            with door.closed():
                answered_again(site)
                for _ in range(2):
                    other, _ = site.signed_in()
                    assert accepted(other.refresh())
                    assert accepted(other.get("/verify"))
        answered_again(site)
        with site.doors[0].closed(), site.doors[1].closed():
            told = within(SOON, lambda: f"{browser.get('/data')} {site.log()}", lambda text: UNAVAILABLE in text)
            assert UNAVAILABLE in told
            assert accepted(browser.get("/verify")), "an access token that needs no confirmation needs no service"
        answered_again(site)

    @of_those(lambda sdk: sdk.is_main)
    def test_requests_are_spread_over_the_hosts(self, site):
        for _ in range(4):
            site.signed_in()
        assert all(door.calls for door in site.doors)

    @of_those(lambda sdk: sdk.api_key and sdk.is_main)
    def test_the_service_answers_only_who_knows_its_key(self, site):
        browser, _ = site.signed_in()
        assert accepted(browser.get("/data"))
        told = len(site.log())
        with site.with_service(api_keys=("another-key-0123456789-0123456789",)):
            assert browser.get("/data").status == 500
        assert "Invalid API key" in within(SOON, lambda: site.log()[told:], lambda log: "Invalid API key" in log)
        assert accepted(browser.get("/data"))


def answered_again(site):
    """Let the SDK find out about its connections: a request on one that has just ended fails, as it always would."""
    browser, user = site.browser(), site.user()
    for _ in range(3):
        assert accepted(within(SOON, lambda: browser.get("/handles", userId=user), accepted))
