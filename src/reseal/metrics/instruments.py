"""The counts as observable instruments of OpenTelemetry: read when they are exported, free before."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import Final

from opentelemetry.metrics import CallbackOptions, Meter, Observation

from reseal.metrics.exposition import Samples
from reseal.metrics.health import FAMILIES

COUNTERS: Final = {
    "reseal.sessions.created": ("reseal_sessions_created_total", "{session}"),
    "reseal.sessions.ended": ("reseal_sessions_ended_total", "{session}"),
    "reseal.session.refreshes": ("reseal_refreshes_total", "{refresh}"),
    "reseal.refresh.refused": ("reseal_refresh_refused_total", "{refresh}"),
    "reseal.logouts.spurious_estimate": ("reseal_logouts_spurious_estimate_total", "{logout}"),
    "reseal.store.errors": ("reseal_store_errors_total", "{error}"),
    "reseal.delivery.attempts": ("reseal_delivery_attempts_total", "{attempt}"),
}
"""The name in Prometheus and the unit of each."""
GAUGES: Final = {
    "reseal.session.count": ("reseal_session_count", "{session}"),
    "reseal.delivery.lag": ("reseal_delivery_lag_seconds", "s"),
}
_LABEL: Final = re.compile(r'(\w+)="([^"]+)"')


def publish(meter: Meter, counted: Callable[[], Samples], sampled: Callable[[], Samples]) -> None:
    """Register the instruments. At each export ``counted`` and ``sampled`` are called, for counters and for gauges."""
    for name, (published, unit) in COUNTERS.items():
        read = partial(_read, counted, published)
        meter.create_observable_counter(name, [read], unit, FAMILIES[published].text)
    for name, (published, unit) in GAUGES.items():
        read = partial(_read, sampled, published)
        meter.create_observable_gauge(name, [read], unit, FAMILIES[published].text)


def _read(counted: Callable[[], Samples], name: str, _options: CallbackOptions) -> Iterable[Observation]:
    for labels, value in counted().get(name, {}).items():
        yield Observation(value, {f"reseal.{key}": text for key, text in _LABEL.findall(labels)})
