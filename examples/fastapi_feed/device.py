"""A device of the theatre: a key, and the proofs that a browser makes with it by itself. See ``demo.py``."""

import json
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from reseal.core.base64url import encode

NUMBER_BYTES: Final = 32
"""Length of a coordinate and of half a signature on this curve (RFC 7518, 3.4)."""


class Device:
    """Has a private key that no copy of cookies contains."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def proof(self, challenge: str, *, brings_key: bool = False) -> str:
        """Sign a challenge. ``brings_key``: with the public key, as a browser does once, to bind the session."""
        header = {"alg": "ES256", "typ": "dbsc+jwt"} | ({"jwk": self._public()} if brings_key else {})
        message = ".".join(encode(json.dumps(part).encode()) for part in (header, {"jti": challenge}))
        halves = decode_dss_signature(self._key.sign(message.encode(), ec.ECDSA(SHA256())))
        return f"{message}.{encode(b''.join(half.to_bytes(NUMBER_BYTES, 'big') for half in halves))}"

    def _public(self) -> dict[str, str]:
        point = self._key.public_key().public_numbers()
        x, y = (encode(number.to_bytes(NUMBER_BYTES, "big")) for number in (point.x, point.y))
        return {"kty": "EC", "crv": "P-256", "x": x, "y": y}
