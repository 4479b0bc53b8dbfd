# Generated from src/reseal/_async/kill_reading.py by tools/unasync.py; edit that file instead.
"""Reading the kill list: one reader of each process, which the requests themselves keep up to date.

A request that comes when the next reading is due reads on first; an idle process asks for nothing, and there is no
thread or task that a fork would lose. While the store is silent, verifying goes on with what is known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from reseal._sync.ports.kills import KillPages
from reseal.clock import Clock
from reseal.core import actor
from reseal.core.access_token import Claims
from reseal.core.errors import StoreUnavailable, TryRefreshToken
from reseal.core.jitter import shortened
from reseal.core.kill_list import KillList, KillState, StaleKillList
from reseal.forks import PerProcess
from reseal.log import LOGGER
from reseal.metrics.exposition import Samples
from reseal.settings import Settings
from reseal.settings.rules import SECOND

EVERY: Final = 500
"""Milliseconds between two readings at most."""
PATIENCE: Final = 1_000
"""Age in ms from which requests wait for a reading that another one has begun."""
_JITTER: Final = 0.2
_LONGEST_PAUSE: Final = 8_000
_CHANCE_BYTES: Final = 4


class KillReader:
    """What one process knows of the kill list of an app and tenant."""

    def __init__(self, settings: Settings, store: KillPages, clock: Clock, random: Callable[[int], bytes]) -> None:
        self._scope, self._store = settings.scope, store
        self._clock, self._random = clock, random
        self._max_age, self._when_stale = round(settings.kill_list_max_age * SECOND), settings.kill_list_when_stale
        self._lock = PerProcess(lambda: threading.Lock())  # noqa: PLW0108 - looked up late: gevent patches forked workers
        self._due_at = 0
        self._pause = 0
        """Milliseconds until the next attempt, after one that failed; 0: the last one did not fail."""
        self._was_stale = False
        self.entries = KillList()

    def open(self) -> None:
        """Read the whole list, before the first request. Raises ``StoreUnavailable``."""
        with self._lock.renew():  # if it is opened once more, maybe in another event loop
            self._read()

    def is_due(self) -> bool:
        """Return whether to read on now."""
        return self._clock.monotonic() >= self._due_at

    def wake(self) -> None:
        """Have the next request read on: something has been written."""
        self._due_at = 0

    def keep_fresh(self) -> None:
        """Read on if that is due. Raises nothing: a store that does not answer makes the list older."""
        lock = self._lock.here()
        if lock.locked() and (self._pause or self.age() <= PATIENCE):
            return  # another task is reading it: what is known will do
        with lock:
            if not self.is_due():
                return  # another task has read it
            try:
                self._read()
            except StoreUnavailable as error:
                self._pause = min(_LONGEST_PAUSE, 2 * self._pause or 2 * EVERY)
                self._due_at = self._clock.monotonic() + self._pause
                LOGGER.debug("the kill list could not be read: %s", error)

    def age(self) -> int:
        """Return the age of the list in ms; of one that was never loaded, a very great one."""
        age = self.entries.age(self._clock.monotonic())
        return 2**62 if age is None else age

    def state(self) -> KillState:
        """Return whether the list can be trusted."""
        return self.entries.state(self._clock.monotonic(), self._max_age)

    def samples(self) -> Samples:
        """Return age, entries and state, for metrics."""
        age = self.entries.age(self._clock.monotonic())
        return {
            "reseal_kill_list_age_seconds": {} if age is None else {"": age / 1000},
            "reseal_kill_list_entries": {"": len(self.entries)},
            "reseal_kill_list_stale": {"": int(self.state() is not KillState.FRESH)},
        }

    def check(self, claims: Claims) -> None:
        """Check a verified token. Raises ``TryRefreshToken`` if its session has ended, ``StaleKillList``.

        That of an impersonation has ended with the actor's own, and is not on the list for it.
        """
        acts = actor.stored(bytes(claims.payload))
        for user_id, handle in ((claims.sub, claims.sid),) if acts is None else ((claims.sub, claims.sid), acts):
            if self.entries.kills(handle, user_id, claims.tid, claims.iat * 1000):
                raise TryRefreshToken("its session has ended")
        state = self.state()
        if self._was_stale is (state is KillState.FRESH):
            self._note(state)
        if state is KillState.FULL or (state is not KillState.FRESH and self._when_stale != "open"):
            raise StaleKillList(None if self._when_stale == "closed" else claims)

    def _note(self, state: KillState) -> None:
        self._was_stale = state is not KillState.FRESH
        if self._was_stale:
            age, count = self.age() // 1000, len(self.entries)
            LOGGER.warning("kill_list: %s, %d seconds old with %d entries: %s", state, age, count, self._when_stale)
        else:
            LOGGER.warning("kill_list: up to date again")

    def _read(self) -> None:
        at = self._clock.monotonic()
        while True:
            page = self._store.kill_page(self._scope, self.entries.cursor)
            if self.entries.apply(page, at) and not page.more:
                break
        self._pause = 0
        self._due_at = at + shortened(EVERY, _JITTER, self._random(_CHANCE_BYTES))
