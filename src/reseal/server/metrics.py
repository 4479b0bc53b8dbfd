"""The metrics of one process of the service: those of its requests, beside the health of its sessions."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Final

from reseal._async.forwarding import AsyncForwardingStore, P, T
from reseal._async.ports import AsyncStore
from reseal.core.errors import StoreUnavailable
from reseal.core.model import Scope
from reseal.metrics import health
from reseal.metrics.exposition import Families, Family, Samples, labels
from reseal.metrics.health import SessionHealth

FAMILIES: Final = Families(
    {
        "reseal_requests_total": Family("counter", "Requests by operation and status."),
        "reseal_refused_total": Family("counter", "Rejected requests, by status: malformed, or too many (503)."),
        "reseal_connections": Family("gauge", "Open connections."),
        "reseal_connections_closed_total": Family(
            "counter", "Idle connections without API key that were closed: too many of one address, or of all."
        ),
        "reseal_unavailable_total": Family("counter", "Answers 503."),
        **health.FAMILIES,
    }
)
REFRESHES: Final = frozenset({"refresh", "rpc_refresh"})
"""The operations whose time counts as that of a refresh."""
_UNAVAILABLE: Final = 503
FAILED: Final = 500


class Metrics(SessionHealth):
    """The metrics of one process. ``before``: what those counted whose place it takes."""

    def __init__(self, before: Samples | None = None) -> None:
        super().__init__()
        self.before: Samples = before or {}
        self._requests: Counter[tuple[str, int]] = Counter()
        self._refused: Counter[int] = Counter()
        self._closed: Counter[str] = Counter()
        self.connections: Callable[[], int] = lambda: 0
        """Says how many are open."""

    def count_request(self, operation: str, status: int) -> None:
        self._requests[operation, status] += 1

    def count_refused(self, status: int) -> None:
        """Count a request that was not read: not HTTP, too slow, its head too large, or one too many."""
        self._refused[status] += 1

    def count_closed(self, reason: str) -> None:
        """Count a connection that made room: one ``address`` had too many, or descriptors are ``short``."""
        self._closed[reason] += 1

    def samples(self) -> Samples:
        """Return all metrics."""
        unavailable = sum(count for (_, status), count in self._requests.items() if status == _UNAVAILABLE)
        requests: dict[str, float] = {
            labels({"operation": operation, "status": status}): count
            for (operation, status), count in self._requests.items()
        }
        return FAMILIES.joined([FAMILIES.counted_in(self.before), {
            "reseal_requests_total": requests,
            "reseal_refused_total": {labels({"status": status}): n for status, n in self._refused.items()},
            "reseal_connections": {"": self.connections()},
            "reseal_connections_closed_total": {labels({"reason": reason}): n for reason, n in self._closed.items()},
            "reseal_unavailable_total": {"": unavailable},
            **super().samples(),
        }])  # fmt: skip


class TimedStore(AsyncForwardingStore):
    """A store whose calls are timed, and their failures counted."""

    def __init__(self, inner: AsyncStore, metrics: SessionHealth) -> None:
        super().__init__(inner)
        self._metrics = metrics

    async def _call(
        self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        began = time.perf_counter()
        try:
            return await call(*args, **kwargs)
        except StoreUnavailable as error:
            self._metrics.note_error(method, error)
            raise
        finally:
            self._metrics.note_store(method, time.perf_counter() - began)
