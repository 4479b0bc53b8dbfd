"""The service's log: one JSON object per line, in UTC, on standard error.

It never contains bodies, queries, tokens or raw paths: a request is logged by the name of its operation.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import sys
import time
from contextlib import nullcontext
from itertools import count
from typing import Final, TextIO

from reseal.cdi.paths import PROBES
from reseal.log import LOGGER, Line, LineHandler, log_line, utc
from reseal.server.http.messages import Request

_LEVELS: Final = {
    "NONE": logging.CRITICAL + 1,
    "DEBUG": logging.DEBUG,
    "INFO": logging.INFO,
    "WARN": logging.WARNING,
    "ERROR": logging.ERROR,
}
_TOO_MANY: Final = 429
_FREQUENT: Final = PROBES | {"rpc_kill_list"}
"""Each end of a session answers a request of every process that follows the kill list."""
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_PROCESS: Final = os.urandom(8).hex()
_NUMBERS: Final = count()
_quoted: Final = json.encoder.encode_basestring_ascii
_CORRELATION: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}", re.ASCII)


def correlate(request: Request) -> str:
    """Use the caller's ``x-request-id`` if it is harmless; otherwise derive one from this process's random prefix."""
    sent = request.header(b"x-request-id") if b"x-request-id" in request.first else None
    request.trace.correlation_id = sent if sent and _CORRELATION.fullmatch(sent) else f"{_PROCESS}{next(_NUMBERS):08x}"
    return request.trace.correlation_id


def log_request(request: Request, status: int, seconds: float) -> None:
    """Log an answered request; at ``DEBUG`` one of a probe or kill list, or rate-limited: too many for ``INFO``."""
    too_often = request.trace.operation in _FREQUENT or status == _TOO_MANY
    level = logging.DEBUG if too_often else logging.INFO
    if LOGGER.isEnabledFor(level):
        trace, ip = request.trace, request.client_ip
        log_line(
            level,
            f'{{"event":"request","time":"{utc(time.time_ns() // 1_000_000)}","operation":"{trace.operation}",'
            f'"method":"{request.method if request.method in _METHODS else "other"}","status":{status},'
            f'"api_key":{_quoted(trace.caller) if trace.caller else "null"},'
            f'"ip":{"null" if ip is None else _quoted(ip)},"ms":{round(seconds * 1000, 2)},'
            f'"correlation_id":{_quoted(trace.correlation_id or "")}}}',
        )


class JsonLines(logging.Formatter):
    """Formats a record as one line of JSON; events are JSON already."""

    def format(self, record: logging.LogRecord) -> str:
        if isinstance(record, Line):
            return record.getMessage()
        members = {
            "event": "log",
            "time": utc(int(record.created * 1000)),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
        }
        if record.exc_info:
            members["traceback"] = self.formatException(record.exc_info)
        return json.dumps(members, separators=(",", ":"))


class OncePerTurn(logging.StreamHandler[TextIO], LineHandler):
    """Batches the log lines of one event-loop turn into one write, because each write releases the interpreter lock.

    Warnings and above, and lines logged outside a loop, are written at once.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._held: list[str] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        """The loop that has a flush scheduled."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self.take(record.levelno, self.format(record))
        except Exception:  # noqa: BLE001 - as every handler: a line that cannot be formatted must not fail a request
            self.handleError(record)

    def take(self, level: int, text: str) -> None:
        """Hold a formatted line."""
        self._held.append(text)
        if level >= logging.WARNING:
            self.flush()
        elif self._loop is None or self._loop.is_closed():
            self._flush_soon()

    def _flush_soon(self) -> None:
        self._loop = _running_loop()
        if self._loop is None:
            self.flush()
        else:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        with self.lock or nullcontext():
            held, self._held, self._loop = self._held, [], None
            try:
                self.stream.write("".join([f"{line}\n" for line in held]))
                super().flush()
            except Exception:  # noqa: BLE001 - as every handler: a failed log write must not fail a request
                self.handleError(Line(logging.ERROR, "log lines could not be written"))


def set_up(level: str) -> None:
    """Send the log of this package and of the server, from ``level`` (a ``log_level``), to standard error."""
    handler = OncePerTurn(sys.stderr)
    handler.setFormatter(JsonLines())
    # uvicorn warns on every malformed request; we count these instead of logging them
    for name, at_least in (("reseal", _LEVELS[level]), ("uvicorn", max(_LEVELS[level], logging.ERROR))):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [handler], False
        logger.setLevel(at_least)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
