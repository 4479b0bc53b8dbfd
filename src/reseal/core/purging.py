"""When expired sessions are purged, and how large the backlog is.

Each session has a due time, at which it is checked. A refresh does not move it: a due session that was refreshed in
the meantime is rescheduled. So each session is checked about once per idle limit, in due order, and no scan over all
sessions is ever needed.

Times and durations are in milliseconds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reseal.core.model import NewSession

KEPT: Final = 24 * 3600 * 1000
"""How long an expired session stays in the store by default, so that its end reason can still be reported."""
LOOK_AGAIN: Final = 7 * KEPT
"""Longest interval between checks of a session: a change of configuration may have brought its expiry forward."""
MOST_COUNTED: Final = 10_000
"""Upper limit of the backlog count."""


class Purged(NamedTuple):
    """The result of one purging step."""

    looked_at: int
    """Due rows checked; equal to the requested number if there may be more."""
    removed: int
    """Sessions removed."""


class Backlog(NamedTuple):
    """Sessions that are due and not yet checked."""

    sessions: int
    """How many; :data:`MOST_COUNTED` means at least that many."""
    overdue_ms: int
    """How long the first of them has been due."""


def first_look(new: NewSession) -> int:
    """Return how long after its creation a session is first due."""
    life = new.idle_ms if new.absolute_ms is None else min(new.idle_ms, new.absolute_ms)
    return min(life, LOOK_AGAIN) + KEPT


def next_look(expires_at: int, ended_at: int | None, now: int, kept: int | None = None) -> int | None:
    """Return when a due session is next checked; ``None``: it can be removed now.

    ``kept``: how long it stays after its end, also an early one; ``None``: :data:`KEPT` after it would have expired.
    """
    end = expires_at if kept is None or ended_at is None else min(expires_at, ended_at)
    stays = KEPT if kept is None else kept
    return None if end + stays <= now else min(end, now + LOOK_AGAIN) + stays
