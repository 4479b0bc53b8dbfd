"""The tokens that leave the service, byte by byte (core interface, section 3)."""

from __future__ import annotations

import hashlib
import json
import uuid
from base64 import b64decode, b64encode, urlsafe_b64decode

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from tests.server.material import Core, core, opened

V1_HEADER = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIxIn0="
V2_HEADER = "eyJhbGciOiJSUzI1NiIsInR5cCI6IkpXVCIsInZlcnNpb24iOiIyIn0="
COMMON = ["sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken"]
PROTECTED = ["sub", "exp", "iat", *COMMON]


@pytest.mark.parametrize(("cdi", "header"), [("1.0", V1_HEADER), ("2.0", V2_HEADER), ("2.20", V2_HEADER)])
async def test_old_tokens_are_three_parts_of_padded_base64_under_a_fixed_header(cdi, header):
    async with core() as it:
        it.clock.advance(123)
        created = await it.create(cdi=cdi, jwt={"n": None, "ü": [1.0, 1]})
        parts = created["accessToken"]["token"].split(".")
        assert parts[0] == header
        assert all(b64encode(b64decode(part, validate=True)).decode() == part for part in parts)
        public = load_der_public_key(b64decode(created["jwtSigningPublicKey"]))
        public.verify(b64decode(parts[2]), ".".join(parts[:2]).encode(), padding.PKCS1v15(), SHA256())
        assert public.key_size == 2048
        body = json.loads(b64decode(parts[1]))
        assert list(body) == ["sessionHandle", "userId", "refreshTokenHash1", "userData", "expiryTime", "timeCreated"]
        assert body["userData"] == {"n": None, "ü": [1.0, 1]}
        assert (body["timeCreated"], body["expiryTime"]) == (it.clock.wall(), it.clock.wall() + 3_600_000)
        assert created["accessToken"]["expiry"] == body["expiryTime"]
        assert created["accessToken"]["createdTime"] == body["timeCreated"]


async def test_an_old_token_names_its_parent_and_its_anti_csrf_token_only_if_it_has_them():
    async with core() as it:
        created = await it.create(cdi="2.20", anti_csrf=True)
        refreshed = await it.refresh(
            created["refreshToken"]["token"], cdi="2.20", enableAntiCsrf=True, antiCsrfToken=created["antiCsrfToken"]
        )
        body = json.loads(b64decode(refreshed["accessToken"]["token"].split(".")[1]))
        assert list(body)[3:6] == ["parentRefreshTokenHash1", "userData", "antiCsrfToken"]
        first = json.loads(b64decode(created["accessToken"]["token"].split(".")[1]))
        assert body["parentRefreshTokenHash1"] == first["refreshTokenHash1"]


@pytest.mark.parametrize(
    ("cdi", "form", "claims"),
    [
        ("2.21", "3", ["iat", "exp", "sub", *COMMON]),
        ("3.0", "4", ["iat", "exp", "sub", "tId", *COMMON]),
        ("3.1", "4", ["iat", "exp", "sub", "tId", *COMMON]),
        ("4.0", "5", ["iat", "exp", "sub", "tId", "rsub", *COMMON]),
        ("5.4", "5", ["iat", "exp", "sub", "tId", "rsub", *COMMON]),
    ],
)
@pytest.mark.parametrize("algorithm", ["ES256", "RS256"])
async def test_new_tokens_are_jwts_with_their_claims_in_order(cdi, form, claims, algorithm):
    async with core(access_token_signing_algorithm=algorithm) as it:
        it.clock.advance(999)
        created = await it.create("usér", cdi=cdi, jwt={"iss": "me", "nothing": None})
        token = created["accessToken"]["token"]
        header, body = opened(token)
        assert list(header.items())[1:] == [("typ", "JWT"), ("version", form), ("alg", algorithm)]
        assert next(iter(header)) == "kid"
        assert header["kid"].startswith("d-")
        assert list(body) == [*claims, "iss", "nothing"]
        assert body["sub"] == "usér"
        assert (body["parentRefreshTokenHash1"], body["antiCsrfToken"], body["nothing"]) == (None, None, None)
        assert body["iat"] == it.clock.wall() // 1000
        assert body["exp"] == (it.clock.wall() + 3_600_000) // 1000
        assert created["accessToken"]["expiry"] == body["exp"] * 1000
        assert created["accessToken"]["createdTime"] == body["iat"] * 1000
        assert body.get("tId", "public") == "public"
        assert body.get("rsub", "usér") == "usér"
        assert "=" not in token
        assert created["session"]["userDataInJWT"] == {"iss": "me", "nothing": None}
        await signature_is_good(it, token)


