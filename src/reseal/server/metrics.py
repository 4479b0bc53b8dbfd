"""Numbers for Prometheus, in its text format. Labels come from closed lists, never from what a caller sent."""

from __future__ import annotations

import time
from bisect import bisect_left
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from reseal._async.forwarding import AsyncForwardingStore, T
from reseal._async.ports import AsyncStore
from reseal.core.events import Event, EventName
from reseal.core.model import Scope
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
_UNAVAILABLE: Final = 503

Samples = dict[str, dict[str, float]]
"""Values by name, then by labels."""


class Family(NamedTuple):
    """A name that is published."""

    kind: str
    text: str
    suffixes: tuple[str, ...] = ("",)
    join: Callable[[Iterable[float]], float] = sum
    """How the values of several workers become one."""


FAMILIES: Final = {
    "reseal_requests_total": Family("counter", "Requests by operation and status."),
    "reseal_refused_total": Family("counter", "Rejected malformed requests, by status."),
    "reseal_connections": Family("gauge", "Open connections."),
    "reseal_connections_closed_total": Family(
        "counter", "Idle connections without API key that were closed: too many of one address, or of all."
    ),
    "reseal_refreshes_total": Family("counter", "Refreshes by outcome."),
    "reseal_unavailable_total": Family("counter", "Answers 503."),
    "reseal_store_seconds": Family("histogram", "Time until the store answered.", ("_bucket", "_sum", "_count")),
    # of the store, which all workers share
    "reseal_purge_backlog_sessions": Family(
        "gauge", f"Sessions due to be looked at and removed; {MOST_COUNTED} stands for more.", join=max
    ),
    "reseal_purge_overdue_seconds": Family("gauge", "For how long the first of them has been due.", join=max),
}
_JOINS: Final = {f"{name}{suffix}": each.join for name, each in FAMILIES.items() for suffix in each.suffixes}
_GAUGES: Final = frozenset(name for name, each in FAMILIES.items() if each.kind == "gauge")


class Metrics:
    """The numbers of one process. ``before``: what those counted whose place it takes."""

    def __init__(self, before: Samples | None = None) -> None:
        self.before: Samples = before or {}
        self._requests: Counter[tuple[str, int]] = Counter()
        self._refused: Counter[int] = Counter()
        self._closed: Counter[str] = Counter()
        self.connections: Callable[[], int] = lambda: 0
        """Says how many are open."""
        self._refreshes: Counter[tuple[str, str]] = Counter()
        self._buckets: Counter[float] = Counter()
        self._seconds = 0.0
        self._backlog: Backlog | None = None

    def count_request(self, operation: str, status: int) -> None:
        self._requests[operation, status] += 1

    def count_refused(self, status: int) -> None:
        """Count a malformed request: not HTTP, too slow, or its head too large."""
        self._refused[status] += 1

    def count_closed(self, reason: str) -> None:
        """Count a connection that made room: one ``address`` had too many, or descriptors are ``short``."""
        self._closed[reason] += 1

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

    def samples(self) -> Samples:
        """Return all metrics."""
        unavailable = sum(count for (_, status), count in self._requests.items() if status == _UNAVAILABLE)
        return joined([counted_in(self.before), {
            "reseal_requests_total": {_labels(operation=o, status=s): n for (o, s), n in self._requests.items()},
            "reseal_refused_total": {_labels(status=status): n for status, n in self._refused.items()},
            "reseal_connections": {"": self.connections()},
            "reseal_connections_closed_total": {_labels(reason=reason): n for reason, n in self._closed.items()},
            "reseal_refreshes_total": {_labels(outcome=o, subtype=s): n for (o, s), n in self._refreshes.items()},
            "reseal_unavailable_total": {"": unavailable},
            **self._store_seconds(),
            **self._purging(),
        }])  # fmt: skip

    def _store_seconds(self) -> Samples:
        buckets, sofar = {}, 0
        for bound in BUCKETS:
            sofar += self._buckets[bound]
            buckets[_labels(le="+Inf" if bound == float("inf") else bound)] = float(sofar)
        name = "reseal_store_seconds"
        return {f"{name}_bucket": buckets, f"{name}_sum": {"": round(self._seconds, 6)}, f"{name}_count": {"": sofar}}

    def _purging(self) -> Samples:
        if self._backlog is None:
            return {}
        return {
            "reseal_purge_backlog_sessions": {"": self._backlog.sessions},
            "reseal_purge_overdue_seconds": {"": self._backlog.overdue_ms / 1000},
        }


def joined(parts: Iterable[Samples]) -> Samples:
    """Make one set of numbers out of several; a name that is not known here is left out."""
    values: dict[str, dict[str, list[float]]] = {name: {} for name in _JOINS}
    for part in parts:
        for name in part.keys() & values.keys():
            for labels, value in part[name].items():
                values[name].setdefault(labels, []).append(value)
    return {name: {labels: _JOINS[name](each) for labels, each in of.items()} for name, of in values.items()}


def counted_in(samples: Samples) -> Samples:
    """Leave out gauges, which end with their process."""
    return {name: of for name, of in samples.items() if name not in _GAUGES}


def text_of(samples: Samples) -> str:
    """Write numbers down for Prometheus."""
    lines = []
    for name, family in FAMILIES.items():
        lines += [f"# HELP {name} {family.text}", f"# TYPE {name} {family.kind}"]
        for full in (f"{name}{suffix}" for suffix in family.suffixes):
            lines += [f"{full}{labels} {_number(value)}" for labels, value in samples.get(full, {}).items()]
    return "\n".join([*lines, ""])


def _labels(**values: object) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in values.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))


class TimedStore(AsyncForwardingStore):
    """A store whose every call is timed; ``note`` is called with its seconds, after failed calls too."""

    def __init__(self, inner: AsyncStore, note: Callable[[float], None]) -> None:
        super().__init__(inner)
        self._note = note

    async def _call(self, method: str, scope: Scope | None, call: Callable[[], Awaitable[T]]) -> T:  # noqa: ARG002
        began = time.perf_counter()
        try:
            return await call()
        finally:
            self._note(time.perf_counter() - began)
