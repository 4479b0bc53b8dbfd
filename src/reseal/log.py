"""Security events as one JSON object a line, in UTC, on the ``reseal`` logger.

A line cannot be forged: JSON escapes every control character, and line and paragraph separators are escaped too.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from typing import Final

from reseal.core.events import Event, EventName

LOGGER: Final = logging.getLogger("reseal")
_LOUD: Final = frozenset(
    {
        EventName.TOKEN_THEFT,
        EventName.SESSION_IN_STEP,
        EventName.STORE_ROLLED_BACK,
        EventName.STORE_UNAVAILABLE,
        EventName.CROSS_SITE_REFUSED,
    }
)


class Line(logging.LogRecord):
    """A log record whose message is a line of JSON.

    It takes neither stack nor thread nor process down: for lines as frequent as requests that would cost more than the
    line itself.
    """

    def __init__(self, level: int, text: str) -> None:
        self.__dict__.update(_BLANK)
        self.levelno, self.levelname = level, logging.getLevelName(level)
        self.created = time.time()
        self.msecs = self.created % 1 * 1000
        self.msg = text


def log_event(event: Event) -> None:
    """Write an event: theft and trouble as warnings, the life of sessions as information."""
    level = logging.WARNING if event.name in _LOUD else logging.INFO
    if LOGGER.isEnabledFor(level):
        LOGGER.handle(Line(level, as_json(event)))


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


_BLANK: Final = logging.LogRecord(LOGGER.name, logging.INFO, __file__, 0, "", None, None).__dict__ | dict.fromkeys(
    ("thread", "threadName", "process", "processName")
)
