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


_MANAGEMENT: Final = 3004
_ACTIONS: Final[Mapping[str, int]] = {"key_published": 1, "tenant_removed": 4, "key_retired": 9}
"""The activity of what administrators do: Create, Delete and Disable; Update (3) for all others."""


def as_ocsf(members: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return an entry as OCSF; ``None`` for entries that are neither events nor actions."""
    if members.get("kind") == "action":
        return _action(members)
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
        "metadata": _metadata(members, members["id"]),
        "user": {"uid": members.get("user") or "unknown"},
        "session": {"uid": members.get("session")},
        "service": {"name": f"{members['app']}/{members['tenant']}"},
        "unmapped": {"by": members["by"]},
    }


def _action(members: Mapping[str, Any]) -> dict[str, Any]:
    name = str(members["name"])
    activity = _ACTIONS.get(name, 3)
    place = {part: members[part] for part in ("app", "tenant", "key") if part in members}
    return {
        "class_uid": _MANAGEMENT,
        "category_uid": 3,
        "activity_id": activity,
        "type_uid": _MANAGEMENT * 100 + activity,
        "severity_id": 1,
        "status_id": 1,
        "time": members["at"],
        "message": name,
        "metadata": _metadata(members, f"row-{members['seq']}"),
        "entity": {"name": "/".join(place.values()) or "store", "type": next(reversed(place), "store")},
        "actor": {"user": {"name": members["by"]}},
    }


def _metadata(members: Mapping[str, Any], uid: str) -> dict[str, Any]:
    product = {"name": "Reseal", "vendor_name": "Reseal"}
    return {"version": "1.3.0", "uid": uid, "sequence": members["seq"], "product": product}
