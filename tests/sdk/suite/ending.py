"""Sessions are listed and revoked."""

from __future__ import annotations

from tests.sdk.suite.replies import SIGNED_OUT, UNAUTHORISED, accepted, of_those


class Ending:
    def test_the_sessions_of_a_user_are_listed(self, site):
        user = site.user()
        handles = {site.signed_in(user)[1].body["handle"] for _ in range(3)}
        site.signed_in()  # somebody else's
        browser = site.browser()
        assert set(browser.get("/handles", userId=user).body) == handles
        assert browser.get("/handles", userId=site.user()).body == []

    def test_a_session_that_was_revoked_is_over(self, site):
        user = site.user()
        browser, _ = site.signed_in(user)
        before = browser.copy()
        assert accepted(browser.post("/revoke"))
        assert browser.access_token is None
        assert browser.get("/handles", userId=user).body == []
        assert browser.get("/verify").refusal in SIGNED_OUT
        assert before.refresh().refusal == UNAUTHORISED

    @of_those(lambda sdk: sdk.sign_out_path is not None)
    def test_the_sign_out_endpoint_ends_the_session(self, site, sdk):
        browser, _ = site.signed_in()
        # the next request gets a new access token, which must not outlive the sign-out in the same reply
        assert accepted(browser.refresh())
        before = browser.copy()
        assert browser.post(sdk.sign_out_path).body == {"status": "OK"}
        assert (browser.access_token, browser.refresh_token) == (None, None)
        assert browser.get("/verify").refusal in SIGNED_OUT
        assert before.refresh().refusal == UNAUTHORISED

    def test_a_session_can_be_revoked_by_its_handle(self, site):
        user = site.user()
        browser, created = site.signed_in(user)
        kept, other = site.signed_in(user)
        assert browser.delete(f"/sessions/{created.body['handle']}").body is True
        assert browser.delete(f"/sessions/{created.body['handle']}").body is False
        assert browser.refresh().refusal == UNAUTHORISED
        assert browser.get("/handles", userId=user).body == [other.body["handle"]]
        assert accepted(kept.refresh())

    @of_those(lambda sdk: sdk.revokes_many)
    def test_several_sessions_can_be_revoked_by_their_handles(self, site):
        browser, created = site.signed_in()
        kept, _ = site.signed_in()
        handle = created.body["handle"]
        assert browser.post("/revoke-many", [handle, "no-such-session"]).body == [handle]
        assert browser.refresh().refusal == UNAUTHORISED
        assert accepted(kept.refresh())

    def test_all_sessions_of_a_user_can_be_revoked(self, site):
        user = site.user()
        signed_in = [site.signed_in(user) for _ in range(2)]
        stranger, _ = site.signed_in()
        revoked = stranger.delete(f"/users/{user}").body
        handles = {created.body["handle"] for _, created in signed_in}
        assert revoked == 2 or set(revoked) == handles  # the first SDK counts them
        assert {browser.refresh().refusal for browser, _ in signed_in} == {UNAUTHORISED}
        assert accepted(stranger.refresh())

    @of_those(lambda sdk: sdk.check_database == "option")
    def test_a_revoked_session_is_refused_at_once_on_a_route_that_has_the_service_asked(self, site):
        browser, created = site.signed_in()
        with site.listening() as calls:
            assert accepted(browser.get("/verify", checkDatabase="on"))
        assert any(call.is_for("session/verify") for call in calls)
        assert accepted(browser.delete(f"/sessions/{created.body['handle']}"))
        assert accepted(browser.get("/verify")), "without asking, the access token lives on until it expires"
        assert browser.get("/verify", checkDatabase="on").refusal == UNAUTHORISED
        assert browser.access_token is None

    @of_those(lambda sdk: sdk.check_database == "config" and sdk.is_main)
    def test_a_revoked_session_is_refused_at_once_where_the_service_wants_to_be_asked(self, other_site):
        browser, created = other_site.signed_in()
        with other_site.listening() as calls:
            assert accepted(browser.get("/verify"))
        assert any(call.is_for("session/verify") for call in calls)
        assert accepted(browser.delete(f"/sessions/{created.body['handle']}"))
        assert browser.get("/verify").refusal == UNAUTHORISED
        assert browser.access_token is None
