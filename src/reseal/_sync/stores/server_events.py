# Generated from src/reseal/_async/stores/server_events.py by tools/unasync.py; edit that file instead.
"""The event outbox on a database server.

Transactions commit in another order than they began: with numbers given as events are written, a reader at 11 would
never see 10. So they are numbered when they can be read, by one process at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reseal._sync.stores.servers import Server, ServerLink
from reseal.core.outbox import SEEN_EVERY, EventPage, Occurrence, PurgedEvents, Retention, over, page_of
from reseal.stores import rows
from reseal.stores.rows import Values

NUMBERED_AT_ONCE: Final = 1_000
"""Events that one reading numbers: bounds how long it takes."""


class ServerEvents:
    """The outbox of one database. ``timed`` adds the parameters by which a statement takes its time."""

    def __init__(self, server: Server, timed: Callable[[Values], Values]) -> None:
        self._server = server
        self._timed = timed

    def append(self, occurrence: Occurrence) -> bool:
        report = occurrence.report
        values = rows.scoped(occurrence.scope) | {
            "id": occurrence.id,
            "name": report.name.value,
            "handle": occurrence.session_handle,
            "user_id": occurrence.user_id,
            "body": report.body(),
        }
        return bool(self._server.fetch("append_event", self._timed(values)))

    def read(self, consumer: str, limit: int) -> EventPage:
        self._number(NUMBERED_AT_ONCE)
        acknowledged = self._acknowledged(consumer)
        found = self._server.fetch("events", {"acknowledged": acknowledged, "limit": limit})
        return page_of([row[1:] for row in found if row[1] is not None], acknowledged, found[0][0])

    def acknowledge(self, consumer: str, cursor: int) -> None:
        self._server.fetch("acknowledge", {"consumer": consumer, "cursor": cursor})

    def purge(self, limit: int, retention: Retention) -> PurgedEvents:
        numbered = self._number(limit)
        found = self._server.fetch("oldest_events", self._timed({"limit": limit}))
        last, now, acknowledged = found[0][:3]
        oldest = [row[3:] for row in found if row[3] is not None]
        gone = over(oldest, acknowledged, last - retention.events, now - retention.ms)
        removed = self._server.fetch("remove_events", {"seq": gone[-1]}) if gone else []
        return PurgedEvents(
            len(removed), sum(seq > acknowledged for (seq,) in removed), more=limit in {numbered, len(gone)}
        )

    def _number(self, limit: int) -> int:
        """Give numbers to events that have none; returns how many."""
        [(is_needed,)] = self._server.fetch("has_unnumbered_events", {})
        return self._server.run(lambda link: _number(link, limit)) if is_needed else 0

    def _acknowledged(self, consumer: str) -> int:
        """Return what a consumer has acknowledged, and note that it was here."""
        values = self._timed({"consumer": consumer, "seen_every": SEEN_EVERY})
        for acknowledged, is_noted in self._server.fetch("consumer", values):
            if is_noted:
                return int(acknowledged)
        [(acknowledged,)] = self._server.fetch("note_consumer", values)
        return int(acknowledged)


def _number(link: ServerLink, limit: int) -> int:
    with link.transaction():
        link.settle()
        link.fetch("lock_event_number")
        [(numbered,)] = link.fetch("number_events", {"limit": limit})
    return int(numbered)
