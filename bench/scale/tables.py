"""Tables and plots of what was measured, and where it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

FIGURES: Final = Path(__file__).with_name("figures.json")
Figures = dict[str, Any]
MILLION: Final = 10**6


def recorded() -> Figures:
    """Return the recorded figures, by engine."""
    figures: Figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    return figures


def record(engine: str, measured: Figures) -> None:
    """Keep the figures of an engine."""
    FIGURES.write_text(json.dumps(recorded() | {engine: measured}, indent=1, ensure_ascii=False) + "\n", "utf-8")


def calls_table(measured: Figures) -> str:
    """Write the time of each call at each size, and how it grows from the first to the others."""
    first, *others = (size_name(size) for size in measured["sizes"])
    grows = "".join(f" {each} ÷ {first} | its processor time |" for each in others)
    head = f"| a call, µs | {' | '.join((first, *others))} | calls a second | own + database's processor time |{grows}"
    lines = [head, f"|---|{'---|' * (head.count('|') - 2)}"]
    for name, each in measured["calls"].items():
        low, middle, high = each[-1]["wall"]
        times = [f"{size['wall'][1]:.0f}" for size in each[:-1]] + [f"{middle:.0f} ({low:.0f}–{high:.0f})"]
        growth = [f"{size['growth']:.2f} × | {size['growth_of_work']:.2f} ×" for size in each[1:]]
        work = f"{each[-1]['own']:.0f} + {each[-1]['database']:.0f}"
        lines.append(f"| {name} | {' | '.join((*times, f'{1e6 / middle:,.0f}', work, *growth))} |")
    return "\n".join(lines)


def space_table(figures: Mapping[str, Figures]) -> str:
    """Write what a session takes, by the largest store of each engine."""
    head = ("", "sessions", "disk, a session", "of it", "memory, a million sessions", "filled in")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for engine, measured in figures.items():
        size, filled = measured["sizes"][-1], measured["filled"][-1]
        disk = sum(filled["disk"].values()) - filled["disk_before"]
        before, after = filled["memory"]
        memory = f"{(after - before) * MILLION / size:,.0f} MB" if engine == "Redis" else ""
        cells = (size_name(size), f"{disk / size:,.0f} bytes", _parts(filled["disk"], size), memory)
        lines.append(f"| {engine} | {' | '.join(cells)} | {filled['seconds']:,.0f} s |")
    return "\n".join(lines)


def _parts(disk: Mapping[str, int], size: int) -> str:
    """Write what the table and each index take of it."""
    if len(disk) == 1:
        return ""
    return ", ".join(f"{name.removeprefix('reseal_')} {taken / size:,.0f}" for name, taken in disk.items())


def size_name(size: int) -> str:
    """Write a size as a power of ten if it is one."""
    power = len(str(size)) - 1
    return f"10^{power}" if size == 10**power else f"{size:,}"
