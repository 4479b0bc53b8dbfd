"""Signatures are those of Standard Webhooks, as its published libraries verify them."""

import base64
import os
import re
import time

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from reseal.core import webhook_signatures
from reseal.core.secret import Secret
from tests.webhooks import peers

BODY = '{"type":"session.revoked","data":{"user_id":"Zoë \N{SNOWMAN}"}}'.encode()


def whsec(size=32):
    return "whsec_" + base64.b64encode(os.urandom(size)).decode()


def whsk(raw=None):
    return "whsk_" + base64.b64encode(os.urandom(32) if raw is None else raw).decode()


def signed(*secrets, at=None, body=BODY):
    return webhook_signatures.headers("msg1", at or int(time.time()), body, [Secret(each) for each in secrets])


def test_the_signature_is_that_of_the_published_example():
    assert webhook_signatures.headers(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
        [Secret("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
    ) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


@pytest.mark.parametrize("peer", [peers.pypi, peers.npm], ids=["pypi", "npm"])
def test_the_published_libraries_accept_it_also_while_secrets_are_exchanged(peer):
    old, new, other = whsec(), whsec(64), whsec(24)
    no_match = ["No matching signature found"]
    assert peer([old, other], signed(old), BODY) == ["valid", *no_match]
    assert peer([old, new, other], signed(new, whsk(), old), BODY) == ["valid", "valid", *no_match]
    assert peer([old], signed(old), BODY.replace(b"revoked", b"created")) == no_match
    assert peer([old], signed(old) | {"webhook-id": "msg2"}, BODY) == no_match
    assert peer([old], signed(old, at=int(time.time()) - 3600), BODY) == ["Message timestamp too old"]


@pytest.mark.parametrize("with_public_key", [False, True])
def test_an_asymmetric_signature_is_verified_with_the_public_key_alone(with_public_key):
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    secret = whsk(key.private_bytes_raw() + public * with_public_key)
    webhook_signatures.check(Secret(secret))
    headers = signed(secret, at=1000)
    version, _, signature = headers["webhook-signature"].partition(",")
    assert version == "v1a"
    shown = webhook_signatures.public_key(Secret(secret))
    assert shown == "whpk_" + base64.b64encode(public).decode()
    Ed25519PublicKey.from_public_bytes(public).verify(base64.b64decode(signature), b"msg1.1000." + BODY)


def test_a_shared_secret_has_no_public_key():
    assert webhook_signatures.public_key(Secret(whsec())) is None


@pytest.mark.parametrize("size", [24, 32, 64])
def test_shared_secrets_have_24_to_64_bytes(size):
    webhook_signatures.check(Secret(whsec(size)))


BAD = {
    "short": whsec(23),
    "long": whsec(65),
    "empty": "",
    "no prefix": base64.b64encode(bytes(32)).decode(),
    "no base64": "whsec_" + "?" * 44,
    "base64 with more behind it": whsec() + "AAAA",
    "not ASCII": "whsec_Ä",
    "a short key": whsk(bytes(31)),
    "a public key": "whpk_" + base64.b64encode(bytes(32)).decode(),
    "a key beside another public key": whsk(bytes(64)),
}


@pytest.mark.parametrize("secret", BAD.values(), ids=BAD.keys())
def test_other_secrets_are_refused_without_being_shown(secret):
    with pytest.raises(ValueError, match=re.escape("not whsec_ with base64 of 24 to 64 bytes")) as refused:
        webhook_signatures.check(Secret(secret))
    assert not secret or secret not in str(refused.value)
