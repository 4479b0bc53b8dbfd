"""The event outbox on a database server.

Transactions commit in another order than they began: with numbers given as events are written, a reader at 11 would
never see 10. So they are numbered when they can be read, by one process at a time.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from reseal._async.stores.servers import AsyncServer, AsyncServerLink
from reseal.core.outbox import SEEN_EVERY, EventPage, Occurrence, PurgedEvents, Retention, over, page_of
from reseal.stores import rows
from reseal.stores.rows import Values

NUMBERED_AT_ONCE: Final = 1_000
"""Events that one reading numbers: bounds how long it takes."""


class AsyncServerEvents:
    """The outbox of one database. ``timed`` adds the parameters by which a statement takes its time."""

    def __init__(self, server: AsyncServer, timed: Callable[[Values], Values]) -> None:
        self._server = server
        self._timed = timed

    async def append(self, occurrence: Occurrence) -> bool:
        report = occurrence.report
        values = rows.scoped(occurrence.scope) | {
            "id": occurrence.id,
            "name": report.name.value,
            "handle": occurrence.session_handle,
            "user_id": occurrence.user_id,
            "body": report.body(),
        }
        return bool(await self._server.fetch("append_event", self._timed(values)))

    async def read(self, consumer: str, limit: int) -> EventPage:
        await self._number(NUMBERED_AT_ONCE)
        acknowledged = await self._acknowledged(consumer)
        found = await self._server.fetch("events", {"acknowledged": acknowledged, "limit": limit})
        return page_of([row[1:] for row in found if row[1] is not None], acknowledged, found[0][0])

    async def acknowledge(self, consumer: str, cursor: int) -> None:
        await self._server.fetch("acknowledge", {"consumer": consumer, "cursor": cursor})

    async def purge(self, limit: int, retention: Retention) -> PurgedEvents:
        numbered = await self._number(limit)
        found = await self._server.fetch("oldest_events", self._timed({"limit": limit}))
        last, now, acknowledged = found[0][:3]
        oldest = [row[3:] for row in found if row[3] is not None]
        gone = over(oldest, acknowledged, last - retention.events, now - retention.ms)
        removed = await self._server.fetch("remove_events", {"seq": gone[-1]}) if gone else []
        return PurgedEvents(
            len(removed), sum(seq > acknowledged for (seq,) in removed), more=limit in {numbered, len(gone)}
        )

    async def _number(self, limit: int) -> int:
        """Give numbers to events that have none; returns how many."""
        [(is_needed,)] = await self._server.fetch("has_unnumbered_events", {})
        return await self._server.run(lambda link: _number(link, limit)) if is_needed else 0

    async def _acknowledged(self, consumer: str) -> int:
        """Return what a consumer has acknowledged, and note that it was here."""
        values = self._timed({"consumer": consumer, "seen_every": SEEN_EVERY})
        for acknowledged, is_noted in await self._server.fetch("consumer", values):
            if is_noted:
                return int(acknowledged)
        [(acknowledged,)] = await self._server.fetch("note_consumer", values)
        return int(acknowledged)


async def _number(link: AsyncServerLink, limit: int) -> int:
    async with link.transaction():
        await link.settle()
        await link.fetch("lock_event_number")
        [(numbered,)] = await link.fetch("number_events", {"limit": limit})
    return int(numbered)
