"""What an attempt to deliver an event came to, for metrics and traces."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Attempt(NamedTuple):
    """One attempt. Times in nanoseconds since the epoch."""

    channel: str
    """The consumer of the outbox, by the name in the configuration."""
    outcome: str
    """``ok``; ``failed``, to be repeated; or ``given_up``."""
    began_ns: int
    ended_ns: int
    status: int | None = None
    """The HTTP status, if there was an answer."""
    traceparent: str | None = None
    """Of the request that caused the event (W3C Trace Context)."""


Attempted = Callable[[Attempt], None]


def ignore(_attempt: Attempt) -> None:
    """Ignore an attempt."""
