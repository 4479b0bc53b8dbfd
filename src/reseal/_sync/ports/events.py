# Generated from src/reseal/_async/ports/events.py by tools/unasync.py; edit that file instead.
"""What a store promises about the event outbox. Errors are those of every store: :mod:`reseal._sync.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal._sync.ports.kills import KillListStore
from reseal._sync.ports.time import StoreTime
from reseal.core.outbox import RETENTION, EventPage, Occurrence, PurgedEvents, Retention


class EventStore(KillListStore, StoreTime, Protocol):
    """Where events wait until every consumer has acknowledged them: those of all apps and tenants of the store.

    An event that a change reports is written with it (:class:`SessionStore`). Delivery is at least once.
    """

    def append_event(self, occurrence: Occurrence) -> bool:
        """Write an event that goes with no change; ``False`` if its id is there already: nothing was changed."""

    def read_events(self, consumer: str, limit: int) -> EventPage:
        """Read up to ``limit`` events that a consumer has not acknowledged, oldest first; the same ones until it has.

        Its first reading makes a consumer known; it begins with the oldest event there is. An event whose change was
        acknowledged before the call is in the answer or behind it, never before it: events get their numbers when they
        can be read, whatever the order in which they were written. ``consumer`` is a name of printable ASCII.
        """

    def acknowledge_events(self, consumer: str, cursor: int) -> None:
        """Note that a consumer has handled everything up to a cursor. Idempotent; an earlier cursor changes nothing."""

    def purge_events(self, limit: int, retention: Retention = RETENTION) -> PurgedEvents:
        """Remove up to ``limit`` of the oldest events: those all consumers acknowledged, and any over the limits.

        Without a consumer only the limits count.
        """
