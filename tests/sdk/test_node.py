"""Published, unmodified SDKs for Node.js run against the core service, from the first to the newest.

Each version runs in a small Express application; a client that keeps cookies as browsers do drives it. Which versions
there are and what each can do is in ``node_sdks.py``; everything below holds for all that can do it.
"""

from __future__ import annotations

import json
import shutil
from base64 import urlsafe_b64decode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.hashes import SHA256

from reseal.core.events import EventName
from tests.sdk.node_core import Core
from tests.sdk.node_sdks import NODE_SDKS
from tests.sdk.node_site import Site, within

SOON = 10
"""Seconds for what should happen after a second or two."""
MINUTE = 60_000
TRY_REFRESH = "401 try refresh token"
UNAUTHORISED = "401 unauthorised"
THEFT = "401 token theft detected"


@pytest.fixture(scope="session")
def core(tmp_path_factory):
    core = Core(tmp_path_factory.mktemp("core"))
    yield core
    core.stop()


@pytest.fixture(scope="module", params=NODE_SDKS, ids=str)
def sdk(request):
    if shutil.which("node") is None or shutil.which("npm") is None:
        pytest.fail("Node.js is not installed")
    return request.param


@pytest.fixture(scope="module")
def site(core, sdk):
    site = Site(core, sdk, "plain", {"jwt": {"enable": True}} if sdk.jwts == "option" else None)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def checking_site(core, sdk):
    """A site whose service wants to be asked about every access token."""
    site = Site(core, sdk, "checking", access_token_blacklisting=True)
    yield site
    site.stop()


@pytest.fixture(scope="module")
def static_site(core, sdk):
    """A site whose SDK wants its access tokens signed by the key that stays."""
    site = Site(core, sdk, "static", {"useDynamicAccessTokenSigningKey": False})
    yield site
    site.stop()


def accepted(reply):
    return reply.refusal is None


def test_the_page_of_sdks_lists_what_is_tried_here():
    page = (Path(__file__).parents[2] / "docs/reference/sdks.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in page.splitlines() if line.startswith("| ")
    ]
    table = {row[0]: row[1:] for row in rows if len(row) == 8 and row[0] != "SDK"}
    yes = {False: "no", True: "yes"}
    assert table == {
        sdk.version: [
            sdk.cdi or "1.0",
            "with path" if sdk.in_app else "host and port",
            yes[sdk.api_key],
            "configuration" if sdk.check_database == "config" else "option of a route",
            yes[sdk.header_mode],
            yes[sdk.jwts is not None],
            yes[sdk.tenants],
        ]
        for sdk in NODE_SDKS
    }


def test_they_agree_on_the_newest_version_that_the_sdk_knows(site, sdk):
    with site.listening() as calls:
        site.signed_in()
    assert {call.version for call in calls if call.is_for("session")} == {sdk.cdi}


def test_the_service_knows_every_path_that_the_sdk_uses(site):
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


def test_a_new_session_is_accepted_without_asking_the_service(site):
    user = site.user()
    browser, created = site.signed_in(user, payload={"role": "editor"})
    with site.listening() as calls:
        verified = browser.get("/verify")
    assert verified.body["handle"] == created.body["handle"]
    assert verified.body["userId"] == user
    assert verified.body["payload"]["role"] == "editor"
    assert not verified.new_access_token
    assert about_sessions(calls) == []


def test_an_expired_session_goes_on_after_refreshing(site):
    with site.configured(access_token_validity=1):
        browser, created = site.signed_in()
        first = browser.copy()
        reply = within(SOON, lambda: browser.get("/verify"), lambda reply: not accepted(reply))
    assert reply.refusal == TRY_REFRESH
    assert accepted(browser.refresh())
    assert browser.access_token != first.access_token
    assert browser.refresh_token != first.refresh_token
    assert browser.get("/verify").body["handle"] == created.body["handle"]


def test_the_first_request_after_refreshing_is_confirmed_by_the_service(site):
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


def test_a_session_can_be_refreshed_many_times(site):
    browser, created = site.signed_in()
    for _ in range(4):
        assert accepted(browser.refresh())
        assert browser.get("/verify").body["handle"] == created.body["handle"]
    assert accepted(browser.refresh())
    assert accepted(browser.refresh()), "also without having used the access token between"


def test_refreshing_twice_with_one_token_is_not_theft(site):
    browser, _ = site.signed_in()
    other_tab = browser.copy()
    assert accepted(browser.refresh())
    assert accepted(other_tab.refresh())
    assert accepted(browser.get("/verify"))
    assert accepted(other_tab.get("/verify"))
    assert accepted(browser.refresh())
    assert accepted(browser.get("/verify"))


