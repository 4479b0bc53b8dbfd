"""The id of the current request, so that the calls that it makes to a service can be correlated."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

HEADER: Final = "x-request-id"
_HARMLESS: Final = re.compile(r"[A-Za-z0-9._-]{1,128}", re.ASCII)
_CURRENT: Final[ContextVar[str | None]] = ContextVar("reseal.correlation_id", default=None)


@contextmanager
def correlated(correlation_id: str | None) -> Iterator[None]:
    """Send an id with all calls to a service in this block, in this task or thread and in tasks started there.

    An id must consist of 1 to 128 letters, digits, ``.``, ``_`` and ``-``; any other counts as none.
    """
    token = _CURRENT.set(harmless(correlation_id))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_id() -> str | None:
    """Return the id of the innermost block, if there is one."""
    return _CURRENT.get()


def harmless(correlation_id: str | None) -> str | None:
    """Return the id, or ``None`` if it could inject text into a header or a log."""
    return correlation_id if correlation_id is not None and _HARMLESS.fullmatch(correlation_id) else None
