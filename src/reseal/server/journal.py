"""What the service writes down: one JSON object a line, in UTC, on standard error.

Neither bodies, queries, tokens nor paths as a caller wrote them: a request is told by the name of its operation.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
from datetime import UTC, datetime
from typing import Final

from reseal.log import AS_JSON, LOGGER
from reseal.server.http import Request

_LEVELS: Final = {
    "NONE": logging.CRITICAL + 1,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}
_PROBES: Final = frozenset({"healthz", "readyz", "metrics"})
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_CORRELATION: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


def correlate(request: Request) -> str:
    """Take the caller's ``x-request-id``, if it is a harmless one, or make one up."""
    sent = request.header(b"x-request-id")
    request.trace.correlation_id = sent if sent and _CORRELATION.fullmatch(sent) else os.urandom(12).hex()
    return request.trace.correlation_id


def log_request(request: Request, status: int, seconds: float) -> None:
    """Write a line about an answered request; probes come too often to be told at ``INFO``."""
    level = logging.DEBUG if request.trace.operation in _PROBES else logging.INFO
    if LOGGER.isEnabledFor(level):
        members = {
            "event": "request",
            "time": _utc(datetime.now(UTC)),
            "operation": request.trace.operation,
            "method": request.method if request.method in _METHODS else "other",
            "status": status,
            "ms": round(seconds * 1000, 2),
            "correlation_id": request.trace.correlation_id,
        }
        LOGGER.log(level, "%s", json.dumps(members), extra={AS_JSON: True})


class JsonLines(logging.Formatter):
    """Writes a record as one line of JSON; events are JSON already."""

    def format(self, record: logging.LogRecord) -> str:
        if getattr(record, AS_JSON, False):
            return record.getMessage()
        members = {
            "event": "log",
            "time": _utc(datetime.fromtimestamp(record.created, UTC)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members)


def set_up(level: str) -> None:
    """Write the lines of this package and of the server from ``level`` (a ``log_level``) on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonLines())
    for name, at_least in (("reseal", _LEVELS[level]), ("uvicorn", max(_LEVELS[level], logging.WARNING))):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(at_least)


def _utc(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds")
