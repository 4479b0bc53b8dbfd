"""Checks signatures of access tokens of all ages, with the published keys and nothing of ours (RFC 7515, 7517, 7518)."""

from __future__ import annotations

from base64 import urlsafe_b64decode
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicNumbers
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256


def has_signed(jwk: Mapping[str, str], token: str) -> bool:
    """Say whether a key has signed a token."""
    message, _, signature = token.rpartition(".")
    try:
        _VERIFIERS[jwk["kty"]](jwk, message.encode(), decoded(signature))
    except InvalidSignature:
        return False
    return True


def decoded(text: str) -> bytes:
    """Decode base64 of either alphabet, padded or not."""
    urlsafe = text.replace("+", "-").replace("/", "_").rstrip("=")
    return urlsafe_b64decode(urlsafe + "=" * (-len(urlsafe) % 4))


def _verify_rsa(jwk: Mapping[str, str], message: bytes, signature: bytes) -> None:
    numbers = RSAPublicNumbers(_number(jwk["e"]), _number(jwk["n"]))
    numbers.public_key().verify(signature, message, PKCS1v15(), SHA256())


def _verify_ec(jwk: Mapping[str, str], message: bytes, signature: bytes) -> None:
    numbers = EllipticCurvePublicNumbers(_number(jwk["x"]), _number(jwk["y"]), SECP256R1())
    r, s = int.from_bytes(signature[:32]), int.from_bytes(signature[32:])
    numbers.public_key().verify(encode_dss_signature(r, s), message, ECDSA(SHA256()))


def _number(text: str) -> int:
    return int.from_bytes(decoded(text))


_VERIFIERS = {"RSA": _verify_rsa, "EC": _verify_ec}
