"""The keys of a provider: rotated, out of reach, of other kinds."""

from __future__ import annotations

from typing import Any

import pytest
from jwt.warnings import InsecureKeyLengthWarning

from reseal import EventName
from reseal._async.provider_keys import COOL_DOWN, FRESH, USABLE
from reseal.testing import ManualClock
from tests.providers.conftest import Shop, opened
from tests.providers.provider import Provider, jwk, private_key


async def test_keys_are_fetched_once_and_again_when_they_are_old(
    shop: Shop, provider: Provider, clock: ManualClock
) -> None:
    for _ in range(3):
        assert (await shop.log_out(provider.token())).status_code == 200
    assert provider.asked == 1
    clock.advance(FRESH)
    assert (await shop.log_out(provider.token())).status_code == 200
    assert provider.asked == 2


async def test_a_key_that_the_provider_has_just_made_is_found(
    shop: Shop, provider: Provider, clock: ManualClock
) -> None:
    assert (await shop.log_out(provider.token())).status_code == 200
    provider.keys["second"] = ("RS256", private_key("RS256", 1))
    tokens = await shop.sign_in()
    early = await shop.log_out(provider.token("second"))
    assert (early.status_code, early.headers["retry-after"]) == (503, str(COOL_DOWN // 1000))
    assert await shop.is_live(tokens)
    assert provider.asked == 1
    clock.advance(COOL_DOWN)
    assert (await shop.log_out(provider.token("second"))).status_code == 200
    assert not await shop.is_live(tokens)
    assert provider.asked == 2


async def test_a_key_that_the_provider_has_taken_back_signs_no_more(
    shop: Shop, provider: Provider, clock: ManualClock
) -> None:
    assert (await shop.log_out(provider.token())).status_code == 200
    old = provider.keys.pop("first")
    provider.keys["second"] = ("RS256", private_key("RS256", 1))
    clock.advance(FRESH)
    tokens = await shop.sign_in()
    provider.keys["first"] = old
    signed = provider.token()
    del provider.keys["first"]
    answer = await shop.log_out(signed)
    assert (answer.status_code, provider.asked) == (400, 2)
    assert await shop.is_live(tokens)


async def test_strangers_cannot_make_the_application_ask_often(
    shop: Shop, provider: Provider, clock: ManualClock
) -> None:
    provider.keys["thief"] = ("RS256", private_key("RS256", 1))
    forged = [provider.token("thief", header={"kid": f"unknown {n}"}) for n in range(20)]
    del provider.keys["thief"]
    statuses = [(await shop.log_out(token)).status_code for token in forged]
    assert statuses == [400, *[503] * 19]
    assert provider.asked == 1
    assert (await shop.log_out(provider.token())).status_code == 200


@pytest.mark.parametrize("broken", ["status", "text", "redirect"])
async def test_while_the_keys_are_out_of_reach_nothing_ends_and_the_provider_may_try_again(
    shop: Shop, provider: Provider, clock: ManualClock, broken: str
) -> None:
    tokens, token = await shop.sign_in(), provider.token()
    match broken:
        case "status":
            provider.status = 500
        case "text":
            provider.published = {"no": "keys"}
        case "redirect":
            provider.status = 302
    answer = await shop.log_out(token)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    assert answer.headers["cache-control"] == "no-store"
    assert await shop.is_live(tokens)
    assert (await shop.log_out(token)).status_code == 503
    assert provider.asked == 1
    provider.status, provider.published = 200, None
    clock.advance(COOL_DOWN)
    assert (await shop.log_out(token)).status_code == 200
    assert not await shop.is_live(tokens)


async def test_a_provider_that_is_not_there_is_waited_for(provider: Provider, clock: ManualClock) -> None:
    its = (provider.configured(jwks_uri="http://127.0.0.1:1/jwks"),)
    async with opened(provider, "embedded", "memory:", clock, identity_providers=its) as shop:
        tokens = await shop.sign_in()
        answer = await shop.log_out(provider.token())
        assert (answer.status_code, answer.headers["retry-after"]) == (503, str(COOL_DOWN // 1000))
        assert await shop.is_live(tokens)


async def test_known_keys_are_used_for_a_day_while_the_provider_does_not_answer(
    shop: Shop, provider: Provider, clock: ManualClock
) -> None:
    assert (await shop.log_out(provider.token())).status_code == 200
    provider.status = 503
    clock.advance(USABLE - 1)
    assert (await shop.log_out(provider.token())).status_code == 200
    clock.advance(COOL_DOWN)
    assert (await shop.log_out(provider.token())).status_code == 503


async def test_while_the_store_is_away_the_logout_is_not_used_up(shop: Shop, provider: Provider) -> None:
    tokens, token = await shop.sign_in(), provider.token()
    shop.store.failing.add("*")
    answer = await shop.log_out(token)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")
    shop.store.failing.clear()
    assert shop.events.named(EventName.SESSION_REVOKED) == []
    assert (await shop.log_out(token)).status_code == 200
    assert not await shop.is_live(tokens)


async def test_a_token_without_a_key_id_is_verified_by_any_key_of_its_algorithm(shop: Shop, provider: Provider) -> None:
    provider.keys["second"] = ("RS256", private_key("RS256", 1))
    for kid in ("first", "second"):
        assert (await shop.log_out(provider.token(kid, header={"kid": ""}))).status_code == 200


UNFIT: dict[str, Any] = {
    "too short": lambda: jwk(private_key("short"), kid="first"),
    "for encryption": lambda: jwk(private_key("RS256"), kid="first", use="enc"),
    "of another algorithm": lambda: jwk(private_key("RS256"), kid="first", alg="PS256"),
    "of another kind": lambda: jwk(private_key("ES256"), kid="first"),
    "to sign only": lambda: jwk(private_key("RS256"), kid="first") | {"key_ops": ["sign"]},
    "broken": lambda: jwk(private_key("RS256"), kid="first") | {"n": "?"},
    "no key": lambda: 7,
    "without a kind": lambda: {"kid": "first", "kty": ["RSA"]},
}


@pytest.mark.parametrize("case", UNFIT)
async def test_a_key_that_cannot_have_signed_is_left_out(shop: Shop, provider: Provider, case: str) -> None:
    tokens = await shop.sign_in()
    provider.published = {"keys": [UNFIT[case]()]}
    if case == "too short":
        provider.keys["first"] = ("RS256", private_key("short"))
        with pytest.warns(InsecureKeyLengthWarning):
            token = provider.token()
    else:
        token = provider.token()
    answer = await shop.log_out(token)
    assert (answer.status_code, answer.json()["error_description"]) == (
        400,
        "it is not signed by a key of the provider",
    )
    assert await shop.is_live(tokens)


async def test_keys_beside_those_that_cannot_be_read_are_found(shop: Shop, provider: Provider) -> None:
    provider.published = {"keys": [*(make() for make in UNFIT.values()), jwk(private_key("RS256"), kid="first")]}
    assert (await shop.log_out(provider.token())).status_code == 200
