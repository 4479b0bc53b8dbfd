"""Session handles: random text, then ``_`` and the tenant, so that a handle alone identifies its session."""

from __future__ import annotations

import re
from typing import Final

DEFAULT_TENANT: Final = "public"
_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)
_VERSION_4: Final = 4 << 76 | 2 << 62
_FREE: Final = (1 << 128) - 1 ^ (0xF << 76 | 3 << 62)
"""The bits that do not say version and variant."""


def is_handle(text: str) -> bool:
    """Return whether the text could be a session handle."""
    return _HANDLE.fullmatch(text) is not None


def new_handle(random: bytes, suffix: str) -> str:
    """Return a new handle: 16 random bytes as a UUID of version 4 (RFC 9562, section 5.4), then the tenant's part."""
    text = f"{int.from_bytes(random) & _FREE | _VERSION_4:032x}"
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}{suffix}"


def suffix_of(tenant_id: str) -> str:
    """Return the last part of the tenant's session handles; empty for the default tenant."""
    return "" if tenant_id == DEFAULT_TENANT else f"_{tenant_id}"


def tenant_of(handle: str) -> str:
    """Return the tenant that a session handle names: the part after the first ``_``, or the default tenant."""
    parts = handle.split("_")
    return parts[1] if len(parts) > 1 else DEFAULT_TENANT