async def signature_is_good(it: Core, token):
    """Verify as a reader does who knows RFC 7518 and the published keys alone."""
    message, _, text = token.rpartition(".")
    kid, signature = opened(token)[0]["kid"], urlsafe_b64decode(text + "==")
    (jwk,) = [key for key in (await it.get("/.well-known/jwks.json"))["keys"] if key["kid"] == kid]
    numbers = {name: int.from_bytes(urlsafe_b64decode(jwk[name] + "==")) for name in "nexy" if name in jwk}
    if jwk["alg"] == "RS256":
        public = rsa.RSAPublicNumbers(numbers["e"], numbers["n"]).public_key()
        public.verify(signature, message.encode(), padding.PKCS1v15(), SHA256())
    else:
        public = ec.EllipticCurvePublicNumbers(numbers["x"], numbers["y"], ec.SECP256R1()).public_key()
        r, s = (int.from_bytes(half) for half in (signature[:32], signature[32:]))
        public.verify(encode_dss_signature(r, s), message.encode(), ec.ECDSA(SHA256()))


@pytest.mark.parametrize(
    ("cdi", "names"), [("2.21", PROTECTED), ("3.0", [*PROTECTED, "tId"]), ("5.4", [*PROTECTED, "tId", "rsub"])]
)
async def test_a_payload_may_not_use_the_names_of_the_token(cdi, names):
    refused = (400, "The user payload contains protected field")
    async with core() as it:
        good = await it.create(cdi=cdi)
        for name in names:
            body = {"userId": "u2", "enableAntiCsrf": False, "userDataInJWT": {name: 1}, "userDataInDatabase": {}}
            assert (await it.call("POST", "/recipe/session", body, cdi=cdi)).problem == refused
            body = {"sessionHandle": good["session"]["handle"], "userDataInJWT": {name: 1}}
            assert (await it.call("PUT", "/recipe/jwt/data", body, cdi=cdi)).problem == refused
            body = {"accessToken": good["accessToken"]["token"], "userDataInJWT": {name: 1}}
            assert (await it.call("POST", "/recipe/session/regenerate", body, cdi=cdi)).problem == refused
        assert (await it.get("/recipe/session/user", cdi=cdi, userId="u2"))["sessionHandles"] == []
        handle = good["session"]["handle"]
        assert (await it.get("/recipe/jwt/data", cdi=cdi, sessionHandle=handle))["userDataInJWT"] == {}


async def test_names_of_later_forms_are_free_in_earlier_ones():
    async with core() as it:
        assert (await it.create(cdi="2.21", jwt={"tId": 1, "rsub": 2}))["status"] == "OK"
        assert (await it.create(cdi="3.0", jwt={"rsub": 2}))["status"] == "OK"
        everything = dict.fromkeys([*PROTECTED, "tId", "rsub"], "x")
        created = await it.create(cdi="2.20", jwt=everything)
        assert (await it.verify(created["accessToken"]["token"], cdi="2.20"))["session"]["userDataInJWT"] == everything


