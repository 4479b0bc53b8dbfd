"""Keys that sign security event tokens: RS256, as the interoperability profile of CAEP demands.

They are configured, and sign nothing else: whoever verifies session tokens never meets them.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Any, Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from reseal.core.keys import SigningKey, b64url, jwk
from reseal.core.secret import Secret

TOKEN_TYPE: Final = "secevent+jwt"
BITS_MIN: Final = 2048
_ALGORITHM: Final = "RS256"
_PEM: Final = re.compile(rb"-----BEGIN ([A-Z ]*)PRIVATE KEY-----.+?-----END \1PRIVATE KEY-----", re.DOTALL)
_encode: Final = msgspec.json.encode


def split(text: bytes) -> tuple[Secret, ...]:
    """Return the private keys in a PEM file, in their order."""
    return tuple(Secret(found[0]) for found in _PEM.finditer(text))


def read(secret: Secret) -> SigningKey:
    """Read a private key in PEM. Raises ``ValueError``; its text does not show the key."""
    try:
        private = serialization.load_pem_private_key(secret.reveal(), password=None)
    except TypeError:
        raise ValueError("encrypted; keep it without a password, in a file that others cannot read") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("no private key in PEM") from None
    if not isinstance(private, rsa.RSAPrivateKey) or private.key_size < BITS_MIN:
        raise ValueError(f"no RSA key of at least {BITS_MIN} bits")
    public = private.public_key()
    unnamed = jwk(SigningKey("", _ALGORITHM, None, public, 0, 0, ""))
    thumbprint = _encode({name: unnamed[name] for name in ("e", "kty", "n")})  # RFC 7638: these, in this order
    kid = b64url(hashlib.sha256(thumbprint).digest())
    header = b64url(_encode({"alg": _ALGORITHM, "kid": kid, "typ": TOKEN_TYPE}))
    return SigningKey(kid, _ALGORITHM, private, public, 0, 0, header)


def signed(claims: Any, key: SigningKey) -> bytes:
    """Sign a security event token. The same claims and key give the same token."""
    message = f"{key.header}.{b64url(_encode(claims))}".encode()
    return message + b"." + b64url(key.sign(message)).encode()


def public_keys(secrets: Iterable[Secret]) -> dict[str, list[dict[str, str]]]:
    """Return the JWKS of keys."""
    found = [jwk(read(secret)) for secret in secrets]
    return {"keys": list({one["kid"]: one for one in found}.values())}
