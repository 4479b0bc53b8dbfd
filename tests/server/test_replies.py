"""Exactly which members a reply has, in every version (core interface, sections 2.4 to 2.8)."""

from __future__ import annotations

import pytest

from tests.server.material import core, is_older

VERSIONS = ["1.0", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5", "2.6", "2.7", "2.8", "2.9", "2.20", "2.21", "3.0", "3.1"]
VERSIONS += ["4.0", "5.0", "5.1", "5.4", "5.5"]
TOKEN = {"token", "expiry", "createdTime"}


def keys_of(cdi):
    if not is_older(cdi, "2.21"):
        return set()
    keys = {"jwtSigningPublicKey", "jwtSigningPublicKeyExpiryTime"}
    return keys if is_older(cdi, "2.9") else keys | {"jwtSigningPublicKeyList"}


def session_of(cdi):
    members = {"handle", "userId", "userDataInJWT"}
    if not is_older(cdi, "3.0"):
        members |= {"tenantId"}
    return members if is_older(cdi, "4.0") else members | {"recipeUserId"}


def token_of(cdi, *, domain=False):
    if not is_older(cdi, "2.4"):
        return TOKEN
    members = TOKEN | {"cookiePath", "cookieSecure"}
    if is_older(cdi, "2.2") or domain:
        members |= {"domain"}
    return members if is_older(cdi, "2.0") else members | {"sameSite"}


def issued_of(cdi):
    members = {"status", "session", "accessToken", "refreshToken"}
    return members | {"idRefreshToken"} if is_older(cdi, "2.21") else members


@pytest.mark.parametrize("cdi", VERSIONS)
async def test_each_version_shows_its_own_members(cdi):
    async with core() as it:
        created = await it.create(cdi=cdi, jwt={"a": None})
        assert created.keys() == issued_of(cdi) | keys_of(cdi)
        assert created["session"].keys() == session_of(cdi)
        assert created["session"]["userDataInJWT"] == {"a": None}
        assert created["accessToken"].keys() == created["refreshToken"].keys() == token_of(cdi)
        if is_older(cdi, "2.21"):
            assert created["idRefreshToken"].keys() == (TOKEN if is_older(cdi, "2.0") else token_of(cdi))
            assert created["idRefreshToken"]["expiry"] == created["refreshToken"]["expiry"]

        verified = await it.verify(created["accessToken"]["token"], cdi=cdi)
        assert verified.keys() == {"status", "session"} | keys_of(cdi)
        assert verified["session"] == created["session"]

        refreshed = await it.refresh(created["refreshToken"]["token"], cdi=cdi)
        assert refreshed.keys() == issued_of(cdi)
        assert refreshed["session"] == created["session"]
        assert refreshed["refreshToken"].keys() == token_of(cdi)

        promoted = await it.verify(refreshed["accessToken"]["token"], cdi=cdi)
        assert promoted.keys() == {"status", "session", "accessToken"} | keys_of(cdi)
        assert promoted["accessToken"].keys() == token_of(cdi)

        it.clock.advance(30_000)
        stolen = await it.refresh(created["refreshToken"]["token"], cdi=cdi)
        assert stolen == {
            "status": "TOKEN_THEFT_DETECTED",
            "session": {"handle": created["session"]["handle"], "userId": "user-1", "recipeUserId": "user-1"},
        }

        failed = await it.verify("x", cdi=cdi)
        assert failed.keys() == {"status", "message"} | (set() if is_older(cdi, "2.4") else keys_of(cdi))
        assert (await it.refresh("x", cdi=cdi)).keys() == {"status", "message"}


@pytest.mark.parametrize("cdi", ["2.0", "2.4", "2.20", "2.21", "3.0", "4.0", "5.4"])
async def test_regenerating_shows_a_session_and_a_token(cdi):
    async with core() as it:
        created = await it.create(cdi=cdi)
        path = f"{'' if is_older(cdi, '2.4') else '/recipe'}/session/regenerate"
        token = created["accessToken"]["token"]
        shown = await it.post(path, {"accessToken": token, "userDataInJWT": {"n": 1}}, cdi=cdi)
        assert shown.keys() == {"status", "session", "accessToken"}
        assert shown["session"].keys() == session_of(cdi)
        assert shown["session"]["userDataInJWT"] == {"n": 1}
        assert shown["accessToken"].keys() == token_of(cdi)


@pytest.mark.parametrize(
    ("cdi", "more"),
    [("2.8", set()), ("2.21", set()), ("3.0", {"tenantId"}), ("4.0", {"tenantId", "recipeUserId"})],
)
async def test_session_information_grows_with_the_versions(cdi, more):
    members = {"status", "sessionHandle", "userId", "userDataInDatabase", "userDataInJWT", "expiry", "timeCreated"}
    async with core() as it:
        created = await it.create(cdi=cdi, jwt={"j": 1}, data={"d": None})
        shown = await it.get("/recipe/session", cdi=cdi, sessionHandle=created["session"]["handle"])
        assert shown.keys() == members | more
        assert (shown["userDataInJWT"], shown["userDataInDatabase"]) == ({"j": 1}, {"d": None})
        assert shown["timeCreated"] == it.clock.wall()
        assert shown["expiry"] == created["refreshToken"]["expiry"]


@pytest.mark.parametrize(
    ("cdi", "members"),
    [
        ("1.0", "cookieDomain cookieSecure accessTokenPath refreshTokenPath enableAntiCsrf"),
        (
            "2.1",
            """cookieDomain cookieSecure accessTokenPath refreshTokenPath enableAntiCsrf cookieSameSite
            idRefreshTokenPath sessionExpiredStatusCode""",
        ),
        (
            "2.2",
            """cookieSecure accessTokenPath refreshTokenPath enableAntiCsrf cookieSameSite idRefreshTokenPath
            sessionExpiredStatusCode""",
        ),
        ("2.4", "enableAntiCsrf accessTokenValidity refreshTokenValidity"),
        ("2.6", "accessTokenValidity refreshTokenValidity"),
        ("2.9", "accessTokenValidity refreshTokenValidity jwtSigningPublicKeyList"),
        ("2.20", "accessTokenValidity refreshTokenValidity jwtSigningPublicKeyList"),
    ],
)
async def test_the_handshake_tells_an_sdk_what_its_version_needs(cdi, members):
    always = {"status", "jwtSigningPublicKey", "jwtSigningPublicKeyExpiryTime", "accessTokenBlacklistingEnabled"}
    async with core() as it:
        path = "/handshake" if is_older(cdi, "2.4") else "/recipe/handshake"
        shown = await it.post(path, {}, cdi=cdi)
        assert shown.keys() == always | set(members.split())
        if "accessTokenValidity" in shown:
            assert (shown["accessTokenValidity"], shown["refreshTokenValidity"]) == (3_600_000, 8_640_000_000)
        for entry in shown.get("jwtSigningPublicKeyList", ()):
            assert entry.keys() == {"publicKey", "expiryTime", "createdAt"}


async def test_a_handshake_needs_no_body():
    async with core() as it:
        for body in (None, b"", b"[", {}):
            assert (await it.call("POST", "/recipe/handshake", body, cdi="2.9")).status == 200


async def test_the_configured_cookie_facts_travel_with_old_tokens():
    facts = {"cookie_domain": "a.example", "cookie_secure": True, "cookie_same_site": "strict"}
    async with core(**facts, access_token_path="/x", refresh_api_path="/r", session_expired_status_code=440) as it:
        token = (await it.create(cdi="2.3"))["accessToken"]
        assert (token["domain"], token["cookieSecure"], token["sameSite"]) == ("a.example", True, "strict")
        assert token["cookiePath"] == "/x"
        shown = await it.post("/handshake", {}, cdi="2.3")
        assert (shown["refreshTokenPath"], shown["sessionExpiredStatusCode"]) == ("/r", 440)


@pytest.mark.parametrize("cdi", ["2.6", "2.20", "2.21", "5.4"])
async def test_an_anti_csrf_token_is_shown_only_if_asked_for(cdi):
    async with core(enable_anti_csrf=True) as it:
        assert "antiCsrfToken" not in await it.create(cdi=cdi)
        created = await it.create(cdi=cdi, anti_csrf=True)
        refreshed = await it.refresh(
            created["refreshToken"]["token"], cdi=cdi, enableAntiCsrf=True, antiCsrfToken=created["antiCsrfToken"]
        )
        assert refreshed["antiCsrfToken"] != created["antiCsrfToken"]


async def test_before_2_6_the_configuration_decides_about_anti_csrf():
    for enabled in (True, False):
        async with core(enable_anti_csrf=enabled) as it:
            for cdi in ("1.0", "2.3", "2.5"):
                assert ("antiCsrfToken" in await it.create(cdi=cdi)) is enabled


async def test_the_first_version_counts_and_the_others_name_what_was_revoked():
    async with core() as it:
        first, second = [(await it.create())["session"]["handle"] for _ in range(2)]
        answer = await it.call("DELETE", "/session", {"sessionHandles": [first, "unknown"]}, cdi=None)
        assert answer.json == {"status": "OK", "numberOfSessionsRevoked": 1}
        shown = await it.post("/recipe/session/remove", {"sessionHandles": [first, second]})
        assert shown == {"status": "OK", "sessionHandlesRevoked": [second]}
