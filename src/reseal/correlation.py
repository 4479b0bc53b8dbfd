"""Which request the present code works for, so that what it asks of a service can be followed there."""

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
    """Have the calls to a service in this block bear an id, in this task or thread and in tasks that it begins.

    One that is not made of 1 to 128 letters, digits, ``.``, ``_`` and ``-`` counts as none.
    """
    token = _CURRENT.set(harmless(correlation_id))
    try:
        yield
    finally:
        _CURRENT.reset(token)


def current_id() -> str | None:
    """Give the id of the innermost block, if there is one."""
    return _CURRENT.get()


def harmless(correlation_id: str | None) -> str | None:
    """Give the id back, or ``None`` if it could be more than an id in a header or a log."""
    return correlation_id if correlation_id is not None and _HARMLESS.fullmatch(correlation_id) else None
