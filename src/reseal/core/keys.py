"""Keys of an app: signatures, what is stored, and what is published of them."""

from __future__ import annotations

import hmac
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature, InvalidTag, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from reseal.core import base64url
from reseal.core.errors import ConfigurationError
from reseal.core.model import StoredKey

REFRESH_KID: Final = "refresh"
"""The id of the app's HMAC key for refresh tokens."""
RSA_BITS: Final = 3072
JWKS_MAX_AGE: Final = 60
"""Seconds for which a published JWKS may be cached."""
TOKEN_TYPE: Final = "session+jwt"
"""The ``typ`` of our access tokens: no other kind of token carries it, and no verifier of ours takes another."""

b64url: Final = base64url.encode
_SHA256: Final = SHA256()
_ECDSA: Final = ec.ECDSA(_SHA256)
_ECDSA_AGAIN: ec.ECDSA | None = None
"""ECDSA without randomness (RFC 6979); OpenSSL before 3.2 cannot do it."""
with suppress(UnsupportedAlgorithm):
    _ECDSA_AGAIN = ec.ECDSA(_SHA256, deterministic_signing=True)
_PKCS1: Final = padding.PKCS1v15()
_P256_BYTES: Final = 32
_PLAIN: Final = b"\0"
_WRAPPED: Final = b"\1"

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A key ready for use. ``header`` is the exact first segment of every token it signs, and so its pin."""

    kid: str
    algorithm: str
    private: PrivateKey | None
    """``None`` where only the public half is known: such a key verifies and signs nothing."""
    public: PublicKey
    created_at: int
    signs_from: int
    header: str

    def __repr__(self) -> str:
        return f"SigningKey(kid={self.kid!r}, algorithm={self.algorithm!r})"

    @property
    def signature_bytes(self) -> int:
        """The length of its signatures."""
        return self.public.key_size // 8 if isinstance(self.public, rsa.RSAPublicKey) else 2 * _P256_BYTES

    def sign(self, message: bytes) -> bytes:
        """Sign as JWS does (RFC 7518 §3.3, §3.4; RFC 8037): raw r‖s for ES256."""
        if self.private is None:
            raise TypeError("only the public half of this key is known")
        return _SIGNERS[self.algorithm](self.private, message)

    def verify(self, message: bytes, signature: bytes) -> bool:
        """Check one JWS signature; whoever has the private key signs again and compares, at half the cost or less.

        Any other signature that belongs to the key is good as well: that of a library which signs with randomness.
        """
        again = self.private is not None and self.algorithm in _REPEATABLE
        return (again and hmac.compare_digest(self.sign(message), signature)) or signature_is_good(
            self.public, message, signature
        )


def signature_is_good(public: PublicKey, message: bytes, signature: bytes) -> bool:
    """Check one JWS signature with the algorithm that belongs to the key, whatever a token says."""
    try:
        if isinstance(public, ec.EllipticCurvePublicKey):
            if len(signature) != 2 * _P256_BYTES:
                return False
            r, s = int.from_bytes(signature[:_P256_BYTES]), int.from_bytes(signature[_P256_BYTES:])
            public.verify(encode_dss_signature(r, s), message, _ECDSA)
        elif isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, message, _PKCS1, _SHA256)
        else:
            public.verify(signature, message)
    except InvalidSignature:
        return False
    return True


class Wrapping:
    """How keys rest in a store: as they are, or under a key derived from a secret that lives elsewhere.

    ``accepted``: further secrets, one a line. What they closed opens; they close nothing.
    """

    __slots__ = ("_accepted", "_aead", "further_peppers", "pepper")

    def __init__(self, secret: bytes | None, accepted: bytes | None = None) -> None:
        further = [line for line in (accepted or b"").splitlines() if line]
        self._aead = None if secret is None else _aead_of(secret)
        self._accepted = [_aead_of(each) for each in further]
        self.pepper: bytes = b"" if secret is None else _pepper_of(secret)
        self.further_peppers: tuple[bytes, ...] = (*map(_pepper_of, further), b"")
        """From what a successor may have been derived before: also nothing, before there was a secret."""

    def close(self, app_id: str, kid: str, raw: bytes, nonce: bytes) -> bytes:
        """Wrap a key for the store. ``nonce``: 12 bytes, never used twice."""
        if self._aead is None:
            return _PLAIN + raw
        return _WRAPPED + nonce + self._aead.encrypt(nonce, raw, _key_context(app_id, kid))

    def open(self, app_id: str, key: StoredKey) -> bytes:
        """Unwrap a stored key. Raises ``ConfigurationError`` if the secret is missing or is not the one used."""
        kind, rest = key.secret[:1], key.secret[1:]
        if kind == _PLAIN:
            return rest
        aeads = self._accepted if self._aead is None else [self._aead, *self._accepted]
        for aead in aeads:
            with suppress(InvalidTag):
                return aead.decrypt(rest[:12], rest[12:], _key_context(app_id, key.kid))
        if not aeads:
            raise _wrong_secret(f"missing, but key {key.kid!r} in the store is encrypted")
        raise _wrong_secret(f"does not open key {key.kid!r} in the store")

    def is_current(self, app_id: str, key: StoredKey) -> bool:
        """Say whether a stored key is closed as :meth:`close` does: under this secret, or not at all without one."""
        kind, rest = key.secret[:1], key.secret[1:]
        if self._aead is None or kind == _PLAIN:
            return self._aead is None and kind == _PLAIN
        with suppress(InvalidTag):
            self._aead.decrypt(rest[:12], rest[12:], _key_context(app_id, key.kid))
            return True
        return False


def _aead_of(secret: bytes) -> AESGCM:
    return AESGCM(_derive(secret, b"reseal key encryption"))


def _pepper_of(secret: bytes) -> bytes:
    return _derive(secret, b"reseal successor pepper")


def generate(algorithm: str, rsa_bits: int = RSA_BITS) -> bytes:
    """Make a private key, as PKCS #8 DER. The randomness is OpenSSL's, seeded by the operating system."""
    return _GENERATORS[algorithm](rsa_bits).private_bytes(
        serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def load(key: StoredKey, der: bytes) -> SigningKey:
    """Read an unwrapped private key of the store."""
    private = serialization.load_der_private_key(der, password=None)
    if not isinstance(private, PrivateKey):
        raise ConfigurationError((f"key {key.kid!r} in the store is of a kind that signs no access token",))
    kid, algorithm, public = key.kid, key.algorithm, private.public_key()
    return SigningKey(kid, algorithm, private, public, key.created_at, key.signs_from, _header(kid, algorithm))


def read_jwk(one: Mapping[str, str], signs_from: int) -> SigningKey:
    """Read what :func:`jwk` wrote: a key that verifies and signs nothing. Raises ``KeyError``, ``ValueError``."""
    kid, algorithm = one["kid"], one["alg"]
    return SigningKey(kid, algorithm, None, _READERS[algorithm](one), 0, signs_from, _header(kid, algorithm))


def read_public_key(algorithm: str, members: Mapping[str, str]) -> PublicKey:
    """Read the public members of a JWK whose other members were checked. Raises ``ValueError``."""
    return _READERS[algorithm](members)


def _header(kid: str, algorithm: str) -> str:
    return b64url(msgspec.json.encode({"alg": algorithm, "kid": kid, "typ": TOKEN_TYPE}))


def _number(text: str) -> int:
    return int.from_bytes(base64url.decode(text), "big")


def jwk(key: SigningKey) -> dict[str, str]:
    """Write the public half of a key (RFC 7517, RFC 7518 §6, RFC 8037 §2)."""
    name, use = {"kid": key.kid}, {"alg": key.algorithm, "use": "sig"}
    public = key.public
    if isinstance(public, ec.EllipticCurvePublicKey):
        point = public.public_numbers()
        x, y = (b64url(n.to_bytes(_P256_BYTES, "big")) for n in (point.x, point.y))
        return {"kty": "EC", **name, "crv": "P-256", "x": x, "y": y, **use}
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": "RSA", **name, "n": _uint(numbers.n), "e": _uint(numbers.e), **use}
    return {"kty": "OKP", **name, "crv": "Ed25519", "x": b64url(public.public_bytes_raw()), **use}


def _uint(number: int) -> str:
    return b64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))


