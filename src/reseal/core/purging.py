"""When sessions are looked at to be removed, and how far that is behind.

Each session has a moment at which it is due. Refreshing does not move it: a session that is due and was refreshed
meanwhile is put off. So each is looked at about once in its idle limit, in the order in which they are due, and no walk
over all of them is needed, however many there are and however many come meanwhile.

Times and durations are in milliseconds.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from reseal.core.model import NewSession

KEPT: Final = 24 * 3600 * 1000
"""For so long a store keeps an expired session, so that its end reason can still be told."""
LOOK_AGAIN: Final = 7 * KEPT
"""A session is looked at so often at least: its end may have moved nearer, after a change of the configuration."""
MOST_COUNTED: Final = 10_000
"""How far a backlog is counted."""


class Purged(NamedTuple):
    """What one step of purging did."""

    looked_at: int
    """Rows that were due; as many as were asked for if there may be more."""
    removed: int
    """Sessions among them that are gone."""


class Backlog(NamedTuple):
    """Sessions that are due to be looked at, and were not yet."""

    sessions: int
    """How many; :data:`MOST_COUNTED` stands for more."""
    overdue_ms: int
    """For how long the first of them has been due."""


def first_look(new: NewSession) -> int:
    """Return how long after its beginning a session is due."""
    life = new.idle_ms if new.absolute_ms is None else min(new.idle_ms, new.absolute_ms)
    return min(life, LOOK_AGAIN) + KEPT


def next_look(expires_at: int, now: int) -> int | None:
    """Return when a session that is due has to be looked at again; ``None``: now it can be removed."""
    return None if expires_at <= now - KEPT else min(expires_at, now + LOOK_AGAIN) + KEPT
