"""Anti-CSRF tokens."""

from __future__ import annotations

from tests.sdk.suite.replies import TRY_REFRESH, UNAUTHORISED, accepted, of_those


class Forgery:
    def test_an_anti_csrf_token_is_asked_for_when_something_may_change(self, site):
        browser, _ = site.signed_in()
        assert browser.anti_csrf is not None
        assert accepted(browser.post("/verify"))
        for wrong in (None, "guessed"):
            forged = browser.copy()
            forged.anti_csrf = wrong
            assert forged.post("/verify").refusal == TRY_REFRESH
            assert forged.put("/data", {"cart": 2}).refusal == TRY_REFRESH
            assert accepted(forged.get("/verify"))
            assert forged.get("/verify", antiCsrf="on").refusal == TRY_REFRESH
            assert accepted(forged.post("/verify", antiCsrf="off"))

    def test_an_anti_csrf_token_is_asked_for_when_refreshing(self, site, sdk):
        browser, _ = site.signed_in()
        old = browser.anti_csrf
        forged = browser.copy()
        forged.anti_csrf = None
        reply = forged.refresh()
        if sdk.anti_csrf_on_refresh:
            assert reply.refusal == UNAUTHORISED
        else:  # it does not send the token, so the service must not ask for it
            assert accepted(reply)
        assert accepted(browser.refresh())
        assert browser.anti_csrf != old
        assert accepted(browser.post("/verify"))
        assert accepted(browser.post("/verify"))

    @of_those(lambda sdk: sdk.is_main)
    def test_anti_csrf_tokens_are_neither_given_nor_asked_for_where_they_are_off(self, other_site):
        browser, _ = other_site.signed_in()
        assert browser.anti_csrf is None
        assert accepted(browser.post("/verify"))
        assert accepted(browser.refresh())
        assert accepted(browser.post("/verify"))
        assert browser.anti_csrf is None
