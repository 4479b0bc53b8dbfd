"""Proofs of a device's key, and challenges: what is accepted, and all that must not be."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reseal.core import binding, holding, proofs
from reseal.core.binding import BROWSER_ALGORITHMS, BROWSER_PROOF, Binding, StaleChallenge
from reseal.core.holding import Hold
from reseal.core.model import Scope, TheftResponse
from reseal.core.proofs import ProofRefused
from tests.support.device import Device, rsa_key

KEY = b"k" * 32
HOME = Scope()
NOW = 1_800_000_000_000
MINUTE = 60_000
EVERY = ("ES256", "RS256", "EdDSA")
DEVICES = {name: Device(name) for name in EVERY}


def read(text: str, key: proofs.DeviceKey | None = None, algorithms: tuple[str, ...] = EVERY) -> proofs.Proof:
    return proofs.read(text, BROWSER_PROOF, algorithms, key)


@pytest.mark.parametrize("name", EVERY)
def test_a_proof_is_read_by_the_key_that_it_brings_and_then_by_that_key_alone(name: str) -> None:
    device = DEVICES[name]
    first = read(device.proof("c", brings_key=True))
    assert (first.claims, first.brought_key, first.key.algorithm) == ({"jti": "c"}, True, name)
    assert read(device.proof("d", brings_key=False), first.key).claims == {"jti": "d"}
    with pytest.raises(ProofRefused, match="not the one that is known"):
        read(device.proof("d", brings_key=True), first.key)
    with pytest.raises(ProofRefused, match="signature"):
        read(Device(name, rsa_key(2048, 1) if name == "RS256" else None).proof("d", brings_key=False), first.key)


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    modulus = (
        "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknj"
        "hMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQ"
        "vRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzK"
        "nqDKgw"
    )
    key = proofs.device_key("RS256", {"kty": "RSA", "n": modulus, "e": "AQAB", "alg": "RS256", "kid": "2011-04-29"})
    assert proofs.thumbprint(key.jwk) == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def off_the_curve() -> dict[str, str]:
    return DEVICES["ES256"].jwk | {"x": DEVICES["ES256"].jwk["y"]}


REFUSED_KEYS = {
    "a private key": lambda: DEVICES["ES256"].jwk | {"d": "AQAB"},
    "a symmetric key": lambda: {"kty": "oct", "k": "AQAB"},
    "a point off the curve": off_the_curve,
    "another curve": lambda: DEVICES["ES256"].jwk | {"crv": "P-384"},
    "a key of another kind": lambda: DEVICES["RS256"].jwk,
    "no key": lambda: None,
    "a text": lambda: "key",
    "a number in place of text": lambda: DEVICES["ES256"].jwk | {"x": 7},
    "padded base64": lambda: DEVICES["ES256"].jwk | {"x": DEVICES["ES256"].jwk["x"] + "="},
}


@pytest.mark.parametrize("case", REFUSED_KEYS)
def test_a_key_that_is_none_is_refused(case: str) -> None:
    with pytest.raises(ProofRefused, match="jwk"):
        read(DEVICES["ES256"].proof("c", brings_key=False, header={"jwk": REFUSED_KEYS[case]()}))


def test_a_short_rsa_key_is_refused() -> None:
    with pytest.raises(ProofRefused, match="too short"):
        read(Device("RS256", rsa_key(1024)).proof("c", brings_key=True))


def test_a_key_is_parsed_once_among_some() -> None:
    first = proofs.device_key("ES256", dict(DEVICES["ES256"].jwk)).public
    again = dict(reversed(DEVICES["ES256"].jwk.items()))
    assert proofs.device_key("ES256", again).public is first
    for _ in range(1024):
        proofs.device_key("EdDSA", Device("EdDSA").jwk)
    assert proofs.device_key("ES256", again).public is not first


@pytest.mark.parametrize(
    "header",
    [
        {"typ": "JWT"}, {"typ": "dpop+jwt"}, {"typ": None}, {"typ": 7}, {"alg": "none"}, {"alg": "HS256"}, {"alg": None},
        {"alg": "RS256"}, {"alg": ["ES256"]}, {"crit": ["b64"]},
    ],
    ids=str,
)  # fmt: skip
def test_a_header_that_is_not_of_such_a_proof_is_refused(header: dict[str, object]) -> None:
    with pytest.raises(ProofRefused):
        read(DEVICES["ES256"].proof("c", brings_key=True, header=header))


def test_an_algorithm_that_was_not_offered_is_refused() -> None:
    with pytest.raises(ProofRefused, match="offered"):
        read(DEVICES["EdDSA"].proof("c", brings_key=True), algorithms=BROWSER_ALGORITHMS)


GOOD = DEVICES["ES256"].proof("c", brings_key=True)


@given(at=st.integers(0, len(GOOD) - 1), by=st.characters(codec="utf-8"))
def test_a_proof_that_was_changed_anywhere_is_refused(at: int, by: str) -> None:
    changed = GOOD[:at] + by + GOOD[at + 1 :]
    if changed != GOOD:
        with pytest.raises(ProofRefused):
            read(changed)


@given(text=st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: urlsafe_b64encode(raw).decode()))
def test_any_text_is_read_or_refused(text: str) -> None:
    with pytest.raises(ProofRefused):
        read(text)
    with pytest.raises(ProofRefused):
        read(f"{text}.{text}.{text}")


@pytest.mark.parametrize("claims", [[], "c", 1, None])
def test_claims_that_are_no_object_are_refused(claims: object) -> None:
    device = DEVICES["ES256"]
    with pytest.raises(ProofRefused, match="object"):
        read(device.jws({"alg": "ES256", "typ": BROWSER_PROOF, "jwk": device.jwk}, claims))


def test_a_proof_shows_nothing_of_itself_when_printed() -> None:
    assert repr(read(GOOD)) == "Proof(algorithm='ES256')"


# -- challenges -----------------------------------------------------------------------------------------------------


def check(text: object, *, scope: Scope = HOME, handle: str = "h", generation: int = 5, now: int = NOW) -> None:
    binding.check_challenge(scope, KEY, handle, generation, text, now)


def issue(generation: int = 5, until: int = NOW + MINUTE, handle: str = "h") -> str:
    return binding.challenge(Scope(), KEY, handle, generation, until)


def test_a_challenge_is_good_for_its_generation_and_the_next_one() -> None:
    check(issue())
    check(issue(), generation=6)
    for generation in (4, 7, 8):
        with pytest.raises(StaleChallenge):
            check(issue(), generation=generation)


def test_a_challenge_is_good_until_its_end() -> None:
    check(issue(), now=NOW + MINUTE - 1)
    with pytest.raises(StaleChallenge):
        check(issue(), now=NOW + MINUTE)


@pytest.mark.parametrize(
    "other", [{"scope": Scope("app", "public")}, {"scope": Scope("public", "b")}, {"handle": "other"}], ids=str
)
def test_a_challenge_of_another_session_app_or_tenant_is_refused(other: dict[str, object]) -> None:
    with pytest.raises(ProofRefused, match="not one of this session"):
        check(issue(), **other)  # type: ignore[arg-type]


@pytest.mark.parametrize("text", [None, 5, "", "c1.5", ["c1"], "c1.5.1.x", "c2" + issue()[2:], issue() + "\n"], ids=str)
def test_what_is_no_challenge_is_refused(text: object) -> None:
    with pytest.raises(ProofRefused, match="none of ours"):
        check(text)


@given(generation=st.integers(0, 10**9), until=st.integers(1, 10**15))
def test_no_number_in_a_challenge_can_be_changed(generation: int, until: int) -> None:
    text = issue()
    mac = text.rpartition(".")[2]
    forged = f"c1.{generation}.{until}.{mac}"
    if forged != text:
        with pytest.raises(ProofRefused, match="not one of this session"):
            check(forged, generation=generation)


# -- what a session keeps -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", [None, "staff", '{"idle_ms":1000}'])
def test_a_binding_is_kept_beside_the_policy(policy: str | None) -> None:
    key = read(GOOD).key
    kept = binding.bound(policy, key, NOW, 0)
    present, of_policy = binding.split(kept)
    assert (of_policy, present) == (policy, Binding("dbsc", NOW, "ES256", key.jwk))
    assert present is not None
    assert present.thumbprint == proofs.thumbprint(key.jwk)
    assert json.loads(kept or "")[0]["jwk"].keys() == {"kty", "crv", "x", "y"}
    assert binding.bound(kept, key, NOW + 1, 0) == kept
    assert binding.bound(kept, read(Device().proof("c", brings_key=True)).key, NOW, 0) is None
    assert binding.split(binding.joined(Binding("require", NOW), kept))[1] == policy


def test_a_session_that_is_held_keeps_its_key_and_one_that_gets_a_key_stays_held() -> None:
    key = read(GOOD).key
    held = Hold(binding.bound("staff", key, NOW, 0), TheftResponse.HOLD, 3).kept()
    assert binding.split(held) == (Binding("dbsc", NOW, "ES256", key.jwk), "staff")
    late = binding.bound(Hold("staff", TheftResponse.HOLD, 3).kept(), key, NOW, 0)
    assert (holding.read(late).response, binding.split(late)[1]) == (TheftResponse.HOLD, "staff")
    assert binding.bound(held, key, NOW + 1, 0) == held


def test_what_is_kept_of_a_key_that_cannot_be_one_proves_nothing() -> None:
    broken = Binding("dbsc", NOW, "ES256", {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"})
    with pytest.raises(ProofRefused):
        _ = broken.key
