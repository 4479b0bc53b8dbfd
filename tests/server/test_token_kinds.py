"""A token is good for its own purpose only, and only in the form in which it was written."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64encode

import pytest

from reseal.cdi.keys import signing_rsa
from tests.server.material import Core, core, opened

MEMBERS = ["sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken"]
SIGN = {"algorithm": "RS256", "jwksDomain": "https://api.example", "payload": {}, "validity": 60}
REFUSED = "TRY_REFRESH_TOKEN"


async def sign(it: Core, payload, **more):
    return await it.call("POST", "/recipe/jwt", SIGN | {"payload": payload} | more)


@pytest.mark.parametrize("name", MEMBERS)
@pytest.mark.parametrize("static", [True, False])
async def test_an_applications_jwt_does_not_speak_in_the_names_of_a_session_token(name, static):
    async with core() as it:
        for value in ("x", None, 1, {}):
            answer = await sign(it, {"sub": "u", name: value}, useStaticSigningKey=static)
            assert answer.status == 400
            assert f"'{name}'" in answer.text
        for cdi in ("2.9", "2.21", "5.6"):
            assert (await it.call("POST", "/recipe/jwt", SIGN | {"payload": {name: "x"}}, cdi=cdi)).status == 400


async def test_what_openid_and_roles_need_is_signed():
    claims = {
        "sub": "u", "iss": "https://me.example/auth", "aud": ["a"], "nbf": 1, "jti": "j", "azp": "c", "nonce": "n",
        "st-role": {"v": ["admin"], "t": 1}, "roles": ["admin"], "tId": "public", "rsub": "u", "handle": "h",
        "deep": {"sessionHandle": "inside an object it means nothing"},
    }  # fmt: skip
    async with core() as it:
        answer = await sign(it, claims)
        assert opened(answer.json["jwt"])[1].items() >= claims.items()
        assert (await it.verify(answer.json["jwt"]))["status"] == REFUSED


def forged(ring, header, body, *, dynamic=True, text=None):
    """Sign with the service's own key what the service would never write."""
    key = signing_rsa(ring, 2**50, dynamic=dynamic)
    written = text or json.dumps(
        {"kid": key.kid, "typ": "JWT", "version": "5", "alg": "RS256"} | header, separators=(",", ":")
    )
    message = f"{plain(written.encode())}.{plain(body)}"
    return f"{message}.{plain(key.sign(message.encode()))}"


def plain(raw):
    return urlsafe_b64encode(raw).decode().rstrip("=")


async def genuine(it, **more):
    token = (await it.create(**more))["accessToken"]["token"]
    body = json.dumps(opened(token)[1], separators=(",", ":")).encode()
    app = await it.service.directory.find("public", "public")
    ring = await app.driver.ring()
    return ring, body


@pytest.mark.parametrize(
    "header",
    [
        {},  # with nothing changed the forgery is as good as the original
        {"version": "6"}, {"version": "2"}, {"version": 5}, {"version": ["5"]}, {"version": None},
        {"typ": "jwt"}, {"typ": "at+jwt"}, {"crit": ["exp"]}, {"b64": True}, {"jku": "https://a.example"},
        {"cty": "JWT"}, {"x5u": ""},
    ],
    ids=str,
)  # fmt: skip
async def test_a_header_that_the_service_would_not_write_is_refused_under_any_signature(header):
    async with core() as it:
        ring, body = await genuine(it)
        assert (await it.verify(forged(ring, header, body)))["status"] == ("OK" if not header else REFUSED)


@pytest.mark.parametrize(
    "text",
    [
        '{{"kid":"{kid}","typ":"JWT","alg":"RS256"}}',
        '{{"typ":"JWT","alg":"RS256","kid":"{kid}"}}',
        '{{"typ":"JWT","kid":"{kid}","version":"5","alg":"RS256"}}',
        '{{"kid":"{kid}","typ":"JWT","version":"5","alg":"RS256","alg":"RS256"}}',
        '{{"kid":"{kid}","kid":"{kid}","typ":"JWT","version":"5","alg":"RS256"}}',
        '{{"kid":"{kid}","typ":"JWT","version":"5", "alg":"RS256"}}',
    ],
)
async def test_a_header_without_a_version_in_another_order_or_with_repeated_members_is_refused(text):
    async with core() as it:
        ring, body = await genuine(it)
        kid = signing_rsa(ring, 2**50, dynamic=True).kid
        assert (await it.verify(forged(ring, {}, body, text=text.format(kid=kid))))["status"] == REFUSED


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace(b'"sub":"user-1"', b'"sub":"user-1","sub":"admin"'),
        lambda body: body.replace(b'"sub":"user-1"', b'"sub":"admin","sub":"user-1"'),
        lambda body: body.replace(b'"role":"a"', b'"role":"a","role":"admin"'),
        lambda body: body.replace(b'{"iat"', b'{ "iat"'),
        lambda body: body + b" ",
        lambda body: b'{"sub":"user-1",' + body[1:].replace(b'"sub":"user-1",', b"", 1),
        lambda body: body.replace(b"user-1", b"us\\u0065r-1"),
    ],
    ids=range(7),
)
async def test_claims_that_could_be_read_in_two_ways_are_refused_under_any_signature(change):
    async with core() as it:
        ring, body = await genuine(it, jwt={"role": "a"})
        assert (await it.verify(forged(ring, {}, body)))["status"] == "OK"
        assert change(body) != body
        assert (await it.verify(forged(ring, {}, change(body))))["status"] == REFUSED


