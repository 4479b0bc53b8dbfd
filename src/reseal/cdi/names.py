"""The ids of apps and tenants, which are path segments (core interface, sections 2.1 and 2.9)."""

from __future__ import annotations

import re
from typing import Final

from reseal.cdi.problem import Problem

LONGEST: Final = 64
RESERVED: Final = frozenset({"recipe", "config", "users", "hello"})
"""Reserved: paths begin with these words."""
_SHAPE: Final = re.compile(r"[a-z0-9-]+", re.ASCII)


def check_app_id(text: str) -> str:
    """Return an app's id in its stored form. Raises ``Problem`` 400."""
    return _check("appId", text)


def check_tenant_id(text: str) -> str:
    """Return a tenant's id in its stored form. Raises ``Problem`` 400."""
    name = _check("tenantId", text)
    if name in RESERVED:
        raise Problem(400, f"Cannot use '{name}' as a tenantId")
    return name


def _check(field: str, text: str) -> str:
    name = text.strip().lower() if text.isascii() else ""
    if _SHAPE.fullmatch(name) is None:
        raise Problem(400, f"{field} can only contain letters, numbers and hyphens")
    if name.startswith("appid-"):
        raise Problem(400, f"{field} must not start with 'appid-'")
    if len(name) > LONGEST:
        raise Problem(400, f"{field} can have {LONGEST} characters at most")
    return name
