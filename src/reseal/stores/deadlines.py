"""How long a call of a store may take in all, whatever it consists of: hosts, statements, attempts."""

from __future__ import annotations

import math
import time
from contextvars import ContextVar, Token
from typing import Final

from reseal.core.errors import StoreUnavailable

_END: ContextVar[float] = ContextVar("end", default=math.inf)
"""When the present call has to be over, by this machine's monotonic clock (s)."""
_LEAST: Final = 0.001
"""Drivers take 0 seconds for no limit."""


class within:  # noqa: N801 - it is used like a function
    """A block that has so many seconds. As a part of another one it has what is left of that, if it is less."""

    __slots__ = ("_outer", "_seconds")

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def __enter__(self) -> None:
        self._outer: Token[float] = _END.set(min(_END.get(), time.monotonic() + self._seconds))

    def __exit__(self, *_: object) -> None:
        _END.reset(self._outer)


def left(most: float) -> float:
    """Return for how many seconds something may be waited for, at most so many.

    Raises ``StoreUnavailable`` if the call has no time left.
    """
    seconds = _END.get() - time.monotonic()
    if seconds <= 0:
        raise StoreUnavailable("the database took longer than a call may take")
    return max(_LEAST, min(most, seconds))