async def test_old_tokens_with_repeated_members_are_refused_too():
    async with core() as it:
        created = await it.create(cdi="2.20")
        header, body, _ = created["accessToken"]["token"].split(".")
        app = await it.service.directory.find("public", "public")
        key = signing_rsa(await app.driver.ring(), it.clock.wall(), dynamic=True)
        written = json.dumps(json.loads(b64decode(body)), separators=(",", ":"))
        for text, status in ((written, "OK"), (written.replace('{"', '{"userId":"admin","', 1), REFUSED)):
            message = f"{header}.{b64encode(text.encode()).decode()}"
            token = f"{message}.{b64encode(key.sign(message.encode())).decode()}"
            assert (await it.verify(token, cdi="2.20"))["status"] == status


async def test_a_token_from_the_future_is_refused_and_a_slight_difference_of_clocks_is_not():
    async with core() as it:
        for cdi in ("2.20", "5.4"):
            token = (await it.create(cdi=cdi))["accessToken"]["token"]
            other = Core(store=it.store, clock=it.clock)
            it.clock.jump(-9_000)
            assert (await other.verify(token, cdi=cdi))["status"] == "OK"
            other = Core(store=it.store, clock=it.clock)
            it.clock.jump(-3_000)
            assert (await other.verify(token, cdi=cdi))["status"] == REFUSED
            it.clock.jump(12_000)


async def test_the_moment_before_which_an_application_wants_no_token_accepted_is_heeded():
    async with core() as it:
        begins = it.clock.wall() // 1000 + 60
        token = (await it.create(jwt={"nbf": begins}))["accessToken"]["token"]
        assert (await it.verify(token))["message"] == "Access token is not valid yet"
        it.clock.advance(60_000)
        assert (await it.verify(token))["status"] == "OK"
        body = {"userId": "u", "enableAntiCsrf": False, "userDataInJWT": {"nbf": "x"}, "userDataInDatabase": {}}
        answer = await it.call("POST", "/recipe/session", body)
        assert answer.problem == (400, "Field name 'userDataInJWT' is invalid in JSON input")


@pytest.mark.parametrize("algorithm", ["RS256", "ES256"])
@pytest.mark.parametrize("cdi", ["1.0", "2.20", "2.21", "5.4"])
async def test_every_token_that_is_made_can_be_verified_and_a_larger_one_is_refused_by_name(cdi, algorithm):
    async with core(access_token_signing_algorithm=algorithm) as it:
        user = "\U0001f600" * 256 + '"' * 256
        fits = await largest(it, cdi, user)
        assert fits > 40_000
        created = await it.create(user, cdi=cdi, anti_csrf=True, jwt={"text": "x" * fits})
        token = created["accessToken"]["token"]
        assert (await it.verify(token, cdi=cdi))["status"] == "OK"
        refreshed = await it.refresh(
            created["refreshToken"]["token"],
            cdi=cdi,
            enableAntiCsrf=cdi != "1.0",
            antiCsrfToken=created.get("antiCsrfToken", ""),
        )
        token = refreshed["accessToken"]["token"]
        assert (await it.verify(token, cdi=cdi))["status"] == "OK"
        answer = await it.call("POST", f"{prefix(cdi)}/session", body_of(cdi, user, fits + 1), cdi=cdi)
        assert answer.status == 400
        assert "Field name 'userDataInJWT' is invalid" in answer.text
        assert "'text'" in answer.text
        if cdi == "1.0":
            return
        too_much = {"text": "x" * (fits + 1)}
        changes = [
            ("POST", "/session/regenerate", {"accessToken": token, "userDataInJWT": too_much}),
            ("PUT", "/jwt/data", {"sessionHandle": created["session"]["handle"], "userDataInJWT": too_much}),
        ]
        for method, path, body in changes:
            answer = await it.call(method, f"{prefix(cdi)}{path}", body, cdi=cdi)
            assert (answer.status, "'userDataInJWT'" in answer.text) == (400, True)
        assert (await it.verify(token, cdi=cdi))["session"]["userDataInJWT"] == {"text": "x" * fits}


async def largest(it, cdi, user):
    """Search the largest payload with which a session is created."""
    low, high = 1_000, 100_000
    while low < high:
        middle = (low + high + 1) // 2
        status = (await it.call("POST", f"{prefix(cdi)}/session", body_of(cdi, user, middle), cdi=cdi)).status
        low, high = (middle, high) if status == 200 else (low, middle - 1)
    return low


def body_of(cdi, user, size):
    body = {"userId": user, "userDataInJWT": {"text": "x" * size}, "userDataInDatabase": {}}
    return body if cdi == "1.0" else body | {"enableAntiCsrf": True}


def prefix(cdi):
    return "" if cdi == "1.0" else "/recipe"
