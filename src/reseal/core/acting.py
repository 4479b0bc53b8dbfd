"""Who acts in the current task or thread, for the events of the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

ACTING: Final[ContextVar[str | None]] = ContextVar("reseal.acting", default=None)
"""``api_key:`` and the key's name, ``operator:`` and the name, or ``user:`` and the id of a user."""

USER: Final = "user:"
"""How a name begins of somebody who acted and is a user too."""


@contextmanager
def acting(by: str) -> Iterator[None]:
    """Name whoever acts in this block."""
    token = ACTING.set(by)
    try:
        yield
    finally:
        ACTING.reset(token)