def test_an_old_refresh_token_is_theft_once_its_successor_was_used(site, core):
    browser, created = site.signed_in()
    thief = browser.copy()
    assert accepted(browser.refresh())
    assert accepted(browser.get("/verify"))
    with site.listening() as calls:
        refused = thief.refresh()
    assert refused.refusal == THEFT
    assert any(call.is_for("session/remove") or call.method == "DELETE" for call in calls), calls
    assert thief.access_token is None
    assert thief.refresh_token is None
    handle = created.body["handle"]
    assert [event.name for event in core.events if event.session_handle == handle].count(EventName.TOKEN_THEFT) == 1
    assert browser.refresh().refusal == UNAUTHORISED, "the SDK has removed the session"


def test_a_refresh_token_that_was_tampered_with_is_refused(site):
    browser, _ = site.signed_in()
    value, path = browser.cookies["sRefreshToken"]
    browser.cookies["sRefreshToken"] = (f"A{value[1:]}" if value[0] != "A" else f"B{value[1:]}", path)
    assert browser.refresh().refusal == UNAUTHORISED


def test_the_payload_of_a_session_can_be_changed(site, sdk):
    if not sdk.changes_payload:
        pytest.skip("this SDK cannot change a payload")
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


def test_a_payload_changed_by_handle_arrives_with_the_next_refresh(site, sdk):
    if not sdk.changes_payload:
        pytest.skip("this SDK cannot change a payload")
    browser, created = site.signed_in()
    assert accepted(browser.put(f"/sessions/{created.body['handle']}/payload", {"role": "owner"}))
    assert browser.get("/verify").body["payload"]["role"] == "reader"
    assert accepted(browser.refresh())
    assert browser.get("/verify").body["payload"]["role"] == "owner"


def test_the_data_of_a_session_stays_with_the_service(site, sdk):
    browser, created = site.signed_in(data={"cart": {"items": [1, 2], "note": "ünï"}})
    assert browser.get("/data").body == {"cart": {"items": [1, 2], "note": "ünï"}}
    assert accepted(browser.put("/data", {"cart": None}))
    assert browser.get("/data").body == {"cart": None}
    assert accepted(browser.refresh())
    assert browser.get("/data").body == {"cart": None}
    info = browser.get(f"/sessions/{created.body['handle']}").body
    assert info["data"] == {"cart": None}
    if sdk.session_info:
        assert info["userId"] == created.body["userId"]
        assert info["timeCreated"] < info["expiry"]


def test_the_sessions_of_a_user_are_listed(site):
    user = site.user()
    handles = {site.signed_in(user)[1].body["handle"] for _ in range(3)}
    site.signed_in()  # somebody else's
    browser = site.browser()
    assert set(browser.get("/handles", userId=user).body) == handles
    assert browser.get("/handles", userId=site.user()).body == []


def test_a_session_that_was_signed_out_is_over(site):
    user = site.user()
    browser, _ = site.signed_in(user)
    before = browser.copy()
    assert accepted(browser.post("/revoke"))
    assert browser.access_token is None
    assert browser.get("/handles", userId=user).body == []
    assert browser.get("/verify").refusal in {UNAUTHORISED, TRY_REFRESH}
    assert before.refresh().refusal == UNAUTHORISED


def test_a_session_can_be_revoked_by_its_handle(site):
    user = site.user()
    browser, created = site.signed_in(user)
    kept, other = site.signed_in(user)
    assert browser.delete(f"/sessions/{created.body['handle']}").body is True
    assert browser.delete(f"/sessions/{created.body['handle']}").body is False
    assert browser.refresh().refusal == UNAUTHORISED
    assert browser.get("/handles", userId=user).body == [other.body["handle"]]
    assert accepted(kept.refresh())


def test_all_sessions_of_a_user_can_be_revoked(site):
    user = site.user()
    signed_in = [site.signed_in(user) for _ in range(2)]
    stranger, _ = site.signed_in()
    revoked = stranger.delete(f"/users/{user}").body
    handles = {created.body["handle"] for _, created in signed_in}
    assert revoked == 2 or set(revoked) == handles  # the first SDK counts them
    assert {browser.refresh().refusal for browser, _ in signed_in} == {UNAUTHORISED}
    assert accepted(stranger.refresh())


def test_a_revoked_session_is_refused_at_once_where_the_service_is_asked_every_time(sdk, request):
    if sdk.check_database == "config":
        site, asking = request.getfixturevalue("checking_site"), {}
    else:
        site, asking = request.getfixturevalue("site"), {"checkDatabase": "on"}
    browser, created = site.signed_in()
    with site.listening() as calls:
        assert accepted(browser.get("/verify", **asking))
    assert any(call.is_for("session/verify") for call in calls)
    assert accepted(browser.delete(f"/sessions/{created.body['handle']}"))
    if asking:
        assert accepted(browser.get("/verify")), "without asking, the access token lives on until it expires"
    assert browser.get("/verify", **asking).refusal == UNAUTHORISED
    assert browser.access_token is None


def test_an_anti_csrf_token_is_asked_for_when_something_may_change(site):
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


def test_an_anti_csrf_token_is_asked_for_when_refreshing(site, sdk):
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


