"""Django's signals for the events of sessions."""

from __future__ import annotations

from typing import Final

from django.dispatch import Signal

from reseal.core.events import Event
from reseal.log import log_event

session_event: Final[Signal] = Signal()
"""Sent for each security event, in the thread of the request, after it was logged.

Arguments: ``event`` (:class:`reseal.Event`), and of it ``name``, ``user_id``, ``handle`` and ``reason``. The sender is
:class:`reseal.Event`. An exception in a receiver is logged by Django and changes nothing of the request.
"""


def announce(event: Event) -> None:
    """Log an event and send it to the receivers."""
    log_event(event)
    session_event.send_robust(
        Event,
        event=event,
        name=event.name,
        user_id=event.user_id,
        handle=event.session_handle,
        reason=event.reason,
    )
