"""A thousand million sessions, on paper: computed from what was measured, and from assumptions that are named."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from bench.scale.tables import BUSY, HOT, disk_of, memory_of

Figures = dict[str, Any]
GB: Final = 10**9
REFRESHES: Final = ("refresh", "first verify after a refresh")


class Assumed(NamedTuple):
    """What nobody has measured here."""

    sessions: int = 10**9
    refreshing: float = 20e6
    """Users in the busiest hour, who refresh once in it."""
    creates: float = 3500
    """Sign-ins a second in the busiest hour: 100 million a day, three times as many then."""
    cores: int = 16
    memory_gb: int = 128
    machine: float = 500
    """Dollars a month, of one of these machines."""
    disk: float = 0.10
    """Dollars a month, of a gigabyte of SSD."""
    hot: float = HOT


COPIES: Final = {"PostgreSQL": 2, "MariaDB": 3, "Redis": 3}
"""With a synchronous standby; a Galera cluster; two replicas."""
USED: Final = {"PostgreSQL": 0.75, "MariaDB": 0.75, "Redis": 0.6}
"""The share of the memory for data: Redis needs more while it rewrites its log."""


_SPENT: Final = ("database", "own", "log")


class Needs(NamedTuple):
    disk_gb: float
    memory_gb: float
    cores: float
    """Of the database, at the share of the time that they may be busy."""
    own_cores: float
    writes: float
    log_mb: float
    shards: int
    machines: int
    dollars: float


def needs(engine: str, measured: Figures, assumed: Assumed) -> Needs:
    """Compute what an engine needs."""
    calls = {name: measured["calls"][name][-1] for name in (*REFRESHES, "create")}
    rates = dict.fromkeys(REFRESHES, assumed.refreshing / 3600) | {"create": assumed.creates}
    database, own, log = (sum(calls[name][of] * rate for name, rate in rates.items()) / 1e6 for of in _SPENT)
    disk = disk_of(measured) * assumed.sessions / GB
    memory = memory_of(engine, measured, assumed.hot) * assumed.sessions / GB
    shards = math.ceil(max(memory / (assumed.memory_gb * USED[engine]), database / BUSY / assumed.cores))
    machines = shards * COPIES[engine]
    dollars = machines * assumed.machine + disk * COPIES[engine] * assumed.disk
    return Needs(disk, memory, database / BUSY, own / BUSY, sum(rates.values()), log, shards, machines, dollars)


def table(figures: Mapping[str, Figures]) -> str:
    """Write what each engine with a server needs."""
    assumed = Assumed()
    named = {name: needs(name, figures[name], assumed) for name in COPIES if name in figures}
    lines = [f"| | {' | '.join(named)} |", f"|---|{'---|' * len(named)}"]
    for label, cell in (
        ("writes a second", lambda each: f"{each.writes:,.0f}"),
        ("disk, one copy", lambda each: f"{each.disk_gb / 1000:,.1f} TB"),
        ("in memory", lambda each: f"{each.memory_gb:,.0f} GB"),
        ("cores of the database, half busy", lambda each: f"{each.cores:,.1f}"),
        ("cores of the applications for it, half busy", lambda each: f"{each.own_cores:,.1f}"),
        ("log, in a second", lambda each: f"{each.log_mb:,.0f} MB" if each.log_mb else "not measured"),
        ("shards", lambda each: f"{each.shards}"),
        ("machines, with copies", lambda each: f"{each.machines}"),
        ("a month", lambda each: f"${each.dollars:,.0f}"),
        ("a month, for a million sessions", lambda each: f"${each.dollars * 10**6 / assumed.sessions:,.2f}"),
    ):
        lines.append(f"| {label} | {' | '.join(map(cell, named.values()))} |")
    return "\n".join(lines)
