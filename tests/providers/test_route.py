"""Logouts of identity providers, as they arrive at an application."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest

from reseal import Event, EventName
from reseal.core.logout_tokens import EVENT
from reseal.testing import ManualClock
from tests.providers.conftest import PATH, Shop, opened
from tests.providers.provider import CLIENT, ISSUER, Provider, jwk, private_key

FORM = {"content-type": "application/x-www-form-urlencoded"}


async def is_refused(shop: Shop, token: str, why: str, **more: Any) -> bool:
    answer = await shop.log_out(token, **more)
    body = answer.json()
    assert (answer.status_code, body["error"], answer.headers["cache-control"]) == (400, "invalid_request", "no-store")
    assert "set-cookie" not in answer.headers
    assert why in body["error_description"], body
    return True


@pytest.mark.parametrize("store", ["sqlite", "postgres"])
async def test_a_logout_ends_the_sessions_of_a_provider_session_and_their_refresh_tokens(
    provider: Provider, form: str, store: str, clock: ManualClock, tmp_path: Path, postgres_uri: str
) -> None:
    uri = postgres_uri if store == "postgres" else f"sqlite:///{tmp_path}/sessions.db"
    async with opened(provider, form, uri, clock) as shop:
        mine, again, other = await shop.sign_in(), await shop.sign_in(), await shop.sign_in(sid="s2")
        bob = await shop.sign_in("bob", sid="s3")
        assert await shop.is_live(mine)
        answer = await shop.log_out(provider.token(sub=None))
        assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
        assert "set-cookie" not in answer.headers
        for tokens in (mine, again):
            refused = await shop.refresh(tokens)
            assert (refused.status_code, refused.json()["reason"]) == (401, "provider_logout")
        assert await shop.is_live(other)
        assert (await shop.log_out(provider.token(sid=None))).status_code == 200
        assert not await shop.is_live(other)
        assert await shop.is_live(bob)
        ended = [event.reason for event in shop.events.named(EventName.SESSION_REVOKED)]
        assert ended == ["provider_logout"] * 3
        listed = await shop.reseal.sessions.list_sessions("alice", ended_within=1000)
        assert {each.end_reason for each in listed} == {"provider_logout"}


async def test_who_is_signed_out_already_is_signed_out(shop: Shop) -> None:
    assert (await shop.log_out(shop.provider.token())).status_code == 200
    tokens = await shop.sign_in()
    await shop.client.post("/signout", headers={"authorization": f"Bearer {tokens['access']}"})
    assert (await shop.log_out(shop.provider.token())).status_code == 200


@pytest.mark.parametrize("algorithm", ["RS256", "PS256", "ES256", "EdDSA"])
async def test_each_algorithm_is_accepted_if_it_is_configured(
    provider: Provider, clock: ManualClock, algorithm: str
) -> None:
    provider.keys = {"first": (algorithm, private_key(algorithm))}
    for algorithms in [(algorithm,), ("RS256", "PS256", "ES256", "EdDSA")]:
        its = (provider.configured(algorithms=algorithms),)
        async with opened(provider, "embedded", "memory:", clock, identity_providers=its) as shop:
            tokens = await shop.sign_in()
            assert (await shop.log_out(provider.token())).status_code == 200
            assert not await shop.is_live(tokens)
    others = tuple({"RS256", "PS256", "ES256", "EdDSA"} - {algorithm})
    async with opened(
        provider, "embedded", "memory:", clock, identity_providers=(provider.configured(algorithms=others),)
    ) as shop:
        tokens = await shop.sign_in()
        assert await is_refused(shop, provider.token(), "alg is not one of")
        assert await shop.is_live(tokens)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://evil.example"}, "iss is none of"),
    "an issuer with a slash": ({"iss": f"{ISSUER}/"}, "iss is none of"),
    "no issuer": ({"iss": None}, "iss is none of"),
    "another client": ({"aud": "other"}, "aud is not"),
    "another client as well": ({"aud": [CLIENT, "other"]}, "aud is not"),
    "no audience": ({"aud": None}, "aud is missing"),
    "an empty audience": ({"aud": []}, "aud is missing"),
    "no iat": ({"iat": None}, "iat is missing"),
    "no exp": ({"exp": None}, "exp is missing"),
    "no jti": ({"jti": None}, "no jti"),
    "neither sub nor sid": ({"sub": None, "sid": None}, "neither sub nor sid"),
    "an empty sid": ({"sid": ""}, "sid is not a text"),
    "a sid that is no text": ({"sid": 1}, "sid is not a text"),
    "a long sub": ({"sub": "x" * 2049}, "sub is not a text"),
    "no events": ({"events": None}, "events does not name"),
    "events that are a list": ({"events": [EVENT]}, "events does not name"),
    "another event": ({"events": {"http://schemas.openid.net/event/other": {}}}, "events does not name"),
    "the event with https": ({"events": {EVENT.replace("http:", "https:"): {}}}, "events does not name"),
    "an event that is no object": ({"events": {EVENT: True}}, "events does not name"),
    "a nonce": ({"nonce": "n"}, "nonce"),
    "another user than that of the session": ({"sub": "bob at the provider"}, "sub is not the user"),
}


@pytest.mark.parametrize("case", REFUSED)
async def test_a_token_that_breaks_a_rule_ends_nothing(shop: Shop, case: str) -> None:
    changes, why = REFUSED[case]
    tokens = await shop.sign_in()
    events = {name: value for name, value in changes.items() if value is None}
    assert await is_refused(shop, shop.provider.token(**(changes | events)), why)
    assert await shop.is_live(tokens)
    assert shop.events.named(EventName.SESSION_REVOKED) == []


TIMES: dict[str, tuple[dict[str, int], str | None]] = {
    "the clock of the provider is fast": ({"iat": 29, "exp": 149}, None),
    "it is too fast": ({"iat": 31, "exp": 140}, "iat is in the future"),
    "the token is old": ({"iat": -140, "exp": -20}, None),
    "it is too old": ({"iat": -151, "exp": -31}, "expired"),
    "it is valid for too long": ({"iat": 0, "exp": 151}, "more than two minutes ahead"),
}


@pytest.mark.parametrize("case", TIMES)
async def test_a_token_is_valid_for_two_minutes_by_clocks_that_differ_a_little(shop: Shop, case: str) -> None:
    (offsets, why), now = TIMES[case], shop.provider.clock.wall() // 1000
    tokens = await shop.sign_in()
    token = shop.provider.token(**{name: now + offset for name, offset in offsets.items()})
    if why is None:
        assert (await shop.log_out(token)).status_code == 200
    else:
        assert await is_refused(shop, token, why)
    assert await shop.is_live(tokens) is (why is not None)


@pytest.mark.parametrize("name", ["iat", "exp"])
@pytest.mark.parametrize("value", ["1", True, -1, [1], 1e300])
async def test_a_time_that_is_none_is_refused(shop: Shop, name: str, value: Any) -> None:
    assert await is_refused(shop, shop.provider.token(**{name: value}), f"{name} is not a time")


@pytest.mark.parametrize(
    ("header", "older", "accepted"),
    [
        ({"typ": "logout+jwt"}, False, True),
        ({"typ": "application/Logout+JWT"}, False, True),
        ({"typ": "JWT"}, False, False),
        ({"typ": None}, False, False),
        ({"typ": "JWT"}, True, True),
        ({"typ": None}, True, True),
        ({"typ": "at+jwt"}, True, False),
        ({"typ": "secevent+jwt"}, True, False),
    ],
)
async def test_the_type_of_older_tokens_is_accepted_where_that_is_configured(
    provider: Provider, clock: ManualClock, header: dict[str, Any], *, older: bool, accepted: bool
) -> None:
    its = (provider.configured(older_tokens=older),)
    async with opened(provider, "embedded", "memory:", clock, identity_providers=its) as shop:
        tokens = await shop.sign_in()
        for changes in [{}, {"exp": None}]:
            token = provider.token(header=header, **changes)
            if accepted and (older or not changes):
                assert (await shop.log_out(token)).status_code == 200
            else:
                assert (await shop.log_out(token)).status_code == 400
        assert await shop.is_live(tokens) is not accepted


async def test_an_older_token_without_an_end_is_valid_for_two_minutes(provider: Provider, clock: ManualClock) -> None:
    its = (provider.configured(older_tokens=True),)
    async with opened(provider, "embedded", "memory:", clock, identity_providers=its) as shop:
        token = provider.token(exp=None)
        clock.advance(151_000)
        assert await is_refused(shop, token, "expired")


async def test_a_token_is_accepted_once(shop: Shop, clock: ManualClock) -> None:
    token = shop.provider.token(sid=None)
    assert (await shop.log_out(token)).status_code == 200
    later = await shop.sign_in()
    clock.advance(100_000)
    assert await is_refused(shop, token, "received before")
    assert await shop.is_live(later)


async def test_a_signature_by_somebody_else_is_refused(shop: Shop, provider: Provider) -> None:
    tokens = await shop.sign_in()
    provider.keys["thief"] = ("RS256", private_key("RS256", 1))
    forged = provider.token("thief", header={"kid": "first"})
    del provider.keys["thief"]
    assert await is_refused(shop, forged, "not signed by a key of the provider")
    good = provider.token()
    message, _, signature = good.rpartition(".")
    other = "A" if signature[0] != "A" else "B"
    assert await is_refused(shop, f"{message}.{other}{signature[1:]}", "not signed")
    head, _, _ = message.partition(".")
    body = base64.urlsafe_b64encode(json.dumps(provider.claims(sid="s2")).encode()).rstrip(b"=").decode()
    assert await is_refused(shop, f"{head}.{body}.{signature}", "not signed")
    assert await shop.is_live(tokens)


async def test_none_and_shared_secrets_are_no_algorithms(shop: Shop, provider: Provider) -> None:
    tokens, claims = await shop.sign_in(), provider.claims()
    assert await is_refused(shop, jwt.encode(claims, None, "none", headers={"typ": "logout+jwt"}) + "AA", "alg is not")
    head = {"alg": "HS256", "typ": "logout+jwt", "kid": "first"}
    parts = [base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in (head, claims)]
    public = json.dumps(jwk(private_key("RS256"))).encode()
    mac = base64.urlsafe_b64encode(hmac.digest(public, b".".join(parts), "sha256")).rstrip(b"=")
    assert await is_refused(shop, b".".join((*parts, mac)).decode(), "alg is not")
    assert await is_refused(shop, provider.token(header={"crit": ["exp"]}), "crit")
    assert await shop.is_live(tokens)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x",
        "a.b",
        "a.b.c",
        "a.b.c.d",
        "bm90anNvbg.e30.AA",
        "e30.W10.AA",
        "W10.e30.AA",
        "e30.e30.",
        "é.e30.AA",
        "x" * 20_000,
    ],
)
async def test_what_is_no_token_is_refused(shop: Shop, text: str) -> None:
    answer = await shop.log_out(text)
    assert answer.status_code == 400
    assert shop.provider.asked == 0


BODIES: dict[str, tuple[dict[str, str], Callable[[str], bytes]]] = {
    "no form": ({"content-type": "application/json"}, lambda token: json.dumps({"logout_token": token}).encode()),
    "no type": ({}, lambda token: urlencode({"logout_token": token}).encode()),
    "no field": (FORM, lambda _: b"a=b"),
    "two fields": (FORM, lambda token: urlencode([("logout_token", token)] * 2).encode()),
    "many fields": (FORM, lambda token: urlencode({"logout_token": token} | dict.fromkeys("abcdefgh", "x")).encode()),
    "no text": (FORM, lambda _: b"logout_token=\xff\xfe"),
    "nothing": (FORM, lambda _: b""),
}


@pytest.mark.parametrize("case", BODIES)
async def test_a_request_that_is_no_form_with_one_token_is_refused(shop: Shop, case: str) -> None:
    headers, write = BODIES[case]
    tokens = await shop.sign_in()
    answer = await shop.client.post(PATH, content=write(shop.provider.token()), headers=headers)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")
    assert await shop.is_live(tokens)


async def test_only_posts_are_answered_and_foreign_pages_do_not_matter(shop: Shop) -> None:
    assert (await shop.client.get(PATH)).status_code == 405
    headers = {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "cookie": "sAccessToken=x"}
    answer = await shop.log_out(shop.provider.token(), headers=headers)
    assert (answer.status_code, answer.content) == (200, b"")
    assert not answer.headers.keys() & {"set-cookie", "front-token", "st-access-token"}


async def test_the_trail_says_which_provider_ended_a_session(
    provider: Provider, clock: ManualClock, tmp_path: Path
) -> None:
    uri = f"sqlite:///{tmp_path}/sessions.db"
    async with opened(provider, "embedded", uri, clock, event_outbox="security") as shop:
        await shop.sign_in()
        seen: list[Event] = []
        await shop.reseal.sessions.deliver_events("test", seen.append)
        assert (await shop.log_out(provider.token())).status_code == 200
        await shop.reseal.sessions.deliver_events("test", seen.append)
        assert [(event.name, event.reason, event.by) for event in seen] == [
            (EventName.SESSION_REVOKED, "provider_logout", f"provider:{ISSUER}")
        ]
