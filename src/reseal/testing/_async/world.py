"""The surroundings of a test: one clock, one set of data, any number of engines over it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, Self

from reseal._async.engine import AsyncEngine
from reseal._async.ports import AsyncSessions, AsyncStore
from reseal.clock import Clock
from reseal.settings import Settings
from reseal.testing._async.faulty import AsyncFaultyStore
from reseal.testing.clock import ManualClock
from reseal.testing.recorder import Recorder

API: Final = "https://api.example.com"


class AsyncWorld:
    """Use as ``async with AsyncWorld(make_store) as world``; every engine is closed at the end.

    ``make_store(clock)`` opens a further way to the same data each time. To test sessions that are not an engine,
    override ``make_sessions``.
    """

    trials: int = 10_000
    """Rounds of a test that tries many tokens. Fewer where each is a request."""

    def __init__(self, make_store: Callable[[Clock], AsyncStore]) -> None:
        self.clock: ManualClock = ManualClock()
        self.events: Recorder = Recorder()
        self.stores: list[AsyncFaultyStore] = []
        self._make_store = make_store
        self._open: list[AsyncSessions] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    @property
    def store(self) -> AsyncFaultyStore:
        """The store under the sessions that were begun last."""
        return self.stores[-1]

    async def sessions(self, **changes: Any) -> AsyncSessions:
        """Open sessions over the data of this world, with these settings changed."""
        store = AsyncFaultyStore(self._make_store(self.clock))
        sessions = self.make_sessions(Settings(**({"api_domain": API} | changes)), store)
        self.stores.append(store)
        self._open.append(sessions)
        await sessions.open()
        return sessions

    async def restart(self, **changes: Any) -> AsyncSessions:
        """Close everything and open new sessions over what was kept."""
        await self.stop()
        return await self.sessions(**changes)

    async def stop(self) -> None:
        """Close everything; what was acknowledged stays."""
        while self._open:
            await self._open.pop().close()

    def make_sessions(self, settings: Settings, store: AsyncStore) -> AsyncSessions:
        """Make the sessions under test."""
        return AsyncEngine(settings, store, clock=self.clock, on_event=self.events)