async def test_a_stored_payload_never_speaks_in_the_names_of_a_newer_token():
    async with core() as it:
        created = await it.create(cdi="2.20", jwt={"sub": "admin"})
        refused = await it.refresh(created["refreshToken"]["token"])
        assert refused == {"status": "UNAUTHORISED", "message": "The user payload contains protected field"}

        newer = await it.create("somebody")
        body = {"sessionHandle": newer["session"]["handle"], "userDataInJWT": {"sub": "admin"}}
        assert (await it.put("/recipe/jwt/data", body, cdi="2.20"))["status"] == "OK"
        token = newer["accessToken"]["token"]
        asked = {"accessToken": token, "doAntiCsrfCheck": False, "enableAntiCsrf": False, "checkDatabase": True}
        answer = await it.call("POST", "/recipe/session/verify", asked)
        assert answer.problem == (400, "The user payload contains protected field")
        body = {"accessToken": token, "userDataInJWT": {"sub": "admin"}}
        answer = await it.call("POST", "/recipe/session/regenerate", body, cdi="2.20")
        assert answer.problem == (400, "The user payload contains protected field")


async def test_refresh_tokens_are_opaque_and_access_tokens_name_their_hash():
    async with core() as it:
        created = await it.create()
        text = created["refreshToken"]["token"]
        content, nonce, kind = text.split(".")
        assert (len(nonce), kind) == (64, "V2")
        native = b64decode(content, validate=True)
        claims = opened(created["accessToken"]["token"])[1]
        assert claims["refreshTokenHash1"] == hashlib.sha256(native).hexdigest()


async def test_handles_and_anti_csrf_tokens_are_uuids():
    async with core() as it:
        created = await it.create(anti_csrf=True)
        for text in (created["session"]["handle"], created["antiCsrfToken"]):
            assert str(uuid.UUID(text)) == text
            assert uuid.UUID(text).version == 4


async def test_a_session_may_be_signed_with_the_static_key():
    async with core() as it:
        created = await it.create(useDynamicSigningKey=False)
        assert opened(created["accessToken"]["token"])[0]["kid"].startswith("s-")
        kept = await it.refresh(created["refreshToken"]["token"], cdi="4.0")
        assert opened(kept["accessToken"]["token"])[0]["kid"].startswith("s-")
        promoted = await it.verify(kept["accessToken"]["token"])
        assert opened(promoted["accessToken"]["token"])[0]["kid"].startswith("s-")
        changed = await it.refresh(kept["refreshToken"]["token"], useDynamicSigningKey=True)
        assert opened(changed["accessToken"]["token"])[0]["kid"].startswith("d-")
        back = await it.refresh(changed["refreshToken"]["token"], cdi="3.0", useDynamicSigningKey=False)
        assert opened(back["accessToken"]["token"])[0]["kid"].startswith("s-")


async def test_the_presented_form_is_kept_when_a_token_is_written_again():
    async with core() as it:
        for cdi, form in (("1.0", V1_HEADER), ("2.20", V2_HEADER), ("2.21", "3"), ("3.1", "4")):
            created = await it.create(cdi=cdi)
            refreshed = await it.refresh(created["refreshToken"]["token"], cdi=cdi)
            promoted = (await it.verify(refreshed["accessToken"]["token"]))["accessToken"]["token"]
            again = await it.post("/recipe/session/regenerate", {"accessToken": promoted})
            for token in (promoted, again["accessToken"]["token"]):
                assert token.split(".")[0] == form if len(form) > 1 else opened(token)[0]["version"] == form


@pytest.mark.parametrize("cdi", ["1.0", "2.20", "2.21", "3.0", "5.4", "5.6"])
async def test_tokens_of_every_form_are_verified_under_every_version(cdi):
    async with core() as it:
        for minted_under in ("1.0", "2.9", "2.21", "3.0", "4.0"):
            token = (await it.create(cdi=minted_under))["accessToken"]["token"]
            assert (await it.verify(token, cdi=cdi))["status"] == "OK"
