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
from reseal.core.events import EventListener, EventOutbox
from reseal.core.model import EndReason, Scope
from reseal.core.selection import Before, Place
from reseal.devices import about
from reseal.devices.selection import Only
from reseal.event_emitter import EventEmitter

AT_ONCE: Final = 500
"""Sessions that one step ends."""
AHEAD: Final = 60_000
"""Milliseconds by which the caller's clock may be ahead of the store's time."""
FIRST: Final[Place | None] = Place()
"""Where the first step begins."""
Emitters = Callable[[Scope], EventEmitter]


class Ended(NamedTuple):
    """What one step did, and where the next one begins; ``None``: there is none."""

    sessions: int
    after: Place | None


def emitters(clock: Clock, on_event: EventListener, outbox: EventOutbox) -> Emitters:
    """Return a function that makes the emitter of a scope."""
    return lambda scope: EventEmitter(scope, clock, on_event, outbox)


def check(store: SessionStore, which: Before) -> None:
    """Raise ``InvalidInput`` for a moment that is still to come: sessions begun until then would live on."""
    if which.moment > (store.times()).now + AHEAD:
        raise InvalidInput("moment", "is still to come: name one that has passed, now at the latest")


def step(
    store: SessionStore, which: Before, after: Place, emitters: Emitters, only: Only | None = None
) -> Ended:
    """End some of these sessions, those behind ``after``, with an event for each. Raises ``StoreUnavailable``."""
    found = store.list_before(which, after, AT_ONCE)
    reason, note = (EndReason.NOT_BEFORE, None) if only is None else (EndReason.REVOKED, about.checked_note(only.note))
    sessions = 0
    for scope, some in groupby(found, key=lambda each: each[0]):
        records = {record.handle: record for _, record in some if only is None or only.fits(record)}
        emitter = emitters(scope)
        for handle in store.end(scope, records, reason, emitter.draft_ended(reason, note), note):
            emitter.emit_ended((handle,), records[handle].user_id, reason, note)
            sessions += 1
    if len(found) < AT_ONCE:
        return Ended(sessions, None)
    last, record = found[-1]
    return Ended(sessions, Place(last.tenant_id, record.handle))
