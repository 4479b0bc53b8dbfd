"""How many users a machine carries: computed from what the calls of the service take.

python -m bench.sizing [--refresh-every 3600] [--verify-every 10] [--busy 0.5] [--cores 4]

Prints the tables of ``docs/how-to/sizing.md`` for other habits of users, from the recorded figures.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.service import PAIR, Figures

FIGURES: Final = Path(__file__).with_name("figures.json")
CONNECTIONS: Final = 32
ENGINES: Final = (("SQLite", "ES256"), ("SQLite", "RS256"), ("PostgreSQL", "ES256"), ("PostgreSQL", "RS256"))
CORES: Final = (1, 2, 4, 8)


@dataclass(frozen=True)
class Habits:
    """What an active user causes. Seconds."""

    refresh_every: float = 3600
    """The life of an access token: who is active refreshes once in it."""
    verify_every: float | None = None
    """Between two requests that ask the service about the session; ``None``: the SDK verifies by itself."""
    create_every: float = 86_400
    """Between two sign-ins."""


@dataclass(frozen=True)
class Cost:
    """The processor time of a call, in microseconds."""

    own: float
    database: float

    @property
    def total(self) -> float:
        return self.own + self.database


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refresh-every", type=float, default=3600, help="seconds: access_token_validity")
    parser.add_argument("--verify-every", type=float, help="seconds between verifies of a user against the store")
    parser.add_argument("--busy", type=float, default=0.5, help="share of the cores that may be used")
    parser.add_argument("--cores", type=int, nargs="+", default=CORES)
    options = parser.parse_args()
    habits = Habits(options.refresh_every, options.verify_every)
    print(users_table(recorded(), habits, options.cores, options.busy))


def recorded() -> Figures:
    """Return the recorded figures."""
    figures: Figures = json.loads(FIGURES.read_text("utf-8"))
    return figures


def users(costs: dict[str, Cost], habits: Habits, cores: int, busy: float, *, database: bool) -> int:
    """Return how many active users keep the cores busy for that share of their time, in two digits.

    SQLite (``database=False``) has one worker, so that one core is all that it uses.
    """
    microseconds = costs[PAIR].total / habits.refresh_every + costs["create"].total / habits.create_every
    if habits.verify_every is not None:
        microseconds += costs["verify against the store"].total / habits.verify_every
    return _two_digits((cores if database else 1) * busy * 1e6 / microseconds)


def costs_of(figures: Figures, store: str, algorithm: str) -> dict[str, Cost]:
    """Return what the calls of one worker take, by their names in ``bench.service``."""
    for service in figures["service"]:
        if (service["store"], service["algorithm"], service["workers"]) == (store, algorithm, 1):
            rows = next(load["rows"] for load in service["loads"] if load["connections"] == CONNECTIONS)
            return {name: Cost(row["own"][1], row["database"][1]) for name, row in rows.items()}
    raise LookupError(f"nothing is recorded of {store} with {algorithm}")


def users_table(figures: Figures, habits: Habits, cores: Sequence[int] = CORES, busy: float = 0.5) -> str:
    """Write how many users machines of so many cores carry."""
    lines = [
        f"| active users | {' | '.join(f'{count} core' if count == 1 else f'{count} cores' for count in cores)} |",
        f"|---|{'---|' * len(cores)}",
    ]
    for store, algorithm in ENGINES:
        costs, database = costs_of(figures, store, algorithm), store != "SQLite"
        cells = [
            f"{users(costs, habits, count, busy, database=database):,}" if database or count == cores[0] else "the same"
            for count in cores
        ]
        lines.append(f"| {store}, {algorithm} | {' | '.join(cells)} |")
    return "\n".join(lines)


def tables(figures: Figures) -> Iterator[tuple[str, str]]:
    """Write the tables of ``docs/how-to/sizing.md``, with their names there."""
    yield "costs", _costs_table(figures)
    yield "users", users_table(figures, Habits())
    yield "users, 15 minutes", users_table(figures, Habits(refresh_every=900))
    yield "users, store", users_table(figures, Habits(verify_every=10))
    yield "memory", _memory_table(figures)


def _costs_table(figures: Figures) -> str:
    names = (PAIR, "create", "verify, seen before", "verify, not seen before", "verify against the store")
    lines = [f"| processor time of a call | {' | '.join(names)} |", f"|---|{'---|' * len(names)}"]
    for store, algorithm in ENGINES:
        costs = costs_of(figures, store, algorithm)
        lines.append(f"| {store}, {algorithm} | {' | '.join(_cost(costs[name]) for name in names)} |")
    return "\n".join(lines)


def _cost(cost: Cost) -> str:
    return f"{cost.own:.0f} + {cost.database:.0f} µs" if cost.database >= 1 else f"{cost.own:.0f} µs"


def _memory_table(figures: Figures) -> str:
    lines = ["| | resident, idle | after a load | bytes of a session on disk |", "|---|---|---|---|"]
    for service in figures["service"]:
        if service["algorithm"] == "ES256":
            idle, after = service["memory"]["service"]
            many = "one worker" if service["workers"] == 1 else f"{service['workers']} workers and their parent"
            size = figures["disk"][service["store"]]
            lines.append(f"| {service['store']}, {many} | {idle:.0f} MB | {after:.0f} MB | {size:,} |")
    return "\n".join(lines)


def _two_digits(value: float) -> int:
    """Round down: more would be said than was measured."""
    unit = 10 ** max(len(str(int(value))) - 2, 0)
    return int(value // unit * unit)


if __name__ == "__main__":
    main()
