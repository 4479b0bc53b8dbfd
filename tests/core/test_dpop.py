"""Proofs by RFC 9449: its public examples, what makes a proof fresh, addresses, and the memory of used ones."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from reseal.core import base64url, dpop, proofs
from reseal.core.dpop import (
    AHEAD,
    NONCE_LIFE,
    DpopRefused,
    ProofChecker,
    Proven,
    Shown,
    UsedProofs,
    digest,
    is_same_url,
)
from reseal.core.model import Scope
from reseal.core.proofs import ProofRefused
from tests.support.device import Device, rsa_key
from tests.support.program import proof

_HEADER = (
    "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFV"
    "ZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19"
)
AT_TOKEN = (
    f"{_HEADER}.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwia"
    "WF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg"
)
"""RFC 9449, section 4.1."""
AT_RESOURCE = (
    f"{_HEADER}.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0"
    "ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9."
    "2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA"
)
"""Section 7.1."""
TOKEN = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU"
THUMBPRINT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"
"""Section 6.1."""
NOW = 1_800_000_000_000
URL = "https://api.example.com/orders"
DEVICE = Device()
JKT = proofs.thumbprint(proofs.device_key("ES256", DEVICE.jwk).jwk)


def checker(now: int = NOW, window: int = 60_000, key: bytes = b"k" * 32, tenant: str = "public") -> ProofChecker:
    return ProofChecker(Scope("public", tenant), window, lambda: key, lambda: now)


def shown(at: float = NOW // 1000, **claims: Any) -> Shown:
    return Shown(proof(DEVICE, "GET", URL, at, **claims), "GET", URL)


def test_the_examples_of_the_standard() -> None:
    proven = checker(1_562_262_616_000).check(Shown(AT_TOKEN, "POST", "https://server.example.com/token"))
    assert (proven.thumbprint, proven.nonce) == (THUMBPRINT, "")
    beside = Shown(AT_RESOURCE, "GET", "https://resource.example.org/protectedresource")
    assert checker(1_562_262_618_000).check_once(beside, THUMBPRINT, TOKEN).nonce == ""
    with pytest.raises(ProofRefused):
        checker(1_562_262_618_000).check(beside, TOKEN + "x")
    with pytest.raises(DpopRefused):
        checker(1_562_262_618_000 + 61_000).check(beside, TOKEN)


@pytest.mark.parametrize("algorithm", ["ES256", "RS256", "EdDSA"])
def test_keys_of_each_kind(algorithm: str) -> None:
    device = Device(algorithm)
    proven = checker().check(Shown(proof(device, "GET", URL, NOW // 1000), "GET", URL))
    assert proven.thumbprint == proofs.thumbprint(proofs.device_key(algorithm, device.jwk).jwk)


HEADERS: dict[str, dict[str, Any]] = {
    "another type": {"typ": "JWT"},
    "that of a browser": {"typ": "dbsc+jwt"},
    "no algorithm": {"alg": "none"},
    "a symmetric algorithm": {"alg": "HS256"},
    "another algorithm than the key's": {"alg": "RS256"},
    "no key": {"jwk": None},
    "a private key": {"jwk": DEVICE.jwk | {"d": DEVICE.jwk["x"]}},
    "a symmetric key": {"jwk": {"kty": "oct", "k": "c2VjcmV0"}},
    "a point off the curve": {"jwk": DEVICE.jwk | {"y": DEVICE.jwk["x"]}},
    "another's key": {"jwk": Device().jwk},
    "a critical extension": {"crit": ["exp"], "exp": 1},
}


@pytest.mark.parametrize("members", HEADERS.values(), ids=HEADERS.keys())
def test_a_proof_with_another_header_is_refused(members: dict[str, Any]) -> None:
    header = {"typ": "dpop+jwt", "alg": "ES256", "jwk": DEVICE.jwk} | members
    claims = {"jti": "1", "htm": "GET", "htu": URL, "iat": NOW // 1000}
    with pytest.raises(ProofRefused):
        checker().check(Shown(DEVICE.jws(header, claims), "GET", URL))


def test_short_keys_and_long_headers_are_refused() -> None:
    weak = Device("RS256", rsa_key(1024))
    for text in (proof(weak, "GET", URL, NOW // 1000), shown(jti="x" * 9000).proof, "", "a.b.c", "é.b.c"):
        with pytest.raises(ProofRefused):
            checker().check(Shown(text, "GET", URL))


def outcome(of: ProofChecker, beside: Shown) -> Proven | DpopRefused:
    try:
        return of.check(beside)
    except DpopRefused as error:
        return error


@given(st.integers(-200, 200))
def test_a_proof_without_a_nonce_is_fresh_for_its_age(seconds: int) -> None:
    came = outcome(checker(), shown(NOW // 1000 + seconds))
    assert isinstance(came, Proven) == (-60 < seconds < AHEAD // 1000)
    if isinstance(came, Proven):
        assert (came.until, came.nonce) == (NOW + (seconds + 60) * 1000, "")
        return
    assert came.subtype == "use_dpop_nonce"
    assert checker().check(shown(NOW // 1000 + seconds, nonce=came.challenge)).until == NOW + NONCE_LIFE


@given(st.integers(0, 2 * NONCE_LIFE), st.sampled_from([0, 60_000]), st.booleans())
def test_a_nonce_is_good_for_its_time_whatever_the_clock_says(age: int, window: int, is_right: bool) -> None:
    nonce = checker(NOW, window).nonce()
    came = outcome(checker(NOW + age, window), shown((NOW + age) // 1000 if is_right else 5, nonce=nonce))
    assert isinstance(came, Proven) == (age < NONCE_LIFE)
    assert bool(came.nonce if isinstance(came, Proven) else came.challenge) == (age >= NONCE_LIFE // 2)


MOMENTS = st.integers(0, 2 * NONCE_LIFE)


@given(
    skew=st.integers(-3 * NONCE_LIFE, 3 * NONCE_LIFE),
    window=st.sampled_from([0, 1000, 60_000, 2 * NONCE_LIFE]),
    nonce_age=st.none() | MOMENTS,
    waits=st.lists(MOMENTS | st.integers(0, 2000), max_size=12),
    other_proofs=st.lists(st.booleans(), min_size=12, max_size=12),
)
@example(skew=6 * 60_000, window=60_000, nonce_age=1, waits=[0, 6 * 60_000], other_proofs=[True] * 12)
def test_no_clock_makes_a_proof_good_twice(
    skew: int, window: int, nonce_age: int | None, waits: list[int], other_proofs: list[bool]
) -> None:
    now = [NOW]
    one = ProofChecker(Scope("public", "public"), window, lambda: b"k" * 32, lambda: now[0])
    nonce = None if nonce_age is None else checker(NOW - nonce_age, window).nonce()
    captured = shown((NOW + skew) / 1000, nonce=nonce, ath=digest(TOKEN))
    accepted, claimed_until = 0, 0
    for wait, has_other in zip([0, *waits], [False, *other_proofs], strict=False):
        now[0] += wait
        if has_other:  # makes the process forget older ones
            one.check_once(shown(nonce=one.nonce(), ath=digest(TOKEN)), JKT, TOKEN)
        with suppress(DpopRefused):
            until = one.check(captured, TOKEN).until
            claimed_until = claimed_until or until
            assert now[0] < claimed_until, "a claim in the store ends before the proof does"
        with suppress(DpopRefused, ProofRefused):
            accepted += one.check_once(captured, JKT, TOKEN).thumbprint == JKT
    assert accepted <= 1


def test_a_nonce_of_a_process_whose_clock_is_a_little_ahead_is_good() -> None:
    ahead = checker(NOW + AHEAD, window=0)
    assert checker(window=0).check(shown(5, nonce=ahead.nonce())).until == NOW + NONCE_LIFE + AHEAD
    with pytest.raises(DpopRefused):
        checker(window=0).check(shown(5, nonce=checker(NOW + AHEAD + 1).nonce()))


def test_processes_know_the_nonces_of_each_other_and_no_foreign_ones() -> None:
    one, other = checker(window=0), checker(NOW + 1000, window=0)
    assert other.check(shown(nonce=one.nonce())).nonce == ""
    assert one.check(shown(nonce=checker(NOW - 1000).nonce())).nonce == ""
    foreign = [checker(key=b"x" * 32).nonce(), checker(tenant="t1").nonce(), "n1.1.x", "", 5, checker(NOW * 2).nonce()]
    for nonce in foreign:
        with pytest.raises(DpopRefused) as raised:
            one.check(shown(nonce=nonce))
        assert raised.value.subtype == "use_dpop_nonce"
        one.check(shown(nonce=raised.value.challenge))


SAME = [
    "https://api.example.com/orders",
    "HTTPS://API.example.COM:443/orders?page=2#top",
    "https://api.example.com/%6Frders",
    "https://api.example.com/x/../orders",
    "https://api.example.com/./orders",
    "https://api.example.com/%2E/orders",
    "wss://api.example.com/orders",
    "WSS://api.example.com:443/orders",
]
OTHERS = [
    "http://api.example.com/orders",
    "ws://api.example.com/orders",
    "wss://api.example.com:80/orders",
    "https://api.example.com:8443/orders",
    "https://api.example.com/orders/",
    "https://api.example.com//orders",
    "https://api.example.com/Orders",
    "https://user@api.example.com/orders",
    "https://api.example.com.evil.example/orders",
    "https://api.example.com:x/orders",
    "/orders",
    "api.example.com/orders",
    "",
    None,
    ["https://api.example.com/orders"],
]


@pytest.mark.parametrize("htu", SAME)
def test_addresses_are_compared_in_their_normal_form(htu: str) -> None:
    assert is_same_url(htu, URL)


@pytest.mark.parametrize("htu", OTHERS)
def test_another_address_is_refused(htu: object) -> None:
    assert not is_same_url(htu, URL)


@pytest.mark.parametrize(
    ("htu", "url"), [("https://a.example", "https://a.example/"), ("https://a.example/b/..", "https://a.example/")]
)
def test_an_empty_path_is_the_root(htu: str, url: str) -> None:
    assert is_same_url(htu, url)


@given(st.text(st.characters(codec="utf-8"), max_size=30), st.text(max_size=20))
def test_no_address_makes_the_comparison_fail(path: str, host: str) -> None:
    is_same_url(f"https://{host}/{path}", URL)
    is_same_url(path, host)


def test_a_proof_is_known_again_until_it_is_no_longer_fresh() -> None:
    used = UsedProofs(1000, most=100)
    assert used.add("a", 0)
    assert [used.add("a", at) for at in (0, 500, 999, 1500)] == [False, False, False, False]
    assert used.add("a", 2500)


def test_a_flood_of_proofs_costs_no_more_memory() -> None:
    used = UsedProofs(1000, most=100)
    assert all(used.add(str(number), 0) for number in range(10_000))
    assert not used.add("9999", 0)
    assert len(used._young) + len(used._old) <= 100


def test_a_proof_is_named_by_its_key_too() -> None:
    one, other = (
        checker().check(Shown(proof(device, "GET", URL, NOW // 1000, jti="1"), "GET", URL)).name
        for device in (DEVICE, Device())
    )
    assert one != other


def test_nothing_of_a_proof_is_shown() -> None:
    beside = shown()
    assert beside.proof not in repr(beside)
    assert isinstance(checker().check(beside), Proven)
    assert dpop.nonce_key(b"k" * 32) != b"k" * 32
    header = json.loads(base64url.decode(beside.proof.split(".")[0]))
    assert header["typ"] == dpop.PROOF
