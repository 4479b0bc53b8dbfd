"""The event outbox of the store in memory."""

from __future__ import annotations

from collections import deque
from itertools import islice

from msgspec.structs import replace

from reseal.core.events import Event
from reseal.core.outbox import EventPage, Occurrence, PurgedEvents, Retention, to_event


class EventQueue:
    """Events in the order in which they were written, and how far each consumer has come. The caller holds a lock."""

    def __init__(self) -> None:
        self._events: deque[Event] = deque()
        self._ids: set[str | None] = set()
        self._last = 0
        """The number of the last event; numbers begin with 1 and have no gaps."""
        self._acknowledged: dict[str, int] = {}

    @property
    def _removed(self) -> int:
        """The number of the last event that was removed."""
        return self._last - len(self._events)

    def append(self, occurrence: Occurrence, now: int) -> bool:
        """Write an event; ``False`` if its id is there already."""
        if occurrence.id.hex() in self._ids:
            return False
        event = to_event(occurrence.row(now))
        self._ids.add(event.id)
        self._events.append(event)
        self._last += 1
        return True

    def read(self, consumer: str, limit: int) -> EventPage:
        """Return the next events for a consumer."""
        acknowledged = self._acknowledged.setdefault(consumer, self._removed)
        skipped = max(0, acknowledged - self._removed)
        events = tuple(islice(self._events, skipped, skipped + limit))
        return EventPage(events, self._removed + skipped + len(events), max(0, self._removed - acknowledged))

    def acknowledge(self, consumer: str, cursor: int) -> None:
        """Note that a consumer has come as far as a cursor."""
        if consumer in self._acknowledged:
            self._acknowledged[consumer] = max(self._acknowledged[consumer], min(cursor, self._last))

    def purge(self, limit: int, retention: Retention, now: int) -> PurgedEvents:
        """Remove up to ``limit`` of the oldest events that are not kept."""
        read = min(self._acknowledged.values(), default=0)
        removed = unread = 0
        while removed < limit and self._events and self._is_over(read, retention, now):
            unread += self._removed >= read
            self._ids.discard(self._events.popleft().id)
            removed += 1
        return PurgedEvents(removed, unread, more=removed == limit)

    def redate(self, now: int) -> None:
        """Leave no event in the future."""
        self._events = deque(replace(event, at=min(event.at, now)) for event in self._events)

    def _is_over(self, read: int, retention: Retention, now: int) -> bool:
        """Return whether the oldest event is not kept any longer."""
        oldest = self._removed + 1
        return oldest <= max(read, self._last - retention.events) or self._events[0].at <= now - retention.ms
