"""Security events on the ``reseal`` logger, one JSON object per line, in UTC.

A line cannot be forged: JSON escapes every control character, and line and paragraph separators are escaped too.
"""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

import msgspec
from msgspec import structs

from reseal.core.events import NO_DEVICE, Event, EventName

LOGGER: Final = logging.getLogger("reseal")
LOUD: Final = frozenset(
    {
        EventName.TOKEN_THEFT,
        EventName.SESSION_IN_STEP,
        EventName.STORE_ROLLED_BACK,
        EventName.STORE_UNAVAILABLE,
        EventName.CROSS_SITE_REFUSED,
        EventName.REFRESH_COOKIE_MISSING,
        EventName.IMPERSONATION_BEGUN,
        EventName.NEW_DEVICE,
        EventName.BINDING_REFUSED,
    }
)


class Line(logging.LogRecord):
    """A log record whose message is a line of JSON.

    It records neither stack nor thread nor process: for every request, that would cost more than the line itself.
    """

    def __init__(self, level: int, text: str) -> None:
        now = time.time()
        self.__dict__ = _BLANK | {
            "levelno": level,
            "levelname": logging.getLevelName(level),
            "created": now,
            "msecs": now % 1 * 1000,
            "msg": text,
        }


class LineHandler(logging.Handler):
    """A handler that takes lines as they are. If it is alone on the logger, no record is made, which costs more.

    It is no abstract class: each line asks whether the handler is one of these, and an abstract class answers slowly.
    """

    def take(self, level: int, text: str) -> None:
        """Log a line of JSON."""
        raise NotImplementedError


def log_line(level: int, text: str) -> None:
    """Log a line of JSON, of a level that the logger takes."""
    handlers = LOGGER.handlers
    if len(handlers) == 1 and not (LOGGER.propagate or LOGGER.filters) and isinstance(handlers[0], LineHandler):
        handlers[0].take(level, text)
    else:
        LOGGER.handle(Line(level, text))


class _Members(msgspec.Struct, omit_defaults=True, gc=False):
    """The members of a line, in their order."""

    event: EventName
    id: str | None = None
    time: str | None = None
    app_id: str | None = None
    tenant_id: str | None = None
    session_handle: str | None = None
    user_id: str | None = None
    reason: str | None = None
    ip: str | None = None
    user_agent: str | None = None
    other_ip: str | None = None
    other_user_agent: str | None = None
    correlation_id: str | None = None
    by: str | None = None
    note: str | None = None


_encode: Final = msgspec.json.Encoder().encode


def log_event(event: Event) -> None:
    """Log an event: thefts and failures as warnings, ordinary session events as information."""
    level = logging.WARNING if event.name in LOUD else logging.INFO
    if LOGGER.isEnabledFor(level):
        log_line(level, as_json(event))


def as_json(event: Event) -> str:
    """Return an event as one line of JSON, without empty members."""
    session = event.session_handle, event.user_id, event.reason
    devices = *event.device, *(event.other_device or NO_DEVICE)
    cause = event.correlation_id, event.by, event.note
    members = _Members(event.name, event.id, utc(event.at), *event.scope, *session, *devices, *cause)
    try:
        line = _encode(members).decode()
    except UnicodeEncodeError:  # of half a surrogate pair, which a caller sent
        line = ""
    if line and line.isascii() and line.isprintable():
        return line
    named = {name: value for name, value in structs.asdict(members).items() if value is not None}
    return json.dumps(named, separators=(",", ":"))


def utc(moment: int) -> str:
    """Format a time (ms) as ISO 8601."""
    return f"{_second(moment // 1000)}.{moment % 1000:03}+00:00"


@lru_cache(maxsize=2)
def _second(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%dT%H:%M:%S}"


_BLANK: Final = logging.LogRecord(LOGGER.name, logging.INFO, __file__, 0, "", None, None).__dict__ | dict.fromkeys(
    ("thread", "threadName", "process", "processName")
)
