"""Metrics as values, their sums over several processes, and Prometheus's text format."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
BUCKETS: Final = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, float("inf"))
"""Upper bounds in seconds."""

Samples = dict[str, dict[str, float]]
"""Values by name, then by labels."""


class Family(NamedTuple):
    """A metric that is published. Its label values come from closed lists, never from a request."""

    kind: str
    text: str
    join: Callable[[Iterable[float]], float] = sum
    """How the values of several processes become one."""

    def names(self, name: str) -> list[str]:
        """Return the names of its samples."""
        return [f"{name}{suffix}" for suffix in ("_bucket", "_sum", "_count")] if self.kind == "histogram" else [name]


class Families:
    """The metrics that a process publishes, by name."""

    def __init__(self, families: Mapping[str, Family]) -> None:
        self.families = families
        self._joins = {full: each.join for name, each in families.items() for full in each.names(name)}
        self._gauges = frozenset(name for name, each in families.items() if each.kind == "gauge")

    def joined(self, parts: Iterable[Samples]) -> Samples:
        """Make one set of values out of several; an unknown name is left out."""
        values: dict[str, dict[str, list[float]]] = {name: {} for name in self._joins}
        for part in parts:
            for name in part.keys() & values.keys():
                for labels, value in part[name].items():
                    values[name].setdefault(labels, []).append(value)
        return {name: {labels: self._joins[name](each) for labels, each in of.items()} for name, of in values.items()}

    def counted_in(self, samples: Samples) -> Samples:
        """Leave out gauges, which end with their process."""
        return {name: of for name, of in samples.items() if name not in self._gauges}

    def text_of(self, samples: Samples) -> str:
        """Write values in Prometheus's text format."""
        lines = []
        for name, family in self.families.items():
            lines += [f"# HELP {name} {family.text}", f"# TYPE {name} {family.kind}"]
            for full in family.names(name):
                lines += [f"{full}{labels} {_number(value)}" for labels, value in samples.get(full, {}).items()]
        return "\n".join([*lines, ""])


class Histogram:
    """Durations by one label; what is added costs two list items."""

    def __init__(self, label: str) -> None:
        self._label = label
        self._rows: dict[str, list[float]] = {}

    def add(self, value: str, seconds: float) -> None:
        """Add a duration under a value of the label."""
        row = self._rows.get(value)
        if row is None:
            row = self._rows[value] = [0] * len(BUCKETS) + [0.0]
        row[bisect_left(BUCKETS, seconds)] += 1
        row[-1] += seconds

    def samples(self, name: str) -> Samples:
        """Return its values."""
        buckets: dict[str, float] = {}
        sums, counts = {}, {}
        for value, row in self._rows.items():
            sofar = 0.0
            for bound, count in zip(BUCKETS, row, strict=False):
                sofar += count
                buckets[labels({self._label: value, "le": "+Inf" if bound == BUCKETS[-1] else bound})] = sofar
            sums[labels({self._label: value})], counts[labels({self._label: value})] = round(row[-1], 6), sofar
        return {f"{name}_bucket": buckets, f"{name}_sum": sums, f"{name}_count": counts}


def labels(values: Mapping[str, object]) -> str:
    """Write labels, whose values are words of ours."""
    return "{" + ",".join(f'{name}="{value}"' for name, value in values.items()) + "}"


def _number(value: float) -> str:
    return str(int(value)) if value == int(value) else repr(round(value, 6))
