"""Base64 as JOSE writes it: URL-safe, without padding (RFC 7515, section 2)."""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from typing import Final

_TO_URL: Final = bytes.maketrans(b"+/", b"-_")
_FROM_URL: Final = bytes.maketrans(b"-_", b"+/")


def encode(raw: bytes) -> str:
    """Encode bytes; every value has one form."""
    return b2a_base64(raw, newline=False).translate(_TO_URL, b"=").decode()


def decode(text: str) -> bytes:
    """Decode text whose alphabet the caller has checked: other characters are skipped. Raises ``ValueError``."""
    return a2b_base64(text.encode().translate(_FROM_URL) + b"==")
