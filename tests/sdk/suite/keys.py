"""Signing keys: changed, of both algorithms, of both kinds; and JWTs."""

from __future__ import annotations

import json

from tests.sdk.clock import MINUTE, SECOND
from tests.sdk.signatures import decoded, has_signed
from tests.sdk.suite.replies import accepted, of_those


class Keys:
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

    @of_those(lambda sdk: sdk.jwts is not None and sdk.is_main)
    def test_with_the_defaults_the_sdk_publishes_the_keys_that_verify_its_jwts_and_sessions(self, site, sdk):
        check_jwts(site, sdk)

    @of_those(lambda sdk: sdk.chooses_keys and sdk.is_main)
    def test_access_tokens_are_signed_with_the_algorithm_that_the_service_is_told(self, site, other_site):
        signed = [each.signed_in()[0].access_token.split(".")[0] for each in (site, other_site)]
        assert [json.loads(decoded(header))["alg"] for header in signed] == ["RS256", "ES256"]

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
