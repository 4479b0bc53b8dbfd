"""Whether what is read now may be a moment old: it is only shown, and nothing is decided by it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

MAY_LAG: Final[ContextVar[bool]] = ContextVar("reseal_may_lag", default=False)


@contextmanager
def may_lag() -> Iterator[None]:
    """Let a standby answer in this block, if the settings name one."""
    token = MAY_LAG.set(True)
    try:
        yield
    finally:
        MAY_LAG.reset(token)
