"""What holds for every published SDK that can do it, whatever its language and age."""

from __future__ import annotations

import json

from reseal.core.events import EventName
from tests.sdk.clock import MINUTE, SECOND
from tests.sdk.core import ACCESS_TOKEN_LIFE, SESSION_LIFE
from tests.sdk.process import within
from tests.sdk.signatures import decoded, has_signed

SOON = 20
"""Seconds for what an application writes or notices by and by."""
TRY_REFRESH = "401 try refresh token"
UNAUTHORISED = "401 unauthorised"
THEFT = "401 token theft detected"
UNAVAILABLE = "No SuperTokens core available to query"
SIGNED_OUT = {UNAUTHORISED, TRY_REFRESH}
"""The older ones say that to everybody who comes without tokens."""


def of_those(able):
    """Run a test only with the SDKs that are able to do what it is about."""

    def mark(test):
        test.able = able
        return test

    return mark


class SdkSuite:
    """To be subclassed with the ``sdks`` to be tried."""

    sdks = ()

    # -- the life of a session --------------------------------------------------------------------------------------

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

    def test_an_expired_session_goes_on_after_refreshing(self, site, clock):
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

    # -- payload and data -------------------------------------------------------------------------------------------

    @of_those(lambda sdk: sdk.changes_payload)
    def test_the_payload_of_a_session_can_be_changed(self, site):
        browser, created = site.signed_in()
        changed = browser.put("/payload", {"role": "editor", "nested": {"null": None, "list": [1, "ä"]}})
        assert accepted(changed)
        assert changed.new_access_token
        for _ in range(2):
            payload = browser.get("/verify").body["payload"]
            assert payload["role"] == "editor"
            assert payload["nested"] == {"null": None, "list": [1, "ä"]}
            assert accepted(browser.refresh())
        assert browser.get(f"/sessions/{created.body['handle']}").body["payload"]["role"] == "editor"

    @of_those(lambda sdk: sdk.changes_payload)
    def test_a_payload_changed_by_handle_arrives_with_the_next_refresh(self, site):
        browser, created = site.signed_in()
        assert accepted(browser.put(f"/sessions/{created.body['handle']}/payload", {"role": "owner"}))
        assert browser.get("/verify").body["payload"]["role"] == "reader"
        assert accepted(browser.refresh())
        assert browser.get("/verify").body["payload"]["role"] == "owner"

    def test_the_data_of_a_session_stays_with_the_service(self, site, sdk):
        browser, created = site.signed_in(data={"cart": {"items": [1, 2], "note": "ünï"}})
        assert browser.get("/data").body == {"cart": {"items": [1, 2], "note": "ünï"}}
        assert accepted(browser.put("/data", {"cart": None}))
        assert browser.get("/data").body == {"cart": None}
        assert accepted(browser.refresh())
        assert browser.get("/data").body == {"cart": None}
        assert browser.get(f"/sessions/{created.body['handle']}").body["data"] == {"cart": None}

    @of_those(lambda sdk: sdk.session_info)
    def test_everything_is_known_about_a_session(self, site, clock):
        before = clock.wall()
        browser, created = site.signed_in()
        info = browser.get(f"/sessions/{created.body['handle']}").body
        assert (info["userId"], info["data"]) == (created.body["userId"], {"cart": 1})
        assert info["payload"]["role"] == "reader"
        assert before <= info["timeCreated"] <= clock.wall()
        assert info["expiry"] == info["timeCreated"] + SESSION_LIFE

    # -- listing and revoking ---------------------------------------------------------------------------------------

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

    # -- anti-CSRF tokens -------------------------------------------------------------------------------------------

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

    # -- keys, hosts, API keys --------------------------------------------------------------------------------------

    @of_those(lambda sdk: sdk.is_main)
    def test_tokens_of_an_older_key_go_on_after_the_keys_were_changed(self, site, sdk, clock):
        older, _ = site.signed_in()
        assert accepted(older.get("/verify"))
        before = signer(site, older)
        site.rotate_keys()
        clock.advance(MINUTE + SECOND)  # the new key was published a minute ago, and signs
        newer, _ = site.signed_in()
        assert accepted(newer.get("/verify"))
        if sdk.keeps_older_keys:
            assert accepted(older.get("/verify"))
        assert accepted(older.refresh())
        assert accepted(older.get("/verify"))
        assert signer(site, newer) == signer(site, older) != before

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

    # -- what only some can do --------------------------------------------------------------------------------------

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

    @of_those(lambda sdk: sdk.jwts is not None and sdk.is_main)
    def test_the_service_signs_jwts_that_the_published_keys_verify(self, other_site, sdk):
        check_jwts(other_site, sdk)

    @of_those(lambda sdk: sdk.chooses_keys and sdk.is_main)
    def test_access_tokens_are_signed_with_the_algorithm_that_the_service_is_told(self, site, other_site):
        signed = [each.signed_in()[0].access_token.split(".")[0] for each in (site, other_site)]
        assert [json.loads(decoded(header))["alg"] for header in signed] == ["ES256", "RS256"]

    @of_those(lambda sdk: sdk.chooses_keys and sdk.is_main)
    def test_sessions_may_be_signed_by_the_key_that_stays(self, other_site):
        browser, _ = other_site.signed_in()
        assert signer(other_site, browser).startswith("s-")
        assert accepted(browser.get("/verify"))
        assert accepted(browser.refresh())
        assert browser.get("/verify").new_access_token
        assert accepted(browser.put("/payload", {"role": "editor"}))
        assert accepted(browser.get("/verify", checkDatabase="on"))
        assert signer(other_site, browser).startswith("s-")

    @of_those(lambda sdk: sdk.tenants)
    def test_a_session_belongs_to_a_tenant(self, site, sdk):
        user = site.user()
        browser = site.browser()
        assert browser.put("/tenants/shop", {}).body["status"] == "OK"
        here, at_home = site.signed_in(user)
        there, at_shop = site.signed_in(user, tenantId="shop")
        assert at_shop.body["payload"]["tId"] == "shop"
        both = {at_home.body["handle"], at_shop.body["handle"]}
        assert set(browser.get("/handles", userId=user).body) == both
        assert browser.get("/handles", userId=user, tenantId="shop").body == [at_shop.body["handle"]]
        assert accepted(there.refresh())
        assert there.get("/verify").new_access_token
        assert accepted(there.put("/data", {"cart": 3}))
        assert there.get("/data").body == {"cart": 3}
        if sdk.revokes_by_tenant:
            assert browser.delete(f"/users/{user}", tenantId="shop").body == [at_shop.body["handle"]]
        else:
            assert browser.delete(f"/sessions/{at_shop.body['handle']}").body is True
        assert there.refresh().refusal == UNAUTHORISED
        assert accepted(here.refresh())


