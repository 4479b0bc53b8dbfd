"""Signatures of Standard Webhooks 1.0.0: HMAC-SHA-256 (``v1``) and Ed25519 (``v1a``)."""

from __future__ import annotations

import hmac
from binascii import a2b_base64, b2a_base64
from collections.abc import Iterable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ed25519

from reseal.core.secret import Secret

SHARED: Final = "whsec_"
"""Prefix of a secret that both sides know, 24 to 64 bytes, in base64."""
PRIVATE: Final = "whsk_"
"""Prefix of an Ed25519 key: a seed of 32 bytes, or seed and public key in 64."""
PUBLIC: Final = "whpk_"
_SHARED_BYTES: Final = range(24, 65)
_SEED_BYTES: Final = 32
_PRIVATE_BYTES: Final = (_SEED_BYTES, 2 * _SEED_BYTES)


def check(secret: Secret) -> None:
    """Raise ``ValueError`` if a secret has another form; its text does not show the secret."""
    prefix, key = _parts(secret)
    if prefix == SHARED and len(key) in _SHARED_BYTES:
        return
    if prefix == PRIVATE and len(key) in _PRIVATE_BYTES and _has_own_public_key(key):
        return
    raise ValueError(f"not {SHARED} with base64 of 24 to 64 bytes, nor {PRIVATE} with base64 of 32 or 64 bytes")


def headers(message_id: str, at: int, body: bytes, secrets: Iterable[Secret]) -> dict[str, str]:
    """Return the headers of one attempt at ``at`` (seconds): while secrets are exchanged, with the signature of each.

    ``body`` has to be sent as it is. ``message_id`` must not contain a dot. Secrets have passed :func:`check`.
    """
    signed = f"{message_id}.{at}.".encode() + body
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(at),
        "webhook-signature": " ".join(_signature(secret, signed) for secret in secrets),
    }


def public_key(secret: Secret) -> str | None:
    """Return what the receiver of ``v1a`` signatures needs; ``None`` for a shared secret."""
    prefix, key = _parts(secret)
    if prefix != PRIVATE:
        return None
    return PUBLIC + _base64(_private(key).public_key().public_bytes_raw())


def _signature(secret: Secret, signed: bytes) -> str:
    prefix, key = _parts(secret)
    if prefix == SHARED:
        return f"v1,{_base64(hmac.digest(key, signed, 'sha256'))}"
    return f"v1a,{_base64(_private(key).sign(signed))}"


def _parts(secret: Secret) -> tuple[str, bytes]:
    """Return the prefix of a secret, empty if it is unknown, and its bytes, empty if they are not base64."""
    text = secret.reveal().decode("ascii", "replace")
    prefix = next((each for each in (SHARED, PRIVATE) if text.startswith(each)), "")
    try:
        return prefix, a2b_base64(text.removeprefix(prefix), strict_mode=True)
    except ValueError:
        return prefix, b""


def _has_own_public_key(key: bytes) -> bool:
    return key[_SEED_BYTES:] in {b"", _private(key).public_key().public_bytes_raw()}


def _private(key: bytes) -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.from_private_bytes(key[:_SEED_BYTES])


def _base64(raw: bytes) -> str:
    return b2a_base64(raw, newline=False).decode()
