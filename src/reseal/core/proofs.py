"""Proofs of possession: a short JWS by which a device shows that it holds a private key.

Browsers send them for device bound session credentials (``dbsc+jwt``), other clients as DPoP (``dpop+jwt``, RFC 9449).
A public key arrives as a JWK (RFC 7517) and is named by its thumbprint (RFC 7638). Of a proof nothing but the key that
it brings along is read before its signature has been verified.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from functools import lru_cache
from typing import Any, Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from reseal.core import base64url
from reseal.core.keys import PublicKey, read_public_key, signature_is_good

LONGEST: Final = 8192
"""Characters; a longer proof is refused unread."""
RSA_BITS: Final = 2048
"""The shortest RSA key that is accepted."""
_SHAPE: Final = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)", re.ASCII)
_MEMBERS: Final = {"ES256": ("crv", "kty", "x", "y"), "RS256": ("e", "kty", "n"), "EdDSA": ("crv", "kty", "x")}
"""The members of a public key, in the order of a thumbprint."""
_FIXED: Final = {
    "ES256": {"kty": "EC", "crv": "P-256"},
    "RS256": {"kty": "RSA"},
    "EdDSA": {"kty": "OKP", "crv": "Ed25519"},
}
_NUMBER: Final = re.compile(r"[A-Za-z0-9_-]{1,1400}", re.ASCII)
_REMEMBERED: Final = 1024
"""Keys that are parsed once: a client shows the same one with each request, and its session keeps it."""
_PRIVATE: Final = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})


class ProofRefused(Exception):
    """A proof is none. The text says why, for the log: it holds nothing of the proof."""


class DeviceKey(NamedTuple):
    """The public key of a device."""

    algorithm: str
    """``ES256``, ``RS256`` or ``EdDSA``."""
    jwk: dict[str, str]
    """Its public members only (RFC 7517), in the order of the thumbprint."""
    public: PublicKey


class Proof(NamedTuple):
    """A proof whose signature is good."""

    key: DeviceKey
    brought_key: bool
    """Whether the proof brought its key along, in its header."""
    claims: dict[str, Any]

    def __repr__(self) -> str:
        return f"Proof(algorithm={self.key.algorithm!r})"


def thumbprint(jwk: dict[str, str]) -> str:
    """Name a key by the SHA-256 thumbprint (RFC 7638) of its members, which stand in order."""
    return _thumbprint(tuple(jwk.items()))


def device_key(algorithm: str, jwk: object) -> DeviceKey:
    """Read a public key for one algorithm. Raises ``ProofRefused``, also for a key that has private members."""
    if algorithm not in _FIXED:
        raise ProofRefused("the algorithm is none of ours")
    if not isinstance(jwk, dict) or not _PRIVATE.isdisjoint(jwk):
        raise ProofRefused("the jwk is no public key")
    members: dict[str, Any] = {name: jwk.get(name) for name in _MEMBERS[algorithm]}
    if any(members[name] != value for name, value in _FIXED[algorithm].items()):
        raise ProofRefused("the jwk is no key of this algorithm")
    if not all(isinstance(value, str) and _NUMBER.fullmatch(value) for value in _numbers(members, algorithm)):
        raise ProofRefused("the jwk has members that are no numbers")
    return DeviceKey(algorithm, members, _public(algorithm, tuple(members.items())))


def read(text: str, kind: str, algorithms: Container[str], key: DeviceKey | None = None) -> Proof:
    """Verify a proof by a known key, or by the one that it brings. Raises ``ProofRefused``.

    ``kind``: the ``typ`` that it must have. With a known key the proof must bring none, and be of its algorithm.
    """
    match = _SHAPE.fullmatch(text) if len(text) <= LONGEST else None
    if match is None:
        raise ProofRefused("not a JWS")
    header, claims, signature = _object(match[1]), match[2], _bytes(match[3])
    if header.get("typ") != kind or "crit" in header:
        raise ProofRefused("the header is not that of such a proof")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise ProofRefused("the algorithm is none of those offered")
    if key is not None and ("jwk" in header or algorithm != key.algorithm):
        raise ProofRefused("the key is not the one that is known")
    used = key or device_key(algorithm, header.get("jwk"))
    if not signature_is_good(used.public, f"{match[1]}.{match[2]}".encode(), signature):
        raise ProofRefused("the signature is not good")
    return Proof(used, key is None, _object(claims))


@lru_cache(maxsize=_REMEMBERED)
def _public(algorithm: str, members: tuple[tuple[str, str], ...]) -> PublicKey:
    try:
        public = read_public_key(algorithm, dict(members))
    except ValueError:  # a point off the curve, an exponent that is even
        raise ProofRefused("the jwk is no key") from None
    if isinstance(public, rsa.RSAPublicKey) and public.key_size < RSA_BITS:
        raise ProofRefused("the RSA key is too short")
    return public


@lru_cache(maxsize=_REMEMBERED)
def _thumbprint(members: tuple[tuple[str, str], ...]) -> str:
    return base64url.encode(hashlib.sha256(msgspec.json.encode(dict(members))).digest())


def _numbers(members: dict[str, Any], algorithm: str) -> list[Any]:
    return [value for name, value in members.items() if name not in _FIXED[algorithm]]


def _object(segment: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_bytes(segment), type=dict[str, Any])
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise ProofRefused("a part is not a JSON object") from None


def _bytes(segment: str) -> bytes:
    try:
        raw = base64url.decode(segment)
    except ValueError:
        raise ProofRefused("a part is not base64url") from None
    if base64url.encode(raw) != segment:
        raise ProofRefused("a part is not in its one spelling")
    return raw
