"""The public keys of identity providers (RFC 7517), and signatures by them (RFC 7518, RFC 8037)."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256

from reseal.core import base64url
from reseal.core.keys import PublicKey, signature_is_good

MOST_KEYS: Final = 64
"""Keys of one provider that are looked at."""
RSA_BITS: Final = range(2048, 8193)
_TEXT: Final = re.compile(r"[A-Za-z0-9_-]{1,2048}", re.ASCII)
_PSS: Final = padding.PSS(padding.MGF1(SHA256()), padding.PSS.DIGEST_LENGTH)
_KINDS: Final[Mapping[str, tuple[str, str | None]]] = {
    "RS256": ("RSA", None),
    "PS256": ("RSA", None),
    "ES256": ("EC", "P-256"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""The members ``kty`` and ``crv`` of a key for each algorithm."""
ALGORITHMS: Final = tuple(_KINDS)


class _Jwks(msgspec.Struct):
    keys: list[Any]


class _Jwk(msgspec.Struct):
    kty: str
    crv: str | None = None
    kid: str | None = None
    alg: str | None = None
    use: str = "sig"
    key_ops: tuple[str, ...] = ("verify",)
    n: str = ""
    e: str = ""
    x: str = ""
    y: str = ""


class ProviderKey(NamedTuple):
    """One key of a provider."""

    kid: str | None
    kind: tuple[str, str | None]
    algorithm: str | None
    """``None``: any that fits its kind."""
    public: PublicKey


_decoder: Final = msgspec.json.Decoder(_Jwks)


def read(body: bytes) -> tuple[ProviderKey, ...]:
    """Read a JWKS. Keys of other kinds and uses are left out. Raises ``ValueError`` for what is none."""
    found = (_key(each) for each in _decoder.decode(body).keys[:MOST_KEYS])
    return tuple(key for key in found if key is not None)


def fitting(keys: Sequence[ProviderKey], algorithm: str, kid: str | None) -> tuple[ProviderKey, ...]:
    """Return the keys by which a token may be signed; a token without ``kid`` by any of its algorithm."""
    kind = _KINDS[algorithm]
    return tuple(
        key for key in keys if key.kind == kind and key.algorithm in {None, algorithm} and kid in {None, key.kid}
    )


def is_signed(keys: Sequence[ProviderKey], algorithm: str, message: bytes, signature: bytes) -> bool:
    """Return whether one of the fitting keys has signed a message."""
    is_good = _is_pss if algorithm == "PS256" else signature_is_good
    return any(is_good(key.public, message, signature) for key in keys)


def _is_pss(public: Any, message: bytes, signature: bytes) -> bool:
    try:
        public.verify(signature, message, _PSS, SHA256())
    except InvalidSignature:
        return False
    return True


def _key(value: Any) -> ProviderKey | None:
    """Read a key; ``None`` if it is not one that could sign here."""
    try:
        one = msgspec.convert(value, _Jwk)
        if one.use != "sig" or "verify" not in one.key_ops:
            return None
        kind = one.kty, one.crv
        return ProviderKey(one.kid, kind, one.alg, _READERS[kind](one))
    except (KeyError, ValueError):
        return None


def _rsa(one: _Jwk) -> PublicKey:
    numbers = rsa.RSAPublicNumbers(_number(one.e), _number(one.n))
    if numbers.n.bit_length() not in RSA_BITS:
        raise ValueError("too short, or too long to be verified quickly")
    return numbers.public_key()


def _ec(one: _Jwk) -> PublicKey:
    return ec.EllipticCurvePublicNumbers(_number(one.x), _number(one.y), ec.SECP256R1()).public_key()


def _ed25519(one: _Jwk) -> PublicKey:
    return ed25519.Ed25519PublicKey.from_public_bytes(_bytes(one.x))


def _number(text: str) -> int:
    return int.from_bytes(_bytes(text), "big")


def _bytes(text: str) -> bytes:
    if not _TEXT.fullmatch(text):
        raise ValueError("not base64url")
    return base64url.decode(text)


_READERS: Final[Mapping[tuple[str, str | None], Callable[[_Jwk], PublicKey]]] = {
    ("RSA", None): _rsa,
    ("EC", "P-256"): _ec,
    ("OKP", "Ed25519"): _ed25519,
}
