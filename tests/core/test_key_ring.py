"""A ring of keys, by the stored times alone: which key signs, which ones verify, which ones are to be added."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from reseal.cdi.keys import cdi_keys
from reseal.core.key_ring import NEVER, KeyRing, NewKey
from reseal.core.keys import SigningKey
from reseal.core.session_keys import session_keys
from reseal.testing.material import HOUR

DAY = 24 * HOUR
PRIVATE = ec.generate_private_key(ec.SECP256R1())
SECRET = bytes(32)
BEGUN = 1_000 * DAY
ONE_SERIES = session_keys("ES256", interval_ms=DAY, token_ms=HOUR)
STATIC_ONLY = session_keys("ES256", interval_ms=None, token_ms=HOUR)
RSA_ALONE = cdi_keys("RS256", interval_ms=DAY, token_ms=HOUR)
TWO_SERIES = cdi_keys("ES256", interval_ms=DAY, token_ms=HOUR)


def stored(new: NewKey) -> SigningKey:
    """Return a new key as it is read back; what it signs with does not matter here."""
    public = PRIVATE.public_key()
    return SigningKey(new.kid, new.algorithm, PRIVATE, public, new.created_at, new.signs_from, new.kid)


def ring_of(policy, *keys):
    return KeyRing(policy, keys, SECRET, BEGUN)


def begun(policy):
    return ring_of(policy, *map(stored, ring_of(policy).wanted(BEGUN)))


def after(ring, policy, new):
    return ring_of(policy, *ring.keys, *map(stored, new))


@pytest.mark.parametrize("policy", [ONE_SERIES, STATIC_ONLY, RSA_ALONE, TWO_SERIES])
def test_first_keys_sign_at_once_and_nothing_else_is_wanted(policy):
    ring = begun(policy)
    assert {key.signs_from for key in ring.keys} == {BEGUN}
    assert all(kid.startswith(policy.prefixes) for kid in ring.kids)
    assert ring.wanted(BEGUN) == []
    assert ring.signing(BEGUN).algorithm == policy.algorithms[-1]


@pytest.mark.parametrize("policy", [ONE_SERIES, RSA_ALONE, TWO_SERIES])
def test_the_next_key_is_wanted_the_lead_before_it_replaces_the_newest(policy):
    ring, due = begun(policy), BEGUN + DAY - policy.lead_ms
    assert ring.wanted(due - 1) == []
    next_ones = ring.wanted(due)
    assert [key.algorithm for key in next_ones] == list(policy.algorithms)
    assert {(key.created_at, key.signs_from) for key in next_ones} == {(due, BEGUN + DAY)}
    late = ring.wanted(due + 7)
    assert [key.kid for key in late] == [key.kid for key in next_ones], "named after the moment from which it was due"
    grown = after(ring, policy, next_ones)
    assert grown.signing(BEGUN + DAY - 1).kid in ring.kids
    assert grown.signing(BEGUN + DAY).kid == next_ones[-1].kid


def test_a_static_key_of_sessions_is_never_due():
    ring = begun(STATIC_ONLY)
    assert ring.wanted(BEGUN + 10_000 * DAY) == []
    assert ring.retired(BEGUN + 10_000 * DAY) == ()


def test_a_replaced_key_of_sessions_verifies_for_the_life_of_a_token_and_the_lead():
    ring = begun(ONE_SERIES)
    (old,) = ring.keys
    grown = after(ring, ONE_SERIES, ring.next(BEGUN))
    ends = BEGUN + ONE_SERIES.lead_ms + HOUR + ONE_SERIES.lead_ms
    assert grown.by_kid(old.kid, ends) == old
    assert grown.retired(ends) == ()
    assert grown.by_kid(old.kid, ends + 1) is None
    assert grown.retired(ends + 1) == (old.kid,)
    assert grown.without((old.kid,)).kids == grown.kids[:1]


def test_a_key_of_the_service_verifies_for_its_interval_even_if_it_is_replaced_early():
    ring = begun(RSA_ALONE)
    old = ring.series("RS256").dynamic[0]
    grown = after(ring, RSA_ALONE, ring.next(BEGUN + HOUR))
    ends = BEGUN + DAY + 2 * HOUR
    assert old in grown.verifying(ends - 1)
    assert grown.retired(ends) == (old.kid,)
    late = after(ring, RSA_ALONE, ring.wanted(BEGUN + 5 * DAY))
    signed_until = BEGUN + 5 * DAY + RSA_ALONE.lead_ms
    assert late.series("RS256").verifies_until(old) == signed_until + 2 * HOUR


def test_an_algorithm_that_is_chosen_later_is_published_before_it_signs():
    rsa, now = begun(RSA_ALONE), BEGUN + HOUR
    chosen = ring_of(TWO_SERIES, *rsa.keys)
    wanted = chosen.wanted(now)
    assert [(key.kid[:2], key.algorithm) for key in wanted] == [("s-", "ES256"), ("d-", "ES256")]
    assert {key.signs_from for key in wanted} == {now + TWO_SERIES.lead_ms}
    grown = after(chosen, TWO_SERIES, wanted)
    assert grown.signing(now).algorithm == grown.signing(now, dynamic=False).algorithm == "RS256"
    assert grown.signing(now + TWO_SERIES.lead_ms).algorithm == "ES256"
    left = ring_of(RSA_ALONE, *grown.keys)
    ends = now + DAY + 2 * HOUR
    assert {key.algorithm for key in left.verifying(ends - 1)} == {"RS256", "ES256"}
    assert {key.algorithm for key in left.verifying(ends)} == {"RS256"}
    assert left.series("RS256").verifying(ends) == left.verifying(ends)


def test_keys_of_sessions_follow_one_another_whatever_their_algorithm():
    other = session_keys("EdDSA", interval_ms=DAY, token_ms=HOUR)
    ring = begun(ONE_SERIES)
    changed = ring_of(other, *ring.keys)
    (new,) = changed.wanted(BEGUN + 5)
    assert (new.algorithm, new.kid[-6:]) == ("EdDSA", "-eddsa")
    assert after(changed, other, [new]).wanted(BEGUN + 6) == []


def test_first_keys_of_a_process_that_was_interrupted_count_from_now():
    ring = ring_of(TWO_SERIES)
    dynamic = [key for key in ring.wanted(BEGUN + DAY) if key.kid.startswith("d-")]
    assert [(key.created_at, key.signs_from) for key in dynamic] == [
        (BEGUN + DAY, BEGUN + DAY),
        (BEGUN + DAY, BEGUN + DAY + TWO_SERIES.lead_ms),
    ]
    assert [key.kid for key in dynamic] == [f"d-{BEGUN}", f"d-{BEGUN}-es256"]


def test_a_policy_without_static_keys_names_none():
    with pytest.raises(NotImplementedError):
        ONE_SERIES.static_name(SECRET, "ES256", 0)
    assert STATIC_ONLY.interval_ms == NEVER
