"""Emits security events with time and scope added."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec.structs import replace

from reseal.clock import Clock
from reseal.core.acting import ACTING
from reseal.core.events import NOBODY, OUTBOX_EVENTS, Caller, Event, EventListener, EventName, EventOutbox
from reseal.core.model import Device, EndReason, Scope, SessionRecord
from reseal.core.outbox import Drafts, Report
from reseal.core.traceparent import TRACEPARENT


class EventEmitter:
    """Emits the events of one scope to one listener. An exception in the listener fails the request.

    It also drafts those that the store keeps in its outbox, with the change that they report.
    """

    __slots__ = ("_clock", "_kept", "_listener", "_scope")

    def __init__(
        self, scope: Scope, clock: Clock, listener: EventListener, outbox: EventOutbox = EventOutbox.OFF
    ) -> None:
        self._scope = scope
        self._clock = clock
        self._listener = listener
        self._kept = OUTBOX_EVENTS[outbox]

    def draft(
        self, name: EventName, caller: Caller = NOBODY, *, reason: str | None = None, other: Device | None = None
    ) -> Drafts:
        """Draft an event for the outbox; empty if that does not take it."""
        if not self._kept or name not in self._kept:  # where nothing is kept, no name has to be hashed
            return ()
        return (
            Report(
                name=name,
                reason=reason,
                device=caller.device,
                other_device=other,
                correlation_id=caller.correlation_id,
                by=ACTING.get(),
                traceparent=TRACEPARENT.get(),
            ),
        )

    def draft_ended(self, reason: EndReason, note: str | None = None) -> Drafts:
        """Draft the event of each session that is ended."""
        return tuple(replace(each, note=note) for each in self.draft(EventName.SESSION_REVOKED, reason=reason.value))

    @property
    def listener(self) -> EventListener:
        return self._listener

    def add_listener(self, listener: EventListener) -> None:
        """Call another listener for each later event, before the present one."""
        present = self._listener

        def both(event: Event) -> None:
            listener(event)
            present(event)

        self._listener = both

    def emit(
        self,
        name: EventName,
        caller: Caller = NOBODY,
        *,
        session_handle: str | None = None,
        user_id: str | None = None,
        reason: str | None = None,
        other_device: Device | None = None,
        by: str | None = None,
        note: str | None = None,
    ) -> None:
        """Emit an event."""
        at, device, number = self._clock.wall(), caller.device, caller.correlation_id
        self._listener(
            Event(name, at, self._scope, session_handle, user_id, reason, device, other_device, number, by, note)
        )

    def emit_for(
        self,
        name: EventName,
        record: SessionRecord,
        caller: Caller,
        *,
        reason: str | None = None,
        other: Device | None = None,
    ) -> None:
        """Emit an event about a session."""
        at, device, number = self._clock.wall(), caller.device, caller.correlation_id
        self._listener(Event(name, at, self._scope, record.handle, record.user_id, reason, device, other, number))

    def emit_ended(
        self, handles: Iterable[str], user_id: str | None, reason: EndReason, note: str | None = None
    ) -> None:
        """Emit an event for each session that was ended."""
        for handle in handles:
            self.emit(EventName.SESSION_REVOKED, session_handle=handle, user_id=user_id, reason=reason.value, note=note)
