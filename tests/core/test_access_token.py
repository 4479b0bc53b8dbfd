"""Attacks on access tokens. Nearly all are signed by the app's own key: the signature alone must not be enough."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import logging
import random
import socket
import sys
import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from reseal import Settings, TryRefreshToken
from reseal.core import access_token
from reseal.core.access_token import LEEWAY, MAX_LENGTH, Audience, Claims, Verifier, has_shape
from reseal.core.key_ring import KeyRing
from reseal.core.keys import SigningKey, b64url
from reseal.core.session_keys import PUBLISHED
from tests.security.material import API, HOSTILE, App, unb64

ATTACKS = json.loads((Path(__file__).parent / "token_attacks.json").read_text(encoding="utf-8"))["attacks"]
JWA = (
    *("HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "ES256", "ES384", "ES512", "PS256", "PS384", "PS512"),
    *("ES256K", "EdDSA", "Ed25519", "Ed448", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "A128KW", "A256KW", "dir"),
    *("ECDH-ES", "ECDH-ES+A128KW", "A256GCMKW", "PBES2-HS256+A128KW", "HS1", "RS1", "ES256 ", "es256", "Es256"),
)
NONE = ["".join(letters) for letters in itertools.product("nN", "oO", "nN", "eE")]
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


@pytest.fixture(scope="module")
def apps():
    return {name: App(access_token_signing_algorithm=name) for name in ("ES256", "RS256", "EdDSA")}


@pytest.fixture(params=["ES256", "RS256", "EdDSA"])
def app(apps, request):
    return apps[request.param]


@pytest.fixture
def es256(apps):
    return apps["ES256"]


def flipped(token, position, bit):
    return f"{token[:position]}{chr(ord(token[position]) ^ (1 << bit))}{token[position + 1 :]}"


def test_what_the_engine_signs_and_what_the_test_signs_is_accepted(app):
    assert app.accepts(app.pair.access_token)
    assert app.accepts(app.sign())
    assert app.accepts(app.sign(header=app.header))
    claims = app.engine.verify(app.sign())
    assert (claims.sub, claims.jwt_payload()) == ("user-1", {"role": "reader"})


# -- S09: the signature ---------------------------------------------------------------------------------------------


def test_no_single_flipped_bit_survives(es256, caplog):
    caplog.set_level(logging.DEBUG)
    token = es256.pair.access_token
    variants = [flipped(token, position, bit) for position in range(len(token)) for bit in range(8)]
    assert [variant for variant in variants if es256.accepts(variant)] == []
    assert len(variants) > 3000
    assert caplog.records == []


@pytest.mark.parametrize("name", ["RS256", "EdDSA"])
def test_no_flipped_bit_survives_under_the_other_algorithms(apps, name):
    app, draw = apps[name], random.Random(9)
    token = app.pair.access_token
    places = [*((draw.randrange(len(token)), draw.randrange(8)) for _ in range(400)), *((-1, bit) for bit in range(8))]
    assert [place for place in places if app.accepts(flipped(token, place[0] % len(token), place[1]))] == []


def test_nothing_is_decoded_before_the_signature_is_good(es256, monkeypatch):
    read = []
    monkeypatch.setattr(access_token, "_read", lambda *_: read.append("read"))
    head, body, signature = es256.pair.access_token.split(".")
    assert not es256.accepts(f"{head}.{b64url(b'{}')}.{signature}")
    assert not es256.accepts(f"{head}.{body}.{b64url(bytes(64))}")
    assert read == []


def test_a_cut_token_is_refused_at_every_length(es256):
    token = es256.pair.access_token
    assert [n for n in range(len(token)) if es256.accepts(token[:n])] == []


@pytest.mark.parametrize("length", [0, 1, 63, 65, 128, 2048])
def test_a_signature_of_another_length_is_refused(es256, length):
    message = es256.pair.access_token.rpartition(".")[0]
    assert not es256.accepts(f"{message}.{b64url(bytes([1]) * length)}")


# -- S10 to S16, S18 to S24: the table ------------------------------------------------------------------------------


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: f"{attack['row']} {attack['name']}")
def test_every_attack_of_the_table_is_refused(es256, attack):
    header = es256.header

    def filled(text):
        return text.replace("ALG", header["alg"]).replace("KID", header["kid"]).replace("NOW", str(es256.now))

    head, body, signature = es256.pair.access_token.split(".")
    match attack:
        case {"header": text}:
            token = es256.sign(header=filled(text))
        case {"members": raw}:
            token = es256.sign(es256.members(**{name: text and filled(text) for name, text in raw.items()}))
        case {"claims": text}:
            token = es256.sign(filled(text).encode())
        case {"shape": text}:
            token = "".join({"H": head, "P": body, "S": signature}.get(c, c) for c in text)
    assert not es256.accepts(token)


@pytest.mark.parametrize("signature", ["empty", "good", "zero"])
@pytest.mark.parametrize("name", [*JWA, *NONE])
def test_only_the_algorithm_of_the_key_is_taken(app, name, signature):
    header = app.header | {"alg": name}
    message, _, good = app.sign(header=header).rpartition(".")
    token = f"{message}." + {"empty": "", "good": good, "zero": b64url(bytes(len(unb64(good))))}[signature]
    assert app.accepts(token) is (name == app.header["alg"] and signature == "good")


def test_two_algorithms_cannot_be_exchanged_between_keys(apps):
    for signer, verifier in itertools.permutations(apps.values(), 2):
        assert not verifier.accepts(signer.pair.access_token)
        assert not verifier.accepts(signer.sign(header=verifier.header))


# -- S11, S12: keys that are none -----------------------------------------------------------------------------------


def public_encodings(key):
    """Every text of a public key that a verifier could mistake for an HMAC secret."""
    encoding, formats = serialization.Encoding, serialization.PublicFormat
    pem = key.public.public_bytes(encoding.PEM, formats.SubjectPublicKeyInfo)
    der = key.public.public_bytes(encoding.DER, formats.SubjectPublicKeyInfo)
    ssh = key.public.public_bytes(encoding.OpenSSH, formats.OpenSSH)
    (jwk,) = KeyRing(PUBLISHED, [key]).jwks()["keys"]
    jwks = json.dumps({"keys": [jwk]}).encode()
    pems = [
        pem,
        pem.rstrip(),
        b" " + pem,
        b"\n" + pem,
        pem + b" ",
        pem.replace(b"\n", b"\r\n"),
        pem.replace(b"\n", b""),
    ]
    texts = [*pems, der, b64url(der).encode(), ssh, ssh + b"\n", json.dumps(jwk).encode(), jwks]
    numbers = [unb64(jwk[name]) for name in ("n", "x", "y") if name in jwk]
    return [*texts, *numbers, *(jwk[name].encode() for name in ("n", "x", "y", "kid") if name in jwk), b"", b"\0"]


@pytest.mark.parametrize("digest", ["sha256", "sha384", "sha512"])
def test_a_public_key_is_no_hmac_secret_in_any_encoding(app, digest):
    name = {"sha256": "HS256", "sha384": "HS384", "sha512": "HS512"}[digest]
    for secret in public_encodings(app.key):
        for header in (app.header, app.header | {"alg": name}, {"alg": name, "typ": "JWT"}):
            segment = b64url(json.dumps(header, separators=(",", ":")).encode())
            message = f"{segment}.{b64url(app.members())}"
            mac = hmac.new(secret, message.encode(), getattr(hashlib, digest)).digest()
            assert not app.accepts(f"{message}.{b64url(mac)}")
            assert not app.accepts(f"{message}.{b64url(mac.ljust(64, mac[:1]))}")


def test_a_ring_without_keys_accepts_nothing(es256):
    nobody = Verifier(KeyRing(PUBLISHED), Audience(API, API, "public"))
    with pytest.raises(TryRefreshToken):
        nobody.verify(es256.pair.access_token, es256.now)
    nobody.use(KeyRing(PUBLISHED, [es256.key]))
    assert nobody.verify(es256.pair.access_token, es256.now).sub == "user-1"
    nobody.use(KeyRing(PUBLISHED))
    with pytest.raises(TryRefreshToken):
        nobody.verify(es256.pair.access_token, es256.now)


# -- S13: keys that the token brings along --------------------------------------------------------------------------


def test_a_key_or_address_in_the_header_is_never_used(es256):
    attacker = ec.generate_private_key(ec.SECP256R1())
    point = attacker.public_key().public_numbers()
    x, y = (b64url(n.to_bytes(32, "big")) for n in (point.x, point.y))
    jwk = {"kty": "EC", "crv": "P-256", "x": x, "y": y, "kid": es256.header["kid"], "alg": "ES256"}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/keys.json"
        extras = [
            {"jwk": jwk},
            {"jku": url},
            {"x5u": url},
            {"x5c": [b64url(b"cert")]},
            {"x5t": "AAAA"},
            {"x5t#S256": x},
        ]
        for extra in [{}, *extras, {"jwk": jwk, "jku": url, "x5u": url}]:
            signing = es256.key.__class__("a", "ES256", attacker, attacker.public_key(), 0, 0, "")
            segment = b64url(json.dumps(es256.header | extra, separators=(",", ":")).encode())
            message = f"{segment}.{b64url(es256.members())}"
            assert not es256.accepts(f"{message}.{b64url(signing.sign(message.encode()))}")
            assert es256.accepts(es256.sign(header=es256.header | extra)) is (extra == {})
        with pytest.raises(BlockingIOError):
            listener.accept()


# -- S14: the key id ------------------------------------------------------------------------------------------------


def test_a_hostile_key_id_finds_no_key(es256, monkeypatch):
    asked, head = [], es256.header
    monkeypatch.setattr(es256.store, "keys", lambda *_: asked.append("the store"))
    monkeypatch.setattr(SigningKey, "verify", lambda *_: asked.append("the signature"))
    kids = [*HOSTILE, "k" * 1_000_000, -1, 2**63, 1.5, True, None, [], [[]], {}, ["d"] * 5, {"kid": head["kid"]}]
    kids += [head["kid"] + "\0", head["kid"].upper() + "X", f" {head['kid']}", head["kid"] * 2]
    forged = [b64url(json.dumps(head | {"kid": kid}, separators=(",", ":")).encode()) for kid in kids]
    _, body, signature = es256.pair.access_token.split(".")
    assert [n for n, segment in enumerate(forged) if es256.accepts(f"{segment}.{body}.{signature}")] == []
    assert asked == []


def test_a_thousand_random_key_ids_cost_no_look_at_the_store(es256, monkeypatch):
    looks, original = [], es256.store.keys
    assert es256.accepts(es256.sign())
    monkeypatch.setattr(es256.store, "keys", lambda app: looks.append(app) or original(app))
    draw = random.Random(14)
    for _ in range(1000):
        es256.engine.keep_fresh()
        kid = f"d-{draw.randrange(10**13)}"
        assert not es256.accepts(es256.sign(header=es256.header | {"kid": kid}))
        assert es256.accepts(es256.pair.access_token)
    assert looks == []


# -- S16, S17, S27: the shape ---------------------------------------------------------------------------------------


def test_what_has_not_the_shape_of_a_token_costs_no_work(es256, monkeypatch):
    worked = []
    monkeypatch.setattr(SigningKey, "verify", lambda *_: worked.append("verified"))
    monkeypatch.setattr(access_token, "_decode", lambda *_: worked.append("decoded"))
    head, body, signature = es256.pair.access_token.split(".")
    encrypted = {"alg": "PBES2-HS512+A256KW", "enc": "A256GCM", "p2c": 2**31 - 1, "zip": "DEF"}
    jwe = ".".join([b64url(json.dumps(encrypted).encode()), body, signature, body, signature])
    flattened = json.dumps({"protected": head, "payload": body, "signature": signature})
    for token in (jwe, flattened, f"{head}.{body}.{signature}.{signature}", "." * 8000, "a" * 8000):
        assert not es256.accepts(token)
    assert worked == []


def test_a_token_longer_than_the_limit_is_not_read(es256, monkeypatch):
    fits = too_long = ""
    for size in itertools.count(5500):
        fits, too_long = too_long, es256.sign(es256.members(payload=f'{{"a":"{"x" * size}"}}'))
        if len(too_long) > MAX_LENGTH:
            break
    assert MAX_LENGTH - 2 <= len(fits) <= MAX_LENGTH < len(too_long) <= MAX_LENGTH + 2
    assert es256.accepts(fits)
    monkeypatch.setattr(SigningKey, "verify", None)
    assert not es256.accepts(too_long)
    assert not es256.accepts("x" * 10_000_000)


def test_each_part_has_one_spelling(app):
    """Symbols whose spare bits are set decode to the same bytes in a lenient reader."""
    parts = app.pair.access_token.split(".")
    altered = 0
    for n, part in enumerate(parts):
        spare = {0: 0, 2: 4, 3: 2}[len(part) % 4]
        for bits in range(1, 1 << spare):
            symbol = ALPHABET[ALPHABET.index(part[-1]) ^ bits]
            other = [*parts[:n], part[:-1] + symbol, *parts[n + 1 :]]
            assert unb64(other[n]) == unb64(part)
            assert not app.accepts(".".join(other))
            altered += 1
    assert altered > 0 or app.header["alg"] == "RS256"


def test_a_token_that_was_altered_anywhere_is_refused_like_any_other(app):
    token, draw = app.pair.access_token, random.Random(42)
    head, body, signature = token.split(".")
    altered = {
        f"{head}..",
        f"{head}.{body}.",
        f"{head}..{signature}",
        f".{body}.{signature}",
        f"{token}=",
        f"{token}==",
    }
    altered |= {f" {token}", f"{token}\n", f"{head}.{body}=.{signature}", token[:-1], f"{token}A"}
    altered.add(f"{head}.{body}.{signature}".translate(str.maketrans("-_", "+/")))
    for _ in range(500):
        symbols = list(token)
        for _ in range(draw.randrange(1, 4)):
            symbols[draw.randrange(len(symbols))] = draw.choice("AB-_+/=.\0 \n\xe9\ud800\U0001f511")
        altered.add("".join(symbols))
    assert [text for text in altered - {token} if app.accepts(text)] == []


@pytest.mark.parametrize("length", range(3))
def test_the_claims_have_one_spelling_whatever_their_length(es256, length):
    body = es256.members(payload='{"a":"' + "x" * length + '"}')
    segment = b64url(body)
    spare = {0: 0, 2: 4, 3: 2}[len(segment) % 4]
    assert es256.accepts(es256.sign(body))
    for bits in range(1, 1 << spare):
        message = f"{es256.key.header}.{segment[:-1]}{ALPHABET[ALPHABET.index(segment[-1]) ^ bits]}"
        assert not es256.accepts(f"{message}.{b64url(es256.key.sign(message.encode()))}")


# -- S18: kinds of tokens -------------------------------------------------------------------------------------------


def test_every_kind_of_token_is_good_for_its_own_purpose_only():
    app = App(enable_anti_csrf=True)
    claims = app.pair.claims
    kinds = {
        "access": app.pair.access_token,
        "refresh": app.pair.refresh_token,
        "anti-CSRF": app.pair.anti_csrf,
        "handle": claims.sid,
        "front token": b64url(json.dumps({"uid": claims.sub}).encode()),
        "another JWT": app.sign(header=app.header | {"typ": "JWT"}),
        "an OAuth token": app.sign(header=app.header | {"typ": "at+jwt"}),
        "a reset link": app.sign(header=app.header | {"typ": "reset+jwt"}),
    }
    for kind, text in kinds.items():
        assert app.accepts(text) is (kind == "access")
        assert app.engine.check_anti_csrf(claims, text) is (kind == "anti-CSRF")
        if kind != "refresh":
            assert app.refuses_refresh(text)
    assert app.engine.newest(kinds.values()) == (app.pair.refresh_token,)
    assert app.engine.refresh(app.pair.refresh_token).claims.gen == 1


# -- S19, S20: times ------------------------------------------------------------------------------------------------


def test_a_token_ends_at_its_second():
    app = App(access_token_validity=60)
    app.clock.advance(59_999)
    assert app.accepts(app.pair.access_token)
    app.clock.advance(1)
    assert not app.accepts(app.pair.access_token)
    assert app.engine.verify(app.pair.access_token, expired_too=True).sub == "user-1"


def test_a_remembered_token_ends_too(es256):
    past = es256.sign(es256.members(exp=str(es256.now - LEEWAY - 1)))
    assert not es256.accepts(past)
    assert es256.engine.verify(past, expired_too=True).sub == "user-1"
    assert not es256.accepts(past)


@pytest.mark.parametrize(
    ("ahead", "accepted"), [(LEEWAY + 1, False), (LEEWAY, True), (LEEWAY - 1, True), (10**9, False)]
)
def test_a_token_from_the_future_is_refused_beyond_the_leeway(es256, ahead, accepted):
    assert es256.accepts(es256.sign(es256.members(iat=str(es256.now + ahead)))) is accepted
    assert LEEWAY <= 10


# -- S23 to S25: what the claims are made of ------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "longest"), [("sub", 512), ("sid", 256), ("csrf", 256)])
def test_names_are_bounded(es256, name, longest):
    assert es256.accepts(es256.sign(es256.members(**{name: json.dumps("n" * longest)})))
    assert not es256.accepts(es256.sign(es256.members(**{name: json.dumps("n" * (longest + 1))})))


@pytest.mark.parametrize("opening", ["[", '{"a":'])
def test_a_payload_nested_too_deeply_is_refused_and_nothing_breaks(es256, opening):
    deep = opening * 700 + "1" + {"[": "]", '{"a":': "}"}[opening] * 700
    for levels in (deep, '{"a":' + "[" * 1500 + "]" * 1500 + "}"):
        token = es256.sign(es256.members(payload=levels))
        assert len(token) < MAX_LENGTH
        assert not es256.accepts(token) or es256.engine.verify(token).jwt_payload()


def test_repeated_members_are_refused_however_they_are_spelt(es256):
    good = es256.members().decode()
    assert es256.accepts(es256.sign(good.encode()))
    for more in ('"sub":"admin"', '"\\u0073ub":"admin"', '"sub":"user-1"', '"exp":9999999999', '"s\\u0075b":"user-1"'):
        assert not es256.accepts(es256.sign(f"{good[:-1]},{more}}}".encode()))
        assert not es256.accepts(es256.sign(f"{{{more},{good[1:]}".encode()))
    assert not es256.accepts(es256.sign(good.replace('"sub"', '"\\u0073ub"').encode()))


def test_claims_in_another_spelling_are_refused(es256):
    good = es256.members().decode()
    members = json.loads(good)
    for other in (
        f" {good}",
        f"{good}\n",
        f"{good}{{}}",
        f"{good}\0",
        json.dumps(members),
        json.dumps(dict(reversed(members.items())), separators=(",", ":")),
        good.replace("user-1", "user\\u002d1"),
        good.replace("https://", "https:\\/\\/"),
    ):
        assert not es256.accepts(es256.sign(other.encode()))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-le", "utf-8-sig"])
def test_only_utf_8_without_a_mark_is_read(es256, encoding):
    header = json.dumps(es256.header, separators=(",", ":"))
    assert not es256.accepts(es256.sign(header=header.encode(encoding)))
    assert not es256.accepts(es256.sign(es256.members().decode().encode(encoding)))


@pytest.mark.parametrize(
    "raw",
    [b"\xff", b"\xc0\xaf", b"\xe0\x80\xaf", b"\xf0\x80\x80\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"],
    ids=["no UTF-8", "overlong 2", "overlong 3", "overlong 4", "surrogate", "beyond Unicode", "cut short"],
)
@pytest.mark.parametrize("place", [b"user-1", b"reader", b"role"])
def test_bytes_that_are_no_utf_8_are_refused_in_every_claim(es256, place, raw):
    assert not es256.accepts(es256.sign(es256.members().replace(place, raw)))


@pytest.mark.parametrize("escape", [r"\ud800", r"\udc00", r"\ud800\ud800", r"\ud83dx", r"\u00", r"\x41"])
@pytest.mark.parametrize("place", ["user-1", "reader"])
def test_escapes_that_are_no_unicode_are_refused_in_every_claim(es256, place, escape):
    assert not es256.accepts(es256.sign(es256.members().decode().replace(place, escape).encode()))


def test_hostile_text_in_claims_is_only_text():
    app = App()
    for text in HOSTILE:
        if not text or "\0" in text:
            continue
        pair = app.engine.create(text, {text: text})
        claims = app.engine.verify(pair.access_token)
        assert (claims.sub, claims.jwt_payload()) == (text, {text: text})


# -- the memory of a verifier ---------------------------------------------------------------------------------------


def test_a_reader_of_the_payload_gets_a_copy(es256):
    first = es256.engine.verify(es256.pair.access_token)
    first.jwt_payload()["role"] = "admin"
    assert es256.engine.verify(es256.pair.access_token).jwt_payload() == {"role": "reader"}


def test_a_verifier_remembers_no_more_than_it_may(es256):
    verifier = Verifier(KeyRing(PUBLISHED, [es256.key]), Audience(API, API, "public"), remember=3)
    tokens = [es256.sign(es256.members(gen=str(n))) for n in range(10)]
    for token in tokens:
        verifier.verify(token, es256.now)
    assert list(verifier._seen) == tokens[-3:]
    forgetful = Verifier(KeyRing(PUBLISHED, [es256.key]), Audience(API, API, "public"), remember=0)
    assert forgetful.verify(tokens[0], es256.now) == verifier.verify(tokens[0], es256.now)
    assert forgetful._seen == {}


def test_a_verifier_serves_threads_and_changes_of_keys_at_once(es256):
    ring = KeyRing(PUBLISHED, [es256.key])
    verifier = Verifier(ring, Audience(API, API, "public"), remember=2)
    tokens = [es256.sign(es256.members(gen=str(n))) for n in range(8)]
    troubles: list[BaseException] = []
    stop = threading.Event()

    def ask(n):
        try:
            for turn in range(400):
                assert verifier.verify(tokens[(turn + n) % 8], es256.now).gen == (turn + n) % 8
        except BaseException as error:  # noqa: BLE001 - a thread reports whatever it meets
            troubles.append(error)

    def change():
        while not stop.is_set():
            verifier.use(ring)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        changer = threading.Thread(target=change)
        askers = [threading.Thread(target=ask, args=(n,)) for n in range(4)]
        for thread in [changer, *askers]:
            thread.start()
        for thread in askers:
            thread.join()
        stop.set()
        changer.join()
    finally:
        sys.setswitchinterval(before)
    assert troubles == []


class Busy(dict):
    """A memory in which another thread makes room whenever one looks for the oldest entry."""

    def __iter__(self):
        self.clear()
        raise RuntimeError("dictionary changed size during iteration")


def test_two_threads_that_make_room_at_once_do_not_disturb_each_other(es256):
    verifier = Verifier(KeyRing(PUBLISHED, [es256.key]), Audience(API, API, "public"), remember=1)
    verifier._seen = Busy(another=es256.pair.claims)
    assert verifier.verify(es256.pair.access_token, es256.now).sub == "user-1"
    assert dict.keys(verifier._seen) == {es256.pair.access_token}


def test_a_token_is_not_remembered_across_a_change_of_keys_that_came_in_between(es256, monkeypatch):
    verifier = Verifier(KeyRing(PUBLISHED, [es256.key]), Audience(API, API, "public"))
    token, original = es256.pair.access_token, SigningKey.verify

    def slow(*arguments):
        verifier.use(KeyRing(PUBLISHED))
        return original(*arguments)

    monkeypatch.setattr(SigningKey, "verify", slow)
    assert verifier.verify(token, es256.now).sub == "user-1"
    with pytest.raises(TryRefreshToken):
        verifier.verify(token, es256.now)


def test_claims_show_no_payload_when_printed(es256):
    shown = repr(es256.engine.verify(es256.pair.access_token))
    assert shown.startswith("Claims(sid=")
    assert "reader" not in shown
    assert isinstance(es256.pair.claims, Claims)
    assert isinstance(es256.settings, Settings)


def test_a_pair_shows_no_token_when_printed(es256):
    shown = f"{es256.pair!r}{es256.pair!s}"
    assert es256.pair.access_token not in shown
    assert es256.pair.refresh_token not in shown


def test_the_form_of_a_token_says_whether_it_could_be_ours(es256):
    token = es256.pair.access_token
    _, body, signature = token.split(".")
    assert has_shape(token)
    assert not has_shape("no token")
    assert not has_shape(token + "x" * MAX_LENGTH)
    assert not has_shape(f"AAAAA.{body}.{signature}")
    assert not has_shape(f"{b64url(b'{}')}.{body}.{signature}")
    assert not has_shape(f"{es256.key.header[:-1]}.{body}.{signature}")
