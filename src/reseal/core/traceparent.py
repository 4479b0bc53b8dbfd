"""The trace that the current task or thread belongs to, for the events of the outbox."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Final

TRACEPARENT: Final[ContextVar[str | None]] = ContextVar("reseal.traceparent", default=None)
"""In the format of W3C Trace Context; ``None`` if nobody traces."""