def test_tokens_of_an_older_key_go_on_after_the_keys_were_changed(site, sdk, core):
    older, _ = site.signed_in()
    assert accepted(older.get("/verify"))
    kid = core.rotate_keys(site.service, site.app_id)
    with core.clock.ahead(MINUTE + 1_000):  # the new key was published a minute ago, and signs
        newer, _ = site.signed_in()
        assert accepted(within(SOON, lambda: newer.get("/verify"), accepted))
        if sdk.keeps_older_keys:
            assert accepted(within(SOON, lambda: older.get("/verify"), accepted))
        assert accepted(older.refresh())
        assert accepted(within(SOON, lambda: older.get("/verify"), accepted))
        assert key_of(newer.access_token) in {kid, None}
        assert key_of(older.access_token) in {kid, None}


def test_it_goes_on_while_one_of_two_hosts_is_down(site, sdk):
    if not sdk.tries_next_host:
        pytest.skip("this SDK does not understand how Node's own fetch says that nobody listens")
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
        refused = within(SOON, lambda: browser.get("/data"), lambda reply: "available" in reply.body["detail"])
        assert refused.body["detail"] == "No SuperTokens core available to query"
        assert accepted(browser.get("/verify")), "an access token that needs no confirmation needs no service"
    answered_again(site)


def test_requests_are_spread_over_the_hosts(site):
    for _ in range(4):
        site.signed_in()
    assert all(door.calls for door in site.doors)


def test_the_service_answers_only_who_knows_its_key(site, sdk):
    if not sdk.api_key:
        pytest.skip("this SDK knows no keys")
    browser, _ = site.signed_in()
    assert accepted(browser.get("/data"))
    with site.with_service(api_keys=("another-key-0123456789-0123456789",)):
        refused = browser.get("/data")
    assert refused.status == 500
    assert "401" in refused.body["detail"]
    assert "Invalid API key" in refused.body["detail"]
    assert accepted(browser.get("/data"))


def test_a_session_may_travel_in_headers(site, sdk):
    if not sdk.header_mode:
        pytest.skip("this SDK knows only cookies")
    browser, created = site.signed_in(mode="header")
    assert browser.cookies == {}
    thief = browser.copy()
    assert browser.get("/verify").body["handle"] == created.body["handle"]
    assert accepted(browser.put("/payload", {"role": "editor"}))
    assert accepted(browser.refresh())
    assert browser.get("/verify").new_access_token
    assert browser.get("/verify").body["payload"]["role"] == "editor"
    assert thief.refresh().refusal == THEFT
    assert thief.access_token is None
    assert browser.refresh().refusal == UNAUTHORISED


def test_the_service_signs_jwts_that_the_published_keys_verify(site, sdk):
    if sdk.jwts is None:
        pytest.skip("this SDK has no JWTs signed")
    browser, created = site.signed_in()
    signed = browser.post("/jwt", {"aud": "shop"}).body
    assert signed["status"] == "OK"
    keys = browser.get("/auth/jwt/jwks.json").body["keys"]
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


def test_sessions_may_be_signed_by_the_key_that_stays(sdk, request):
    if sdk.jwts != "always":
        pytest.skip("this SDK cannot choose the key")
    site = request.getfixturevalue("static_site")
    browser, _ = site.signed_in()
    assert key_of(browser.access_token).startswith("s-")
    assert accepted(browser.get("/verify"))
    assert accepted(browser.refresh())
    assert browser.get("/verify").new_access_token
    assert accepted(browser.put("/payload", {"role": "editor"}))
    assert accepted(browser.get("/verify", checkDatabase="on"))
    assert key_of(browser.access_token).startswith("s-")


def test_a_session_belongs_to_a_tenant(site, sdk):
    if not sdk.tenants:
        pytest.skip("this SDK knows no tenants")
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


def about_sessions(calls):
    """Leave out that an SDK looks for keys, which it does when it starts and from time to time."""
    return [call for call in calls if not any(map(call.is_for, ("apiversion", "handshake", "jwks.json")))]


def answered_again(site):
    """Let the SDK find out about its connections: a request on one that has just ended fails, as it always would."""
    browser, user = site.browser(), site.user()
    for _ in range(3):
        assert accepted(within(SOON, lambda: browser.get("/handles", userId=user), accepted))


def verified(token, keys):
    """Give the claims of a token that one of the keys signed."""
    head, body, signature = (part + "=" * (-len(part) % 4) for part in token.split("."))
    kid = json.loads(urlsafe_b64decode(head))["kid"]
    key = next(key for key in keys if key["kid"] == kid)
    e, n = (int.from_bytes(urlsafe_b64decode(key[name] + "==")) for name in ("e", "n"))
    signed = token.rpartition(".")[0].encode()
    RSAPublicNumbers(e, n).public_key().verify(urlsafe_b64decode(signature), signed, PKCS1v15(), SHA256())
    return json.loads(urlsafe_b64decode(body))


def key_of(access_token):
    """Name the key that signed a token; older tokens name none."""
    header = access_token.split(".")[0].split("%")[0]
    return json.loads(urlsafe_b64decode(header + "=" * (-len(header) % 4))).get("kid")
