"""What an endpoint answered, and what it means for the message and for the endpoint."""

from __future__ import annotations

from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final, NamedTuple

PATIENCE: Final = 24 * 3600 * 1000
"""Milliseconds: the longest ``Retry-After`` that is obeyed."""
_SUCCESS: Final = range(200, 300)
_GONE: Final = 410
_SLOW_DOWN: Final = frozenset({429, 502, 504})


class Answer(NamedTuple):
    """The answer to one attempt. ``status`` is ``None`` if there was none; then ``problem`` says why."""

    status: int | None = None
    retry_after: int | None = None
    """Milliseconds."""
    problem: str = ""
    body: bytes = b""
    """The beginning of what a refusal contained."""
    is_final: bool = False
    """Whether the message is not sent again, since it would be refused again."""
    again_after: int | None = None
    """Milliseconds until the next attempt, in place of the usual delay."""
    disables: str = ""
    """Why the endpoint gets no more messages until its owner or ours has changed something."""

    @property
    def is_success(self) -> bool:
        return self.status in _SUCCESS

    @property
    def why_disabled(self) -> str:
        """Why the endpoint gets no more messages; empty: it does."""
        return "the endpoint answered 410 Gone" if self.status == _GONE else self.disables

    @property
    def slows_down(self) -> bool:
        """Whether the endpoint is to get nothing for a while, other messages included."""
        return self.status in _SLOW_DOWN or self.retry_after is not None

    def __str__(self) -> str:
        return self.problem or f"status {self.status}"


def retry_after(text: str | None, now: int) -> int | None:
    """Read a ``Retry-After`` header, seconds or a date, as milliseconds from ``now``; ``None`` if it is neither."""
    if text is None:
        return None
    if text.isascii() and text.isdigit():
        return min(int(text[:9]) * 1000, PATIENCE)
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return min(max(round(aware.timestamp() * 1000) - now, 0), PATIENCE)
