"""Tokens that travel in headers instead of cookies."""

from __future__ import annotations

from tests.sdk.core import ACCESS_TOKEN_LIFE
from tests.sdk.suite.replies import THEFT, TRY_REFRESH, UNAUTHORISED, accepted, of_those


class Headers:
    @of_those(lambda sdk: sdk.header_mode)
    def test_a_session_may_travel_in_headers(self, site):
        browser, created = site.signed_in(mode="header")
        assert browser.cookies == {}
        assert browser.anti_csrf is None
        thief = browser.copy()
        assert browser.post("/verify").body["handle"] == created.body["handle"]
        assert accepted(browser.put("/payload", {"role": "editor"}))
        assert accepted(browser.refresh())
        assert browser.get("/verify").new_access_token
        assert browser.get("/verify").body["payload"]["role"] == "editor"
        assert thief.refresh().refusal == THEFT
        assert thief.access_token is None
        assert browser.refresh().refusal == UNAUTHORISED
        signed_out, _ = site.signed_in(mode="header")
        assert accepted(signed_out.post("/revoke"))
        assert (signed_out.access_token, signed_out.refresh_token) == (None, None)

    @of_those(lambda sdk: sdk.header_mode)
    def test_an_expired_session_in_headers_goes_on_after_refreshing(self, site, clock):
        browser, created = site.signed_in(mode="header")
        clock.advance(ACCESS_TOKEN_LIFE)
        assert browser.get("/verify").refusal == TRY_REFRESH
        assert accepted(browser.refresh())
        assert browser.get("/verify").body["handle"] == created.body["handle"]
