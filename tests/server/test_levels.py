"""What SDKs see of sessions of the native interface that were elevated, held or bound, or are of visitors: nothing of it."""

from __future__ import annotations

from contextlib import asynccontextmanager

import httpx
import pytest
from msgspec import structs

from reseal import AsyncRemote, Settings
from reseal.cdi import refresh_tokens, signing
from reseal.cdi.verifier import CdiVerifier
from reseal.core import elevation
from reseal.core.holding import SessionHeld
from reseal.core.ids import ANONYMOUS
from reseal.testing.material import HOUR, MINUTE
from tests.server.material import core, opened
from tests.support.device import Device

OWN = {"role": "reader", "acr": "silver"}
GOLD = {"acr": "gold"}


@asynccontextmanager
async def native(it, **changes):
    settings = Settings(api_domain="https://api.example.com", **changes)
    transport = httpx.ASGITransport(it.service)
    remote = AsyncRemote(settings, "http://localhost:3567", clock=it.clock, transport=transport)
    async with remote:
        yield remote


async def test_the_level_of_a_session_is_not_shown():
    async with core() as it, native(it) as remote:
        pair = await remote.create("user", OWN)
        await remote.elevate(pair.claims, GOLD, HOUR)
        for path in ("/recipe/session", "/recipe/session/user/jwt/data", "/recipe/jwt/data"):
            shown = await it.call("GET", path, sessionHandle=pair.claims.sid)
            assert elevation.MEMBER not in shown.text
        assert (await it.get("/recipe/session", sessionHandle=pair.claims.sid))["userDataInJWT"] == OWN


async def test_a_change_of_the_payload_neither_ends_nor_makes_a_level():
    async with core() as it, native(it) as remote:
        high = await remote.elevate((await remote.create("user", OWN)).claims, GOLD, HOUR)
        body = {"sessionHandle": high.claims.sid, "userDataInJWT": {"role": "writer", elevation.MEMBER: {"until": 1}}}
        assert (await it.put("/recipe/jwt/data", body))["status"] == "OK"
        later = await remote.refresh(str(high.refresh_token))
        assert later.claims.jwt_payload()["acr"] == "gold"
        assert later.claims.jwt_payload()["role"] == "writer"
        created = await it.create("user")
        body["sessionHandle"] = created["session"]["handle"]
        assert (await it.call("PUT", "/recipe/jwt/data", body)).status == 400


async def test_a_native_refresh_token_in_the_form_of_sdks_gets_no_level():
    async with core() as it, native(it) as remote:
        high = await remote.elevate((await remote.create("user", OWN)).claims, GOLD, HOUR)
        answer = await it.refresh(refresh_tokens.write(str(high.refresh_token), anti_csrf=False))
        assert answer["status"] == "OK"
        _, claims = opened(answer["accessToken"]["token"])
        assert claims["acr"] == "silver"
        assert elevation.MEMBER not in claims
        verified = await it.verify(answer["accessToken"]["token"], check_database=True)
        assert verified["session"]["userDataInJWT"] == OWN


async def test_a_held_session_is_refused_in_that_form_too():
    async with core() as it, native(it, theft_response="hold") as remote:
        first = await remote.create("user")
        second = await remote.refresh(str(first.refresh_token))
        third = await remote.refresh(str(second.refresh_token))
        it.clock.advance(MINUTE)
        with pytest.raises(SessionHeld):
            await remote.refresh(str(first.refresh_token))
        answer = await it.refresh(refresh_tokens.write(str(third.refresh_token), anti_csrf=False))
        assert answer["status"] == "UNAUTHORISED"


@pytest.mark.parametrize("is_refreshed", [True, False])
async def test_a_session_that_is_bound_to_a_device_is_refused_in_that_form_too(is_refreshed):
    async with core() as it, native(it, device_binding="offer") as remote:
        pair, device = await remote.create("user"), Device()
        bound = await remote.bind(str(pair.refresh_token), device.proof(str(pair.challenge), brings_key=True))
        if is_refreshed:
            proof = device.proof(str(bound.challenge), brings_key=False)
            pair = await remote.refresh(str(pair.refresh_token), proof=proof)
            bound = pair
        answer = await it.refresh(refresh_tokens.write(str(pair.refresh_token), anti_csrf=False))
        assert answer["status"] == "UNAUTHORISED"
        proof = device.proof(str(bound.challenge), brings_key=False)
        assert (await remote.refresh(str(pair.refresh_token), proof=proof)).claims.sid == pair.claims.sid


async def test_a_visitor_does_not_become_a_user_in_that_form():
    async with core() as it, native(it) as remote:
        pair = await remote.create(ANONYMOUS)
        answer = await it.refresh(refresh_tokens.write(str(pair.refresh_token), anti_csrf=False))
        assert answer["status"] == "UNAUTHORISED"
        assert (await remote.refresh(str(pair.refresh_token))).claims.sub == ANONYMOUS


async def test_a_token_that_confirms_is_verified_with_the_store_in_one_call(monkeypatch):
    async with core() as it:
        created = await it.create("user")
        refreshed = await it.refresh(created["refreshToken"]["token"])
        asked = []
        for name in ("get", "confirm"):
            call = getattr(it.store, name)
            monkeypatch.setattr(it.store, name, lambda *args, call=call, name=name: asked.append(name) or call(*args))
        verified = await it.verify(refreshed["accessToken"]["token"], check_database=True)
        assert verified["status"] == "OK"
        assert asked == ["confirm"]


@pytest.mark.parametrize("refresh_hash", ["zz", "abc", "\N{LATIN SMALL LETTER E WITH ACUTE}" * 64])
async def test_a_signed_token_whose_hash_is_none_is_no_token(refresh_hash):
    async with core() as it:
        created = await it.create("user")
        refreshed = await it.refresh(created["refreshToken"]["token"])
        app = await it.service.directory.find("public", "public")
        ring, now = await app.driver.ring(), it.clock.wall()
        claims = CdiVerifier().verify(refreshed["accessToken"]["token"], ring, now)
        forged = signing.sign(structs.replace(claims, refresh_hash=refresh_hash), ring, now, static_key=False)
        answer = await it.call("POST", "/recipe/session/verify", {
            "accessToken": forged.token, "doAntiCsrfCheck": False, "enableAntiCsrf": False, "checkDatabase": True,
        })  # fmt: skip
        assert (answer.status, answer.json["status"]) == (200, "TRY_REFRESH_TOKEN")
