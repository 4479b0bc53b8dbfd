"""A device with a key: what a browser signs to bind a session and to refresh it."""

from __future__ import annotations

import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from reseal.core.base64url import encode

_KEYS: dict[tuple[int, int], rsa.RSAPrivateKey] = {}


def rsa_key(bits: int, number: int = 0) -> rsa.RSAPrivateKey:
    """Make an RSA key once: it takes a second."""
    if (bits, number) not in _KEYS:
        _KEYS[bits, number] = rsa.generate_private_key(65537, bits)
    return _KEYS[bits, number]


class Device:
    """A private key, and proofs made with it."""

    def __init__(self, algorithm: str = "ES256", private: Any = None) -> None:
        self.algorithm = algorithm
        made = {
            "ES256": lambda: ec.generate_private_key(ec.SECP256R1()),
            "RS256": lambda: rsa_key(2048),
            "EdDSA": ed25519.Ed25519PrivateKey.generate,
        }
        self.private: Any = private or made[algorithm]()

    @property
    def jwk(self) -> dict[str, Any]:
        public = self.private.public_key()
        if self.algorithm == "ES256":
            point = public.public_numbers()
            x, y = (encode(each.to_bytes(32, "big")) for each in (point.x, point.y))
            return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
        if self.algorithm == "RS256":
            numbers = public.public_numbers()
            return {"kty": "RSA", "n": _number(numbers.n), "e": _number(numbers.e)}
        return {"kty": "OKP", "crv": "Ed25519", "x": encode(public.public_bytes_raw())}

    def sign(self, message: bytes) -> bytes:
        if self.algorithm == "ES256":
            r, s = decode_dss_signature(self.private.sign(message, ec.ECDSA(SHA256())))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big")
        if self.algorithm == "RS256":
            return self.private.sign(message, padding.PKCS1v15(), SHA256())  # type: ignore[no-any-return]
        return self.private.sign(message)  # type: ignore[no-any-return]

    def proof(self, challenge: str, *, brings_key: bool, header: dict[str, Any] | None = None) -> str:
        """Sign a challenge; ``header`` overrides members of the header, and ``None`` leaves one out."""
        members = (
            {"alg": self.algorithm, "typ": "dbsc+jwt"} | ({"jwk": self.jwk} if brings_key else {}) | (header or {})
        )
        return self.jws({name: value for name, value in members.items() if value is not None}, {"jti": challenge})

    def jws(self, header: dict[str, Any], claims: object) -> str:
        message = f"{encode(json.dumps(header).encode())}.{encode(json.dumps(claims).encode())}"
        return f"{message}.{encode(self.sign(message.encode()))}"


def _number(value: int) -> str:
    return encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))
