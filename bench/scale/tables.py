"""Tables and plots of what was measured, and where it is kept."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from bench.plots import Bar, chart

FIGURES: Final = Path(__file__).with_name("figures.json")
Figures = dict[str, Any]
MILLION: Final = 10**6
GROWTH: Final = 1.5
"""The target: so much longer a call may take than among the fewest sessions."""
BUSY: Final = 0.5
"""The share of the cores that may be used."""
HOUR: Final = 3600


def recorded() -> Figures:
    """Return the recorded figures, by engine."""
    figures: Figures = json.loads(FIGURES.read_text("utf-8")) if FIGURES.exists() else {}
    return figures


def record(engine: str, measured: Figures) -> None:
    """Keep the figures of an engine."""
    FIGURES.write_text(json.dumps(recorded() | {engine: measured}, indent=1, ensure_ascii=False) + "\n", "utf-8")


def parts(figures: Figures) -> Iterator[tuple[str, str]]:
    """Write the parts of ``docs/benchmarks.md``, with their names there."""
    for engine, measured in sorted(figures.items()):
        load = "{:.0f} before and {:.0f} after".format(*measured["load"])
        first = f"{engine}, {measured['when']}, {measured['machine']}, {measured['rounds']} rounds, load {load}:"
        yield f"scale: {engine}", f"{first}\n\n{calls_table(measured)}\n\n{verdict(measured)}"


def sizing_parts(figures: Figures) -> Iterator[tuple[str, str]]:
    """Write the parts of ``docs/how-to/sizing.md``, with their names there."""
    yield "engines", machine_table(figures)
    yield "space", space_table(figures)


def images(figures: Figures) -> Iterator[tuple[str, str]]:
    """Draw the plots, with the names of their files."""
    for engine, measured in sorted(figures.items()):
        yield f"scale-{engine.lower()}.svg", growth_chart(engine, measured)
    yield "scale-disk.svg", disk_chart(figures)


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


def verdict(measured: Figures) -> str:
    """Say which calls grow by more than the target."""
    above = [name for name, each in measured["calls"].items() if each[-1]["growth"] > GROWTH]
    if not above:
        return f"No call takes more than {GROWTH} × the time."
    more = [f"{name} (its processor time {measured['calls'][name][-1]['growth_of_work']:.2f} ×)" for name in above]
    return f"More than {GROWTH} × the time: {', '.join(more)}."


def space_table(figures: Mapping[str, Figures]) -> str:
    """Write what a session takes, by the largest store of each engine."""
    head = ("", "sessions", "disk, a session", "of it", "memory, a million sessions", "filled in")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for engine, measured in sorted(figures.items()):
        size, filled = measured["sizes"][-1], measured["filled"][-1]
        before, after = filled["memory"]
        memory = f"{(after - before) * MILLION / size:,.0f} MB" if engine == "Redis" else ""
        cells = (size_name(size), f"{disk_of(measured):,.0f} bytes", _parts(filled["disk"], size), memory)
        lines.append(f"| {engine} | {' | '.join(cells)} | {filled['seconds']:,.0f} s |")
    return "\n".join(lines)


def machine_table(figures: Mapping[str, Figures]) -> str:
    """Write what a core carries: by processor time, which other work on the machine changes least."""
    head = ("embedded, among so many sessions", "refresh: own + database's", "refreshes a second of a core, half busy")
    head += ("users of a core who refresh once an hour", "log of the server, a refresh")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for engine, measured in sorted(figures.items()):
        refresh, verify = (measured["calls"][name][-1] for name in ("refresh", "first verify after a refresh"))
        taken = refresh["own"] + refresh["database"]
        users = int(BUSY * HOUR * MILLION / (taken + verify["own"] + verify["database"]) / 10**5) * 10**5
        log = f"{refresh['log']:,} bytes" if refresh["log"] else ""
        cost = f"{refresh['own']:.0f} + {refresh['database']:.0f} µs"
        cells = (cost, f"{BUSY * MILLION / taken:,.0f}", f"{users:,}", log)
        lines.append(f"| {engine}, {size_name(measured['sizes'][-1])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def growth_chart(engine: str, measured: Figures) -> str:
    """Draw how much longer each call takes in the larger stores."""
    first, *others = (size_name(size) for size in measured["sizes"])
    bars = [
        Bar(call if not n else "", {f"{name} sessions": size["growth"]}, begins_group=not n)
        for call, each in measured["calls"].items()
        for n, (name, size) in enumerate(zip(others, each[1:], strict=True))
    ]
    axis = f"time of a call, as a multiple of that among {first} sessions"
    return chart(f"Calls in large stores: {engine}", axis, bars, [f"{name} sessions" for name in others])


def disk_chart(figures: Mapping[str, Figures]) -> str:
    """Draw the bytes of a session: its row, and its entries in indexes."""
    bars = []
    for engine, measured in sorted(figures.items()):
        indexes = [taken / measured["sizes"][-1] for taken in list(measured["filled"][-1]["disk"].values())[1:]]
        kept = {"row": disk_of(measured) - sum(indexes), "indexes": sum(indexes)}
        if not indexes:
            kept = {"row and indexes": kept["row"]}
        bars.append(Bar(engine, kept, begins_group=True))
    return chart("A session on disk", "bytes", bars, ("row", "indexes", "row and indexes"))


def disk_of(measured: Figures) -> float:
    """Return the bytes of a session on disk. A log counts as it is written first: before Redis rewrites it."""
    n = 0 if "the log" in measured["filled"][0]["disk"] else -1
    filled = measured["filled"][n]
    taken: float = (sum(filled["disk"].values()) - filled["disk_before"]) / measured["sizes"][n]
    return taken


def _parts(disk: Mapping[str, int], size: int) -> str:
    """Write what the table and each index take of it."""
    if len(disk) == 1:
        return ""
    return ", ".join(f"{name.removeprefix('reseal_')} {taken / size:,.0f}" for name, taken in disk.items())


def size_name(size: int) -> str:
    """Write a size as a power of ten if it is one."""
    power = len(str(size)) - 1
    return f"10^{power}" if size == 10**power else f"{size:,}"
