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
MB: Final = 10**6
HOT: Final = 0.1
"""The share of the rows that is in use: those have to be in memory, and the indexes."""
SERVERS: Final = frozenset({"PostgreSQL", "MariaDB", "Redis"})


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
    yield "short", short_table(figures)
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
    above = [_above(measured, growth) for growth in ("growth", "growth_of_work")]
    if not any(above):
        return f"No call takes more than {GROWTH} × the time or the processor time."
    names = ("the time", "the processor time")
    return " ".join(
        f"More than {GROWTH} × {name}: {', '.join(calls) or 'none'}." for name, calls in zip(names, above, strict=True)
    )


def _above(measured: Figures, growth: str) -> list[str]:
    return [
        f"{name} ({each[-1][growth]:.2f} ×)" for name, each in measured["calls"].items() if each[-1][growth] > GROWTH
    ]


def space_table(figures: Mapping[str, Figures]) -> str:
    """Write what sessions take, by the largest store of each engine."""
    head = ("", "measured with", "disk, a million sessions", "of it, bytes of a session")
    head += ("memory, a million sessions", "the server's processes", "filled in")
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for engine, measured in sorted(figures.items()):
        size, filled = measured["sizes"][-1], measured["filled"][-1]
        server = f"{filled['memory_after_calls']:,.0f} MB" if engine in SERVERS else "none"
        cells = (words(size), f"{disk_of(measured) * MILLION / MB:,.0f} MB", _parts(filled["disk"], size))
        cells += (_memory_words(engine, measured), server)
        lines.append(f"| {engine} | {' | '.join(cells)} | {filled['seconds']:,.0f} s |")
    return "\n".join(lines)


def short_table(figures: Mapping[str, Figures]) -> str:
    """Write what so many sessions take: the first thing that an operator asks."""
    lines = [f"| sessions kept | {' | '.join(sorted(figures))} |", f"|---|{'---|' * len(figures)}"]
    for sessions in (MILLION, 10 * MILLION, 100 * MILLION):
        cells = [
            f"{_gb(disk_of(measured) * sessions)} of disk, {_gb(memory_of(engine, measured) * sessions)} of memory"
            if engine != "SQLite" or sessions <= 10 * MILLION
            else "take a server"
            for engine, measured in sorted(figures.items())
        ]
        lines.append(f"| {words(sessions)} | {' | '.join(cells)} |")
    return "\n".join(lines)


def memory_of(engine: str, measured: Figures, hot: float = HOT) -> float:
    """Return the bytes of a session that have to be in memory: everything, or the indexes and that share of the rows.

    SQLite does not tell the indexes from the rows: there it is that share of both.
    """
    filled, size = measured["filled"][-1], measured["sizes"][-1]
    if engine == "Redis":
        before, after = filled["memory"]
        return float((after - before) * 1024 * 1024 / size)
    row, *indexes = filled["disk"].values()
    return float((sum(indexes) + row * hot) / size)


def _memory_words(engine: str, measured: Figures) -> str:
    if engine == "Redis":
        return f"{memory_of(engine, measured) * MILLION / MB:,.0f} MB"
    of_rows, of_indexes = (memory_of(engine, measured, hot) * MILLION / MB for hot in (1, 0))
    if engine == "SQLite":
        return f"up to {of_rows:,.0f} MB, of the system's cache"
    return f"indexes {of_indexes:,.0f} MB, rows {of_rows - of_indexes:,.0f} MB"


def _gb(size: float) -> str:
    gb = size / 10**9
    return f"{gb:,.0f} GB" if gb >= 10 else f"{gb:.1f} GB"


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
        lines.append(f"| {engine}, {words(measured['sizes'][-1])} | {' | '.join(cells)} |")
    return "\n".join(lines)


def growth_chart(engine: str, measured: Figures) -> str:
    """Draw how much longer each call takes in the largest store, and how much more work it is."""
    names = {"time": "growth", "processor time, of both sides": "growth_of_work"}
    bars = [
        Bar(call if not n else "", {name: each[-1][growth]}, begins_group=not n)
        for call, each in measured["calls"].items()
        for n, (name, growth) in enumerate(names.items())
    ]
    few, many = words(measured["sizes"][0]), words(measured["sizes"][-1])
    title = f"{engine}: calls among {many} sessions"
    axis = f"multiple of what the call takes among {few} sessions"
    return chart(title, axis, bars, tuple(names), mark=(GROWTH, f"target: {GROWTH} ×"))


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
    """Return the bytes of a session on disk."""
    filled = measured["filled"][-1]
    taken: float = (sum(filled["disk"].values()) - filled["disk_before"]) / measured["sizes"][-1]
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


def words(size: int) -> str:
    """Write a size for people."""
    if size < MILLION:
        return f"{size:,}"
    return "a million" if size == MILLION else f"{size / MILLION:,.0f} million"
