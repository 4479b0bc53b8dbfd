"""Session handles: random text, then ``_`` and the tenant, so that a handle alone identifies its session."""

from __future__ import annotations

import re
from typing import Final

DEFAULT_TENANT: Final = "public"
_HANDLE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)


def is_handle(text: str) -> bool:
    """Return whether the text could be a session handle."""
    return _HANDLE.fullmatch(text) is not None


def suffix_of(tenant_id: str) -> str:
    """Return the last part of the tenant's session handles; empty for the default tenant."""
    return "" if tenant_id == DEFAULT_TENANT else f"_{tenant_id}"


def tenant_of(handle: str) -> str:
    """Return the tenant that a session handle names: the part after the first ``_``, or the default tenant."""
    parts = handle.split("_")
    return parts[1] if len(parts) > 1 else DEFAULT_TENANT
