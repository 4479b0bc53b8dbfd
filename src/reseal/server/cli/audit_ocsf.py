"""Entries of the audit trail as OCSF: events of the class Authentication (3002)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from reseal.core.events import EventName

_CLASS: Final = 3002
_LOGON: Final = 1
_LOGOFF: Final = 2
_OTHER: Final = 99
_KINDS: Final[Mapping[str, tuple[int, int]]] = {
    EventName.SESSION_CREATED: (_LOGON, 1),
    EventName.IMPERSONATION_BEGUN: (_LOGON, 3),
    EventName.SESSION_REFRESHED: (_OTHER, 1),
    EventName.SESSION_REPLAYED: (_OTHER, 1),
    EventName.SESSION_IN_STEP: (_OTHER, 2),
    EventName.SESSION_REVOKED: (_LOGOFF, 1),
    EventName.TOKEN_THEFT: (_LOGOFF, 4),
    EventName.SESSION_BOUND: (_OTHER, 1),
    EventName.STORE_ROLLED_BACK: (_OTHER, 2),
}
"""The activity and the severity of each event."""


def as_ocsf(members: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an entry as OCSF; ``None`` for entries that are no events."""
    if members.get("kind") != "event":
        return None
    name = str(members["name"])
    activity, severity = _KINDS.get(name, (_OTHER, 1))
    return {
        "class_uid": _CLASS,
        "category_uid": 3,
        "activity_id": activity,
        **({"activity_name": name} if activity == _OTHER else {}),
        "type_uid": _CLASS * 100 + activity,
        "severity_id": severity,
        "status_id": 2 if name == EventName.TOKEN_THEFT else 1,
        "status_detail": members.get("reason"),
        "time": members["at"],
        "message": name,
        "metadata": {
            "version": "1.3.0",
            "uid": members["id"],
            "sequence": members["seq"],
            "product": {"name": "Reseal", "vendor_name": "Reseal"},
        },
        "user": {"uid": members.get("user") or "unknown"},
        "session": {"uid": members.get("session")},
        "service": {"name": f"{members['app']}/{members['tenant']}"},
        "unmapped": {"by": members["by"]},
    }
