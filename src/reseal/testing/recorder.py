"""A listener that remembers."""

from __future__ import annotations

from reseal.core.events import Event, EventName


class Recorder:
    """Keeps the security events of a test: pass it as ``on_event``."""

    def __init__(self) -> None:
        self.all: list[Event] = []

    def __call__(self, event: Event) -> None:
        self.all.append(event)

    def named(self, name: EventName) -> list[Event]:
        """Return the events of one name, oldest first."""
        return [event for event in self.all if event.name is name]

    def forget(self) -> None:
        """Forget all events."""
        self.all.clear()
