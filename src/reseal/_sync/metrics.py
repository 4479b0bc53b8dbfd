# Generated from src/reseal/_async/metrics.py by tools/unasync.py; edit that file instead.
"""The metrics of an embedded Reseal. Nothing is counted, and nothing costs time, until they are made."""

from __future__ import annotations

import threading
import time
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from inspect import getmembers, isfunction
from typing import Any, Final, TypeVar

from reseal._sync.engine import Engine
from reseal._sync.ports import Sessions, Store
from reseal._sync.reseal import Reseal
from reseal.clock import Clock, SystemClock
from reseal.core.errors import ResealError, StoreUnavailable
from reseal.core.events import Event
from reseal.metrics.exposition import Families, Samples, labels
from reseal.metrics.health import FAMILIES, SessionHealth

T = TypeVar("T")

SAMPLED_EVERY: Final = 60_000
"""Milliseconds between two questions to the store for gauges."""
_FAMILIES: Final = Families(FAMILIES)
_CALLS: Final = tuple(
    name for name, _ in getmembers(Store, isfunction) if not name.startswith("_") and name not in {"open", "close"}
)


class Metrics:
    """The session health of one process, for Prometheus. Make it before the first request.

    ``consumers``: consumers of the outbox whose lag is published; their names become label values. With ``Remote``
    sessions the service counts events and store calls; only refreshes are timed here.
    """

    def __init__(self, reseal: Reseal, *, consumers: Iterable[str] = (), clock: Clock | None = None) -> None:
        self.health: SessionHealth = SessionHealth()
        self._lock = threading.Lock()
        self._clock = clock or SystemClock()
        self._consumers = tuple(consumers)
        self._lags: dict[str, float] = {}
        self._sampled_at: int | None = None
        reseal.observe(self._count)
        backend = innermost(reseal.backend)
        replace_calls(backend, ("refresh",), lambda _, call: self._timed_refresh(call))
        self._engine = backend if isinstance(backend, Engine) else None
        self._store: Store | None = None if self._engine is None else self._engine.observe(self._count)
        if self._store is not None:
            replace_calls(self._store, _CALLS, self._timed)

    def text(self) -> str:
        """Return the metrics in Prometheus's text format (``reseal.metrics.exposition.CONTENT_TYPE``)."""
        return _FAMILIES.text_of(self.samples())

    def samples(self) -> Samples:
        """Return the values by name and labels; gauges of the store are at most a minute old."""
        self._sample()
        found = self.counted()
        if self._engine is not None:
            age = self._clock.wall() - self._engine.signing_since()
            found["reseal_signing_key_age_seconds"] = {"": max(0, age) / 1000}
        found["reseal_delivery_lag_seconds"] = {labels({"channel": name}): lag for name, lag in self._lags.items()}
        return found

    def counted(self) -> Samples:
        """Return what was counted so far, without gauges that need the store."""
        with self._lock:
            return self.health.samples()

    def _count(self, event: Event) -> None:
        with self._lock:
            self.health.count_event(event)

    def _sample(self) -> None:
        now = self._clock.monotonic()
        if self._store is None or (self._sampled_at is not None and now - self._sampled_at < SAMPLED_EVERY):
            return
        self._sampled_at = now
        with suppress(StoreUnavailable):  # the calls that failed are counted
            self.health.note_backlog(self._store.backlog())
            for name in self._consumers:
                events = (self._store.read_events(name, 1)).events
                self._lags[name] = max(0, self._clock.wall() - events[0].at) / 1000 if events else 0

    def _timed_refresh(self, call: Callable[..., T]) -> Callable[..., T]:
        def refresh(*args: Any, **named: Any) -> T:
            began, failed = time.perf_counter(), True
            try:
                answer = call(*args, **named)
                failed = False
            except ResealError as error:
                failed = isinstance(error, StoreUnavailable)
                raise
            finally:
                with self._lock:
                    self.health.note_refresh(time.perf_counter() - began, failed=failed)
            return answer

        return refresh

    def _timed(self, name: str, call: Callable[..., T]) -> Callable[..., T]:
        def timed(*args: Any, **named: Any) -> T:
            began = time.perf_counter()
            try:
                return call(*args, **named)
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


def innermost(sessions: Sessions) -> Sessions:
    """Return the sessions on which others were put."""
    while (inner := getattr(sessions, "inner", None)) is not None:
        sessions = inner
    return sessions
