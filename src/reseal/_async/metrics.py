"""The metrics of an embedded Reseal. Nothing is counted, and nothing costs time, until they are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from inspect import getmembers, isfunction
from typing import Any, Final, TypeVar

from reseal._async.engine import AsyncEngine
from reseal._async.gauges import AsyncGauges
from reseal._async.ports import AsyncSessions, AsyncStore
from reseal._async.reseal import AsyncReseal
from reseal.clock import Clock, SystemClock
from reseal.core.deliveries import Attempt
from reseal.core.errors import ResealError, StoreUnavailable
from reseal.core.events import Event
from reseal.metrics.exposition import Families, Samples
from reseal.metrics.health import FAMILIES, SessionHealth, age_of_keys

T = TypeVar("T")

_FAMILIES: Final = Families(FAMILIES)
_CALLS: Final = tuple(
    name for name, _ in getmembers(AsyncStore, isfunction) if not name.startswith("_") and name not in {"open", "close"}
)


class AsyncMetrics:
    """The session health of one process, for Prometheus. Make it before the first request.

    ``consumers``: consumers of the outbox whose lag is published; their names become label values. With ``Remote``
    sessions the service counts events and store calls; only refreshes are timed here.
    """

    def __init__(self, reseal: AsyncReseal, *, consumers: Iterable[str] = (), clock: Clock | None = None) -> None:
        self.health: SessionHealth = SessionHealth()
        self._lock = threading.Lock()
        self._clock = clock or SystemClock()
        reseal.observe(self._count)
        backend = innermost(reseal.backend)
        replace_calls(backend, ("refresh",), lambda _, call: self._timed_refresh(call))
        self._engine = backend if isinstance(backend, AsyncEngine) else None
        self._kills: Any = getattr(backend, "kills", None)
        self._gauges: AsyncGauges | None = None
        if self._engine is not None:
            store = self._engine.observe(self._count)
            replace_calls(store, _CALLS, self._timed)
            self._gauges = AsyncGauges(store, consumers, self._clock)

    async def text(self) -> str:
        """Return the metrics in Prometheus's text format (``reseal.metrics.exposition.CONTENT_TYPE``)."""
        return _FAMILIES.text_of(await self.samples())

    async def samples(self) -> Samples:
        """Return the values by name and labels; gauges of the store are at most a minute old."""
        found = (await self._gauges.samples() if self._gauges else {}) | self.counted()
        if self._engine is not None:
            await self._engine.keep_fresh()
            found |= age_of_keys([self._engine.signing_since()], self._clock.wall())
        return found | (self._kills.samples() if self._kills else {})

    def counted(self) -> Samples:
        """Return what was counted so far, without gauges that need the store."""
        with self._lock:
            return self.health.samples()

    def sampled(self) -> Samples:
        """Return the gauges of the store as :meth:`samples` found them the last time."""
        return self._gauges.latest if self._gauges else {}

    def note_attempt(self, attempt: Attempt) -> None:
        """Count an attempt to deliver an event of the outbox."""
        with self._lock:
            self.health.count_attempt(attempt)

    def _count(self, event: Event) -> None:
        with self._lock:
            self.health.count_event(event)

    def _timed_refresh(self, call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def refresh(*args: Any, **named: Any) -> T:
            began, failed = time.perf_counter(), True
            try:
                answer = await call(*args, **named)
                failed = False
            except ResealError as error:
                failed = isinstance(error, StoreUnavailable)
                raise
            finally:
                with self._lock:
                    self.health.note_refresh(time.perf_counter() - began, failed=failed)
            return answer

        return refresh

    def _timed(self, name: str, call: Callable[..., Awaitable[T]]) -> Callable[..., Awaitable[T]]:
        async def timed(*args: Any, **named: Any) -> T:
            began = time.perf_counter()
            try:
                return await call(*args, **named)
            except StoreUnavailable as error:
                with self._lock:
                    self.health.note_error(name, error)
                raise
            finally:
                with self._lock:
                    self.health.note_store(name, time.perf_counter() - began)

        return timed


def replace_calls(target: object, names: Iterable[str], around: Callable[[str, Callable[..., Any]], object]) -> None:
    """Put something around methods of one object: those who do not use it call the methods themselves."""
    for name in names:
        setattr(target, name, around(name, getattr(target, name)))


def innermost(sessions: AsyncSessions) -> AsyncSessions:
    """Return the sessions on which others were put."""
    while (inner := getattr(sessions, "inner", None)) is not None:
        sessions = inner
    return sessions
