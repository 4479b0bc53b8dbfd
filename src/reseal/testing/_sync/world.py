# Generated from src/reseal/testing/_async/world.py by tools/unasync.py; edit that file instead.
"""The surroundings of a test: one clock, one set of data, any number of engines over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self

from reseal._sync.engine import Engine
from reseal._sync.ports import Sessions, Store
from reseal.clock import Clock
from reseal.settings import Settings
from reseal.testing._sync.faulty import FaultyStore
from reseal.testing.clock import ManualClock
from reseal.testing.recorder import Recorder

API: Final = "https://api.example.com"


class World:
    """Use as ``with World(make_store) as world``; every engine is closed at the end.

    ``make_store(clock)`` opens a further way to the same data each time. To test sessions that are not an engine,
    override ``make_sessions``.
    """

    trials: int = 10_000
    """Rounds of a test that tries many tokens. Fewer where each is a request."""

    def __init__(self, make_store: Callable[[Clock], Store]) -> None:
        self.clock: ManualClock = ManualClock()
        self.events: Recorder = Recorder()
        self.stores: list[FaultyStore] = []
        self._make_store = make_store
        self._open: list[Sessions] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def store(self) -> FaultyStore:
        """The store under the sessions that were begun last."""
        return self.stores[-1]

    def sessions(self, **changes: Any) -> Sessions:
        """Open sessions over the data of this world, with these settings changed."""
        store = FaultyStore(self._make_store(self.clock))
        sessions = self.make_sessions(Settings(**({"api_domain": API} | changes)), store)
        self.stores.append(store)
        self._open.append(sessions)
        sessions.open()
        return sessions

    def restart(self, **changes: Any) -> Sessions:
        """Close everything and open new sessions over what was kept."""
        self.stop()
        return self.sessions(**changes)

    def stop(self) -> None:
        """Close everything; what was acknowledged stays."""
        while self._open:
            self._open.pop().close()

    def make_sessions(self, settings: Settings, store: Store) -> Sessions:
        """Make the sessions under test."""
        return Engine(settings, store, clock=self.clock, on_event=self.events)
