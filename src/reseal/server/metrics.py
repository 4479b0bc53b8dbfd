"""Numbers for Prometheus, in its text format. Labels come from closed lists, never from what a caller sent."""

from __future__ import annotations

import os
import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, cast

from reseal._async.ports import AsyncStore
from reseal.core.events import Event, EventName
from reseal.core.purging import MOST_COUNTED, Backlog

CONTENT_TYPE: Final = b"text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, float("inf"))
"""Upper bounds in seconds."""
_OUTCOMES: Final = {
    EventName.SESSION_REFRESHED: "ok",
    EventName.SESSION_REPLAYED: "replayed",
    EventName.TOKEN_THEFT: "theft",
}
_SUBTYPES: Final = frozenset({"previous", "older"})
_TIMED: Final = frozenset(
    {"insert", "get", "rotate", "replace", "end", "end_user", "list_user", "purge", "tenants", "put_tenant"}
    | {"backlog", "remove_tenant", "keys", "add_key", "remove_keys"}
)


class Metrics:
    """The numbers of one process."""

    def __init__(self, *, pid: int | None = None) -> None:
        self._pid = os.getpid() if pid is None else pid
        self._requests: Counter[tuple[str, int]] = Counter()
        self._refused: Counter[int] = Counter()
        self._refreshes: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0
        self._backlog: Backlog | None = None

    def count_request(self, operation: str, status: int) -> None:
        self._requests[operation, status] += 1

    def count_refused(self, status: int) -> None:
        """Count what was no request: not HTTP, too slow, or its head too large."""
        self._refused[status] += 1

    def count_event(self, event: Event) -> None:
        outcome = _OUTCOMES.get(event.name)
        if outcome is not None:
            self._refreshes[outcome, event.reason if event.reason in _SUBTYPES else ""] += 1

    def note_store(self, seconds: float) -> None:
        self._buckets[BUCKETS[bisect_left(BUCKETS, seconds)]] += 1
        self._seconds += seconds

    def note_backlog(self, backlog: Backlog) -> None:
        """Take note of how far purging is behind."""
        self._backlog = backlog

    def text(self) -> str:
        """Write everything down."""
        unavailable = sum(count for (_, status), count in self._requests.items() if status == 503)  # noqa: PLR2004
        requests = {f'operation="{name}",status="{status}"': n for (name, status), n in self._requests.items()}
        refreshes = {f'outcome="{name}",subtype="{kind}"': n for (name, kind), n in self._refreshes.items()}
        refused = {f'status="{status}"': n for status, n in self._refused.items()}
        buckets, sofar = {}, 0
        for bound in BUCKETS:
            sofar += self._buckets[bound]
            buckets[f'le="{"+Inf" if bound == float("inf") else bound}"'] = sofar
        store = "reseal_store_seconds"
        return "".join(
            (
                self._family("reseal_requests_total", "counter", "Requests by operation and status.", requests),
                self._family("reseal_refused_total", "counter", "What was no request, by status.", refused),
                self._family("reseal_refreshes_total", "counter", "Refreshes by outcome.", refreshes),
                self._family("reseal_unavailable_total", "counter", "Answers 503.", {"": unavailable}),
                self._family(store, "histogram", "Time until the store answered.", buckets, suffix="_bucket"),
                self._sample(f"{store}_sum", "", round(self._seconds, 6)),
                self._sample(f"{store}_count", "", sofar),
                *self._purging(),
            )
        )

    def _purging(self) -> Iterator[str]:
        if self._backlog is None:
            return
        text = f"Sessions due to be looked at and removed; {MOST_COUNTED} stands for more."
        yield self._family("reseal_purge_backlog_sessions", "gauge", text, {"": self._backlog.sessions})
        text = "For how long the first of them has been due."
        overdue = {"": self._backlog.overdue_ms / 1000}
        yield self._family("reseal_purge_overdue_seconds", "gauge", text, overdue)

    def _family(self, name: str, kind: str, text: str, samples: Mapping[str, float], suffix: str = "") -> str:
        lines = (self._sample(name + suffix, labels, value) for labels, value in samples.items())
        return f"# HELP {name} {text}\n# TYPE {name} {kind}\n{''.join(lines)}"

    def _sample(self, name: str, labels: str, value: float) -> str:
        return f'{name}{{pid="{self._pid}"{"," if labels else ""}{labels}}} {value}\n'


class _Timed:
    """A store whose every call is timed."""

    def __init__(self, store: AsyncStore, note: Callable[[float], None]) -> None:
        self._store = store
        self._note = note

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name not in _TIMED:
            return call

        async def timed(*arguments: Any, **named: Any) -> Any:
            began = time.perf_counter()
            try:
                return await call(*arguments, **named)
            finally:
                self._note(time.perf_counter() - began)

        setattr(self, name, timed)  # looked up once
        return timed


def timed(store: AsyncStore, note: Callable[[float], None]) -> AsyncStore:
    """Wrap a store; ``note`` is told the seconds of every call, failed ones too."""
    return cast("AsyncStore", _Timed(store, note))  # it has every method of the port by delegation