def accepted(reply):
    return reply.refusal is None


def about_sessions(calls):
    """Leave out that an SDK looks for keys, which it does when it starts and from time to time."""
    return [call for call in calls if not any(map(call.is_for, ("apiversion", "handshake", "jwks.json")))]


def answered_again(site):
    """Let the SDK find out about its connections: a request on one that has just ended fails, as it always would."""
    browser, user = site.browser(), site.user()
    for _ in range(3):
        assert accepted(within(SOON, lambda: browser.get("/handles", userId=user), accepted))


def check_jwts(site, sdk):
    browser, created = site.signed_in()
    signed = browser.post("/jwt", {"aud": "shop"}).body
    assert signed["status"] == "OK"
    published = browser.get("/auth/jwt/jwks.json")
    assert accepted(published), site.log()[-5000:]
    keys = published.body["keys"]
    claims = verified(signed["jwt"], keys)
    assert claims["aud"] == "shop"
    assert claims["exp"] - claims["iat"] == 100
    assert claims["iss"] == "http://localhost/auth"
    if sdk.jwts == "option":  # these put a second token of the session into its payload
        assert verified(created.body["payload"]["jwt"], keys)["sub"] == created.body["userId"]
    else:
        assert verified(browser.access_token, keys)["sub"] == created.body["userId"]
    discovered = browser.get("/auth/.well-known/openid-configuration").body
    assert discovered["issuer"] == "http://localhost/auth"


def signer(site, browser):
    """Name the published key that signed a browser's access token; older tokens do not say it."""
    return next(key["kid"] for key in site.published_keys() if has_signed(key, browser.access_token))


def verified(token, keys):
    """Give the claims of a token that is signed by the key that it names."""
    head, body, _ = token.split(".")
    [key] = [key for key in keys if key["kid"] == json.loads(decoded(head))["kid"]]
    assert has_signed(key, token)
    return json.loads(decoded(body))
