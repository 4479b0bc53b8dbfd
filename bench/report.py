"""All figures of the service, in one run: they are kept in ``bench/figures.json``, and the pages are made from them.

python -m bench.report --record [--before FOLDER]    measure (about five minutes), then write figures, tables and plots
python -m bench.report                               write tables and plots anew from the figures that are kept
python -m bench.report --check                       fail if a page or a plot differs from the figures

The figures of ``bench.scale`` are recorded by that command, and written by this one.

``--before``: another state of the package, measured in turns with this one on PostgreSQL; without it the last
comparison is kept. The machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import uvloop

from bench import disk, pieces, plots, service, service_pieces, sizing
from bench.measure import machine
from bench.pieces import CHECK, ENCODE, ENGINE, EVENT, FRAME, HTTP, LOG, SIGN, SOCKETS, STORE, WRITE
from bench.plots import Bar
from bench.scale import paper
from bench.scale import tables as scale
from bench.service import BEFORE, CALLS, PAIR, Figures, Plan, spread
from bench.sizing import FIGURES, recorded

ROOT: Final = Path(__file__).resolve().parents[1]
BENCHMARKS: Final = ROOT / "docs" / "benchmarks.md"
SIZING: Final = ROOT / "docs" / "how-to" / "sizing.md"
IMAGES: Final = ROOT / "docs" / "images"
ROUNDS: Final = 9
QUIET: Final = 0.7
"""Load of a machine that does nothing else."""
CONNECTIONS: Final = 32
JVM: Final = {
    (32, "refresh"): "2,230 + 1,185 µs, 506/s",
    (32, "create"): "1,711 + 732 µs, 715/s",
    (32, "verify, seen before"): "255 µs, 6,080/s",
    (32, "verify, not seen before"): "the same",
    (32, "verify against the store"): "340 + 75 µs, 3,960/s",
    (1, "refresh"): "264/s",
    (1, "create"): "354/s",
}
"""The core of SuperTokens 11.1.3, measured once, by connections and call."""
GROUPS: Final = {
    "sockets and HTTP": (SOCKETS, HTTP),
    "route, permit, tenant, metrics": (FRAME,),
    "bodies": (pieces.BODY, ENCODE),
    "operation and engine": (ENGINE,),
    "access token": (WRITE,),
    "signature": (SIGN, CHECK),
    "store and driver": (STORE,),
    "log lines": (EVENT, LOG),
}
"""The pieces of the plot."""
WHOLE: Final = "the whole call"
LOAD: Final = "µs (PostgreSQL, ES256, 32 connections)"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--before", type=Path, metavar="FOLDER")
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.record:
        FIGURES.write_text(json.dumps(uvloop.run(measure(options.before)), indent=1, ensure_ascii=False) + "\n")
    written = pages(recorded())
    stale = [path for path, text in written.items() if not path.exists() or path.read_text("utf-8") != text]
    if options.check:
        sys.exit("\n".join(f"{path.relative_to(ROOT)}: run python -m bench.report" for path in stale) or None)
    for path in stale:
        path.write_text(written[path], "utf-8")
        print(f"written: {path.relative_to(ROOT)}")


async def measure(before: Path | None) -> Figures:
    """Measure everything."""
    kept = recorded() if FIGURES.exists() else {}
    figures: Figures = {"machine": machine(), "when": time.strftime("%B %Y"), "load": _load(), "service": []}
    for plan in (
        Plan(postgres=True, algorithm="ES256", rounds=ROUNDS, before=before),
        Plan(postgres=True, algorithm="RS256", rounds=ROUNDS, connections=(CONNECTIONS,)),
        Plan(algorithm="ES256", rounds=ROUNDS),
        Plan(algorithm="RS256", rounds=ROUNDS, connections=(CONNECTIONS,)),
        Plan(postgres=True, algorithm="ES256", workers=2, rounds=ROUNDS, connections=(CONNECTIONS,)),
    ):
        began = time.perf_counter()
        figures["service"].append(await service.measure(plan))
        took = time.perf_counter() - began
        print(f"{plan.store}, {plan.algorithm}, workers: {plan.workers}: {took:.0f} s", flush=True)
    figures["before"] = _comparison(figures["service"][0]) if before is not None else kept.get("before")
    figures["pieces"] = await pieces.measure("ES256", 4, postgres=True)
    figures["steps"] = service_pieces.measure(30)
    figures["disk"] = await disk.measure(10_000)
    return figures


def _load() -> float:
    """Return how many processes wanted a core in the last minute, before the run adds its own."""
    return round(os.getloadavg()[0], 1)


def _comparison(measured: Figures) -> Figures:
    """Take out of a measurement what it says of the state before."""
    kept: Figures = {"when": time.strftime("%B %Y"), "loads": []}
    for load in measured["loads"]:
        rows = {name: row for name, row in load["rows"].items() if name.removeprefix(BEFORE) in {*CALLS, PAIR}}
        kept["loads"].append({"connections": load["connections"], "rows": rows, "against": load["against"]})
        load["rows"] = {name: row for name, row in load["rows"].items() if not name.startswith(BEFORE)}
        load["against"] = {}
    return kept


def pages(figures: Figures) -> dict[Path, str]:
    """Write the pages and plots, by their paths."""
    of_scale = scale.recorded()
    texts = {
        BENCHMARKS: _filled(BENCHMARKS.read_text("utf-8"), dict((*_parts(figures), *scale.parts(of_scale)))),
        SIZING: _filled(
            SIZING.read_text("utf-8"),
            dict((*sizing.tables(figures), *scale.sizing_parts(of_scale), ("paper", paper.table(of_scale)))),
        ),
    }
    return texts | {IMAGES / name: drawn for name, drawn in (*_plots(figures), *scale.images(of_scale))}


def _filled(page: str, parts: Mapping[str, str]) -> str:
    """Replace what stands between ``<!-- begin: name -->`` and ``<!-- end -->``."""
    missing = set(parts) ^ set(re.findall(r"<!-- begin: (.+) -->", page))
    if missing:
        raise LookupError(f"parts without a place, or places without a part: {sorted(missing)}")
    return re.sub(
        r"(<!-- begin: ([^\n]+) -->\n).*?(<!-- end -->)",
        lambda found: f"{found[1]}\n{parts[found[2]]}\n\n{found[3]}",
        page,
        flags=re.DOTALL,
    )


def _parts(figures: Figures) -> Iterator[tuple[str, str]]:
    quiet, load = "The machine had nothing else to do.", figures["load"]
    busy = f"Other work ran at the same time (load {load}): rates are too low, and processor times somewhat too high."
    yield "machine", f"Measured in {figures['when']}: {figures['machine']}. {quiet if load < QUIET else busy}"
    yield "targets", _targets(figures)
    yield "service", "\n\n".join(_service(figures))
    yield "workers", _workers(figures)
    yield "memory", _memory(figures)
    yield "pieces", pieces.table(figures["pieces"])
    yield "steps", service_pieces.table(figures["steps"])
    if figures["before"]:
        yield "before", _before(figures["before"])


def _service(figures: Figures) -> Iterator[str]:
    cores = ""
    for measured in figures["service"]:
        if measured["cores"] != cores:
            cores = measured["cores"]
            yield f"{cores[0].upper()}{cores[1:]}:"
        yield from (service.load_table(measured, load) for load in measured["loads"])


def _of(figures: Figures, store: str, algorithm: str, workers: int = 1) -> Figures:
    wanted = store, algorithm, workers
    found: Figures = next(
        each for each in figures["service"] if (each["store"], each["algorithm"], each["workers"]) == wanted
    )
    return found


def _rows(measured: Figures, connections: int = CONNECTIONS) -> Figures:
    rows: Figures = next(load["rows"] for load in measured["loads"] if load["connections"] == connections)
    return rows


def _targets(figures: Figures) -> str:
    postgres, sqlite = _of(figures, "PostgreSQL", "ES256"), _of(figures, "SQLite", "ES256")
    many, one = _rows(postgres), _rows(postgres, 1)
    lines = ["| the service, ES256 | target | measured | met |", "|---|---|---|---|"]

    def add(what: str, most: float, measured: float, unit: str, *, at_least: bool = False, digits: int = 0) -> None:
        sign, met = ("≥", measured >= most) if at_least else ("≤", measured <= most)
        lines.append(f"| {what} | {sign} {most:g} {unit} | {measured:.{digits}f} {unit} | {'yes' if met else 'no'} |")

    own = "own processor time, PostgreSQL, 32 connections: "
    for call, most in (
        ("refresh", 150), ("create", 150), ("verify, seen before", 50), ("verify, not seen before", 115),
        ("verify against the store", 95),
    ):  # fmt: skip
        add(f"{own}{call}", most, many[call]["own"][1], "µs")
    for call in ("refresh", "create"):
        add(f"the same, one connection: {call}", 350, one[call]["own"][1], "µs")
    for measured in (postgres, sqlite):
        for call in ("refresh", "create"):
            part = 100 * _rows(measured)[call]["of_ceiling"]
            add(f"{call} on {measured['store']}, of the slower ceiling's rate", 50, part, "%", at_least=True)
    for call, taken in figures["pieces"]["calls"].items():
        add(
            f"{call}, against the sum of its pieces, caches included",
            1.4,
            taken["whole"] / taken["sum"][1],
            "×",
            digits=2,
        )
    add("processor time of a refresh with two workers, against one", 1.18, _scaling(figures)["refresh"], "×", digits=2)
    add("resident memory of an idle worker, PostgreSQL", 60, postgres["memory"]["service"][0], "MB")
    add("start to the first answer, PostgreSQL", 1, postgres["start"]["service"], "s", digits=2)
    return "\n".join(lines)


def _scaling(figures: Figures) -> dict[str, float]:
    """Return how much more processor time a call takes with two workers than with one."""
    one, two = (_rows(_of(figures, "PostgreSQL", "ES256", workers)) for workers in (1, 2))
    return {call: two[call]["own"][1] / one[call]["own"][1] for call in CALLS}


def _workers(figures: Figures) -> str:
    taken = [_of(figures, "PostgreSQL", "ES256", workers) for workers in (1, 2)]
    one, two = map(_rows, taken)
    lines = [
        "| processor time of a call: own + database's | one worker | two workers | own, two ÷ one | rate, two ÷ one |",
        "|---|---|---|---|---|",
    ]
    shared = any("nothing is pinned" in each["cores"] for each in taken)
    for call, factor in _scaling(figures).items():
        cells = [f"{rows[call]['own'][1]:.0f} + {rows[call]['database'][1]:.0f} µs" for rows in (one, two)]
        rate = "not measured" if shared else f"{one[call]['wall'][1] / two[call]['wall'][1]:.2f} ×"
        lines.append(f"| {call} | {cells[0]} | {cells[1]} | {factor:.2f} × | {rate} |")
    return "\n".join(lines)


def _memory(figures: Figures) -> str:
    lines = ["| | resident, idle | after the load | start to the first answer | the same, makes its keys |"]
    lines.append("|---|---|---|---|---|")
    for measured in figures["service"]:
        if measured["algorithm"] == "ES256":
            many = "one worker" if measured["workers"] == 1 else f"{measured['workers']} workers and their parent"
            (idle, after), starts = measured["memory"]["service"], measured["start"]
            keys = starts["service, makes its keys"]
            cells = f"{idle:.0f} MB", f"{after:.0f} MB", f"{starts['service']:.2f} s", f"{keys:.2f} s"
            lines.append(f"| {measured['store']}, {many} | {' | '.join(cells)} |")
    return "\n".join([*lines, "| JVM core 11.1.3 | 113 MB | 560 MB | 1.8 s | |"])


def _before(kept: Figures) -> str:
    head = "one worker, ES256, PostgreSQL", "before", "after", "CPU, before ÷ after", "rate, after ÷ before"
    lines = [f"| {' | '.join(head)} | JVM core 11.1.3 |", "|---|---|---|---|---|---|"]
    for load in sorted(kept["loads"], key=lambda load: -load["connections"]):
        many = "32 connections" if load["connections"] == CONNECTIONS else "one connection"
        for name in CALLS:
            rows, against = load["rows"], load["against"][name]
            cells = [_cell(rows[BEFORE + name]), _cell(rows[name]), f"{spread(against['cpu'], 2)} ×"]
            cells += [f"{spread(against['rate'], 2)} ×", JVM.get((load["connections"], name), "")]
            lines.append(f"| {name}, {many} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _cell(row: Figures) -> str:
    database = f" + {row['database'][1]:.0f}" if row["database"][1] >= 1 else ""
    return f"{row['own'][1]:.0f}{database} µs, {1e6 / row['wall'][1]:,.0f}/s"


def _plots(figures: Figures) -> Iterator[tuple[str, str]]:
    bars, names = [], ("the service", "PostgreSQL")
    for call in (*CALLS, PAIR):
        for store in ("SQLite", "PostgreSQL"):
            row = _rows(_of(figures, store, "ES256"))[call]
            parts = dict(zip(names, (row["own"][1], row["database"][1]), strict=True))
            kept = {name: value for name, value in parts.items() if value >= 1}
            bars.append(Bar(f"{call}, {store}" if store == "SQLite" else store, kept, store == "SQLite"))
    yield (
        "service-time.svg",
        plots.chart(
            "What a call of the service takes", "processor time of a call, µs (ES256, 32 connections)", bars, names
        ),
    )
    bars = []
    for call, taken in figures["pieces"]["calls"].items():
        inside = {name: both[-1] for name, both in taken["pieces"].items()}
        summed = {group: sum(inside.get(name, 0) for name in names) for group, names in GROUPS.items()}
        bars += [Bar(call, {group: part for group, part in summed.items() if part}, begins_group=True)]
        bars += [Bar("measured", {WHOLE: taken["whole"]})]
    yield (
        "service-pieces.svg",
        plots.chart("The pieces of a call", f"processor time, {LOAD}", bars, (*GROUPS, WHOLE)),
    )
    if figures["before"]:
        yield "service-before.svg", _plot_before(figures["before"])


def _plot_before(kept: Figures) -> str:
    rows = next(load["rows"] for load in kept["loads"] if load["connections"] == CONNECTIONS)
    bars, names = [], ("before", "after")
    for call in CALLS:
        bars.append(Bar(call, {"before": rows[BEFORE + call]["own"][1]}, begins_group=True))
        bars.append(Bar("", {"after": rows[call]["own"][1]}))
    return plots.chart("A call of the service, before and after", f"own processor time, {LOAD}", bars, names)


if __name__ == "__main__":
    main()
