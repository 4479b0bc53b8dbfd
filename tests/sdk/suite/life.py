"""The life of a session: it begins, expires, is refreshed, and two come with one token."""

from __future__ import annotations

from reseal.core.events import EventName
from tests.sdk.clock import MINUTE, SECOND
from tests.sdk.core import ACCESS_TOKEN_LIFE, SESSION_LIFE
from tests.sdk.suite.replies import SIGNED_OUT, THEFT, TRY_REFRESH, UNAUTHORISED, about_sessions, accepted, of_those

NEWEST = {"24.0.3", "0.31.4"}


class Life:
    @of_those(lambda sdk: sdk.is_main)
    def test_they_agree_on_the_newest_version_that_the_sdk_knows(self, site, sdk):
        with site.listening() as calls:
            site.signed_in()
        assert {call.version for call in calls if call.is_for("session")} == {sdk.cdi}

    @of_those(lambda sdk: sdk.is_main)
    def test_the_service_knows_every_path_that_the_sdk_uses(self, site):
        user = site.user()
        with site.listening() as calls:
            browser, created = site.signed_in(user)
            assert accepted(browser.get("/verify"))
            assert accepted(browser.refresh())
            assert accepted(browser.get("/verify"))
            assert accepted(browser.get("/handles", userId=user))
            assert accepted(browser.get(f"/sessions/{created.body['handle']}"))
            assert accepted(browser.delete(f"/users/{user}"))
        assert calls
        assert [call for call in calls if call.status != 200] == []

    @of_those(lambda sdk: sdk.is_main and sdk.version in NEWEST)
    def test_a_user_without_an_id_lives_like_any_other_because_the_sdks_own_suites_sign_in_so(self, site):
        browser, created = site.signed_in(userId="")
        assert created.body["userId"] == ""
        assert accepted(browser.refresh())
        assert browser.get("/verify").body["userId"] == ""
        assert accepted(browser.get("/verify", checkDatabase="on"))
        assert created.body["handle"] in browser.get("/handles", userId="").body
        assert accepted(browser.delete(f"/sessions/{created.body['handle']}"))
        assert browser.get("/verify", checkDatabase="on").refusal in SIGNED_OUT

    def test_nobody_is_let_in_without_a_session(self, site):
        assert site.browser().get("/verify").refusal in SIGNED_OUT

    def test_a_new_session_is_accepted_without_asking_the_service(self, site):
        user = site.user()
        browser, created = site.signed_in(user, payload={"role": "editor"})
        with site.listening() as calls:
            verified = browser.get("/verify")
        assert verified.body["handle"] == created.body["handle"]
        assert verified.body["userId"] == user
        assert verified.body["payload"]["role"] == "editor"
        assert not verified.new_access_token
        assert about_sessions(calls) == []

    def test_an_expired_session_goes_on_after_refreshing_until_it_is_revoked(self, site, clock):
        browser, created = site.signed_in()
        first = browser.copy()
        assert accepted(browser.get("/verify"))
        clock.advance(ACCESS_TOKEN_LIFE)
        assert browser.get("/verify").refusal == TRY_REFRESH
        assert first.whose_clock_is_behind().get("/verify").refusal == TRY_REFRESH
        assert accepted(browser.refresh())
        assert browser.access_token != first.access_token
        assert browser.refresh_token != first.refresh_token
        assert browser.get("/verify").body["handle"] == created.body["handle"]
        assert accepted(browser.post("/revoke"))
        assert browser.get("/verify").refusal in SIGNED_OUT

    def test_a_session_that_was_not_refreshed_for_too_long_is_over(self, site, clock):
        user = site.user()
        browser, _ = site.signed_in(user)
        clock.advance(SESSION_LIFE - MINUTE)
        assert accepted(browser.refresh())
        late = browser.whose_clock_is_behind()
        clock.advance(SESSION_LIFE + SECOND)
        assert late.refresh().refusal == UNAUTHORISED
        assert browser.refresh().refusal == UNAUTHORISED
        assert browser.get("/handles", userId=user).body == []

    def test_the_first_request_after_refreshing_is_confirmed_by_the_service(self, site):
        browser, _ = site.signed_in()
        assert accepted(browser.refresh())
        with site.listening() as calls:
            confirmed = browser.get("/verify")
        assert accepted(confirmed)
        assert confirmed.new_access_token
        assert [call.is_for("session/verify") for call in about_sessions(calls)] == [True]
        with site.listening() as calls:
            again = browser.get("/verify")
        assert accepted(again)
        assert not again.new_access_token
        assert about_sessions(calls) == []

    @of_those(lambda sdk: sdk.is_main)
    def test_a_session_can_be_refreshed_many_times(self, site):
        browser, created = site.signed_in()
        for _ in range(4):
            assert accepted(browser.refresh())
            assert browser.get("/verify").body["handle"] == created.body["handle"]
        assert accepted(browser.refresh())
        assert accepted(browser.refresh()), "also without having used the access token between"

    # -- two with one token -----------------------------------------------------------------------------------------

    def test_refreshing_twice_with_one_token_is_not_theft(self, site):
        browser, _ = site.signed_in()
        other_tab = browser.copy()
        assert accepted(browser.refresh())
        assert accepted(other_tab.refresh())
        for tab in (browser, other_tab, browser):
            assert accepted(tab.get("/verify"))
        assert accepted(browser.refresh())
        assert accepted(browser.get("/verify"))

    def test_an_old_refresh_token_is_theft_once_its_successor_was_used(self, site, sdk):
        browser, created = site.signed_in()
        thief = browser.copy()
        assert accepted(browser.refresh())
        assert accepted(browser.get("/verify"))
        with site.listening() as calls:
            refused = thief.refresh()
        assert site.events(created.body["handle"]).count(EventName.TOKEN_THEFT) == 1
        if not sdk.ends_stolen_sessions:
            assert refused.status == 500
            assert accepted(browser.refresh())
            return
        assert refused.refusal == THEFT
        assert any(call.is_for("session/remove") or call.method == "DELETE" for call in calls), calls
        assert thief.access_token is None
        assert thief.refresh_token is None
        assert browser.refresh().refusal == UNAUTHORISED, "the SDK has removed the session"

    def test_a_refresh_token_that_was_tampered_with_is_refused(self, site):
        browser, _ = site.signed_in()
        browser.tamper()
        assert browser.refresh().refusal == UNAUTHORISED
