# Generated from src/reseal/_async/not_before.py by tools/unasync.py; edit that file instead.
"""Ends everything that was begun or refreshed before a moment for the last time.

For the hour after a backup was restored: sessions that were revoked after the backup are live again in it, and only the
time of their last refresh distinguishes them from the rest. An ended session stays ended, whichever token is presented
for it, even one newer than the store.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import groupby
from typing import Final, NamedTuple

from reseal._sync.ports import SessionStore
from reseal.clock import Clock
from reseal.core.errors import InvalidInput
from reseal.core.events import EventListener
from reseal.core.model import EndReason, Scope, SessionRecord
from reseal.core.selection import Before, Place
from reseal.event_emitter import EventEmitter

AT_ONCE: Final = 500
"""Sessions that one step ends."""
AHEAD: Final = 60_000
"""Milliseconds by which the caller's clock may be ahead of the store's time."""
FIRST: Final[Place | None] = Place()
"""Where the first step begins."""
Emit = Callable[[Scope, SessionRecord], None]


class Ended(NamedTuple):
    """What one step did, and where the next one begins; ``None``: there is none."""

    sessions: int
    after: Place | None


def emitter(clock: Clock, on_event: EventListener) -> Emit:
    """Return a function that emits an event for each ended session, in its scope."""

    def emit(scope: Scope, record: SessionRecord) -> None:
        EventEmitter(scope, clock, on_event).emit_ended((record.handle,), record.user_id, EndReason.NOT_BEFORE)

    return emit


def check(store: SessionStore, which: Before) -> None:
    """Raise ``InvalidInput`` for a moment that is still to come: sessions begun until then would live on."""
    if which.moment > (store.times()).now + AHEAD:
        raise InvalidInput("moment", "is still to come: name one that has passed, now at the latest")


def step(store: SessionStore, which: Before, after: Place, emit: Emit) -> Ended:
    """End some of these sessions, those behind ``after``; ``emit`` is called for each. Raises ``StoreUnavailable``."""
    found = store.list_before(which, after, AT_ONCE)
    sessions = 0
    for scope, some in groupby(found, key=lambda each: each[0]):
        records = {record.handle: record for _, record in some}
        for handle in store.end(scope, records, EndReason.NOT_BEFORE):
            emit(scope, records[handle])
            sessions += 1
    if len(found) < AT_ONCE:
        return Ended(sessions, None)
    last, record = found[-1]
    return Ended(sessions, Place(last.tenant_id, record.handle))
