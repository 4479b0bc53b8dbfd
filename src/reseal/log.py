"""Security events as one JSON object a line, in UTC, on the ``reseal`` logger.

A line cannot be forged: JSON escapes every control character, and line and paragraph separators are escaped too.
"""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime
from typing import Final

from reseal.core.events import Event, EventName

LOGGER: Final = logging.getLogger("reseal")
AS_JSON: Final = "reseal_json"
"""Attribute of a log record whose message is a line of JSON already."""
_LOUD: Final = frozenset(
    {
        EventName.TOKEN_THEFT,
        EventName.SESSION_IN_STEP,
        EventName.STORE_ROLLED_BACK,
        EventName.STORE_UNAVAILABLE,
        EventName.CROSS_SITE_REFUSED,
    }
)


def log_event(event: Event) -> None:
    """Write an event: theft and trouble as warnings, the life of sessions as information."""
    level = logging.WARNING if event.name in _LOUD else logging.INFO
    if LOGGER.isEnabledFor(level):
        LOGGER.log(level, "%s", as_json(event), extra={AS_JSON: True})


def as_json(event: Event) -> str:
    """Write an event as one line of JSON with the members that it has."""
    members = {
        "event": event.name.value,
        "time": datetime.fromtimestamp(event.at / 1000, UTC).isoformat(timespec="milliseconds"),
        "app_id": event.scope.app_id,
        "tenant_id": event.scope.tenant_id,
        "session_handle": event.session_handle,
        "user_id": event.user_id,
        "reason": event.reason,
        "ip": event.device.ip,
        "user_agent": event.device.user_agent,
        "other_ip": event.other_device and event.other_device.ip,
        "other_user_agent": event.other_device and event.other_device.user_agent,
        "correlation_id": event.correlation_id,
    }
    return json.dumps({name: value for name, value in members.items() if value is not None})
