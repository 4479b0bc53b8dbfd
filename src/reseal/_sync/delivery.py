# Generated from src/reseal/_async/delivery.py by tools/unasync.py; edit that file instead.
"""Delivery of events from the outbox to a handler, at least once."""

from __future__ import annotations

from reseal._sync.awaited import Handler, handle
from reseal._sync.ports import Sessions
from reseal.core.outbox import Delivered
from reseal.log import LOGGER


def deliver(sessions: Sessions, consumer: str, handler: Handler, limit: int) -> Delivered:
    """Have a handler handle the next events, and acknowledge those before its first error, which is raised here."""
    page = sessions.read_events(consumer, limit)
    if page.lost:
        LOGGER.warning("consumer %s missed %d events, which are no longer in the outbox", consumer, page.lost)
    handled = 0
    try:
        for event in page.events:
            handle(handler, event)
            handled += 1
    finally:
        if handled or (page.lost and not page.events):
            sessions.acknowledge_events(consumer, page.cursor_after(handled))
    return Delivered(handled, page.lost)