def _wrong_secret(problem: str) -> ConfigurationError:
    return ConfigurationError((f"secret_key: {problem}; give the secret_key that it was created with",))


def _derive(secret: bytes, purpose: bytes) -> bytes:
    return HKDF(SHA256(), 32, None, purpose).derive(secret)


def _key_context(app_id: str, kid: str) -> bytes:
    return f"reseal key\0{app_id}\0{kid}".encode()


def _sign_es256(private: Any, message: bytes) -> bytes:
    r, s = decode_dss_signature(private.sign(message, _ECDSA_AGAIN or _ECDSA))
    return r.to_bytes(_P256_BYTES, "big") + s.to_bytes(_P256_BYTES, "big")


_SIGNERS: Final[dict[str, Callable[[Any, bytes], bytes]]] = {
    "ES256": _sign_es256,
    "RS256": lambda private, message: private.sign(message, _PKCS1, _SHA256),
    "EdDSA": lambda private, message: private.sign(message),
}
"""By name: to ask a key for its kind takes longer than all else around a signature."""
_REPEATABLE: Final = frozenset({"EdDSA", *(["ES256"] if _ECDSA_AGAIN else [])})
"""What signs the same message alike every time, and faster than it verifies: RS256 does not."""
_GENERATORS: Final[dict[str, Callable[[int], PrivateKey]]] = {
    "ES256": lambda _bits: ec.generate_private_key(ec.SECP256R1()),
    "RS256": lambda bits: rsa.generate_private_key(65537, bits),
    "EdDSA": lambda _bits: ed25519.Ed25519PrivateKey.generate(),
}
_READERS: Final[dict[str, Callable[[Mapping[str, str]], PublicKey]]] = {
    "ES256": lambda one: ec.EllipticCurvePublicNumbers(
        _number(one["x"]), _number(one["y"]), ec.SECP256R1()
    ).public_key(),
    "RS256": lambda one: rsa.RSAPublicNumbers(_number(one["e"]), _number(one["n"])).public_key(),
    "EdDSA": lambda one: ed25519.Ed25519PublicKey.from_public_bytes(base64url.decode(one["x"])),
}
