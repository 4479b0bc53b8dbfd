"""A verifier that remembers must not believe a token for longer, or for more apps, than one that does not."""

from __future__ import annotations

import pytest

from reseal.cdi import access_tokens
from reseal.cdi.access_tokens import CdiClaims
from reseal.cdi.keys import cdi_keys
from reseal.cdi.verifier import CdiVerifier
from reseal.core import keys
from reseal.core.errors import TryRefreshToken
from reseal.core.key_ring import KeyRing
from reseal.core.keys import SigningKey
from reseal.core.model import StoredKey

HOUR = 3_600_000


def signing_key(kid: str, algorithm: str = "ES256") -> SigningKey:
    bits = 2048
    return keys.load(StoredKey(kid, algorithm, b"", 0, 0), keys.generate(algorithm, bits))


DYNAMIC, STATIC, RSA = signing_key("d-0-es256"), signing_key("s-0"), signing_key("d-0", "RS256")


def ring_of(*its_keys: SigningKey) -> KeyRing:
    return KeyRing(cdi_keys("ES256", interval_ms=24 * HOUR, token_ms=HOUR), its_keys)


def token(
    key: SigningKey,
    *,
    version: int = 5,
    user: str = "user-1",
    expires_ms: int = HOUR,
    payload: bytes = b'{"role":"reader"}',
) -> str:
    claims = CdiClaims(
        version=version,
        handle="handle",
        user_id=user,
        recipe_user_id=user,
        tenant_id="public",
        refresh_hash="a" * 64,
        parent_hash=None,
        anti_csrf=None,
        payload=payload,
        issued_ms=0,
        expires_ms=expires_ms,
    )
    return access_tokens.mint(claims, key)


@pytest.fixture
def checks(monkeypatch):
    """The tokens whose signature was checked."""
    made, check = [], access_tokens.check
    monkeypatch.setattr(access_tokens, "check", lambda text, *rest: (made.append(text), check(text, *rest))[1])
    return made


@pytest.mark.parametrize(("key", "version"), [(DYNAMIC, 5), (STATIC, 3), (RSA, 2), (RSA, 1)])
def test_a_token_seen_before_gives_the_same_claims_without_another_check(key, version, checks):
    verifier, ring, text = CdiVerifier(), ring_of(DYNAMIC, STATIC, RSA), token(key, version=version)
    first = verifier.verify(text, ring, 0)
    assert verifier.verify(text, ring_of(DYNAMIC, STATIC, RSA), 1) == first
    assert checks == [text]


def test_a_token_seen_before_ends_when_it_ends():
    verifier, ring, text = CdiVerifier(), ring_of(DYNAMIC, STATIC), token(DYNAMIC)
    verifier.verify(text, ring, HOUR)
    with pytest.raises(TryRefreshToken, match="Access token expired"):
        verifier.verify(text, ring, HOUR + 1)
    assert verifier.verify(text, ring, HOUR + 1, expired_too=True).handle == "handle"


@pytest.mark.parametrize("later", ["the key is removed", "the key has retired", "another key has its name"])
def test_a_token_seen_before_is_refused_once_its_key_no_longer_verifies(later):
    left, newer = signing_key("d-0-es256"), signing_key("d-9-es256")
    verifier, text, now = CdiVerifier(), token(left, expires_ms=90 * HOUR), HOUR
    verifier.verify(text, ring_of(left, STATIC), now)
    ring = ring_of(DYNAMIC, STATIC) if later.startswith("another") else ring_of(newer, STATIC)
    if later.endswith("retired"):
        # published at 9 ms, so that the first one is no longer the newest, and gone two lives after its interval
        replaced = keys.load(StoredKey("d-9-es256", "ES256", b"", 9, 9), keys.generate("ES256"))
        ring, now = ring_of(left, replaced, STATIC), 27 * HOUR
    for _ in range(2):
        with pytest.raises(TryRefreshToken):
            verifier.verify(text, ring, now)


def test_a_token_seen_in_one_app_is_a_stranger_in_another():
    verifier, text = CdiVerifier(), token(DYNAMIC)
    verifier.verify(text, ring_of(DYNAMIC, STATIC), 0)
    with pytest.raises(TryRefreshToken, match="JWT verification failed"):
        verifier.verify(text, ring_of(signing_key("d-0-es256"), STATIC), 0)


def test_a_forged_token_is_checked_each_time(checks):
    verifier, ring, text = CdiVerifier(), ring_of(DYNAMIC, STATIC), token(signing_key("d-0-es256"))
    for _ in range(3):
        with pytest.raises(TryRefreshToken, match="JWT verification failed"):
            verifier.verify(text, ring, 0)
    assert checks == [text] * 3


@pytest.mark.parametrize("version", [1, 2])
def test_an_old_token_that_no_key_of_the_ring_signed_is_refused(version):
    stranger = signing_key("d-0", "RS256")
    with pytest.raises(TryRefreshToken) as refused:
        access_tokens.check(token(stranger, version=version), ring_of(DYNAMIC, STATIC, RSA), 0)
    assert str(refused.value).endswith(access_tokens.UNVERIFIED)


def test_a_token_is_refused_by_name_if_it_wants_another_algorithm_than_that_of_its_key():
    renamed = signing_key(DYNAMIC.kid, "RS256")
    with pytest.raises(TryRefreshToken) as refused:
        access_tokens.check(token(renamed), ring_of(DYNAMIC, STATIC, RSA), 0)
    assert str(refused.value).endswith("JWT header mismatch - alg")


def test_so_many_tokens_are_remembered_and_the_oldest_goes_first(checks):
    verifier, ring = CdiVerifier(remember=2), ring_of(DYNAMIC, STATIC)
    texts = [token(DYNAMIC, user=f"user-{n}") for n in range(3)]
    for text in (*texts, texts[2], texts[1], texts[0]):
        verifier.verify(text, ring, 0)
    assert checks == [*texts, texts[0]]


def test_a_token_that_needs_much_room_is_not_remembered(checks):
    verifier, ring, text = (
        CdiVerifier(),
        ring_of(DYNAMIC, STATIC),
        token(DYNAMIC, payload=b'{"a":"%b"}' % (b"x" * 4096)),
    )
    for _ in range(2):
        assert verifier.verify(text, ring, 0).user_id == "user-1"
    assert checks == [text] * 2
