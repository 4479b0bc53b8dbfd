"""Draw the packages and their imports: docs/architecture.svg.

python tools/architecture.py          draw it
python tools/architecture.py --check  fail if the committed picture differs, or if packages form a circle

The picture is made from the imports alone. Each box is a package; modules that belong to no package share a box: those
that need the engine stand above it, those that it needs below. An arrow is an import; where a longer way leads from one
box to the other as well, it is left out. What imports stands above what is imported.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, field
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from pathlib import Path
from typing import Final

import grimp

TARGET = Path(__file__).resolve().parents[1] / "docs" / "architecture.svg"
ROOT = "reseal"
ENGINE = "_async"
GENERATED = {"_sync": ENGINE}
ENTRANCES = {"__main__"}
"""A module that only starts the command line."""
SHARED_BY_ADAPTERS = {"asgi", "wsgi"}
"""Packages that stand among the modules above the engine, which import them and are imported."""
ABOVE, BELOW = "adapters", "foundation"
"""The boxes of modules that belong to no package."""
WIDTH, MARGIN, ROW, BOX_HEIGHT, GAP, BEND = 960, 20, 120, 56, 40, 24
TIP = """\
<defs><marker id="tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">
<path d="M0 0 8 4 0 8Z" fill="#57606a"/></marker></defs>"""
LETTER = 7
"""About the width of a letter, in pixels."""

Imports = dict[str, set[str]]


@dataclass(order=True)
class Place:
    """Where a box, or an arrow on its way down, stands in its row."""

    name: str
    lines: tuple[str, ...] = ()
    below: list[Place] = field(default_factory=list, compare=False)
    x: float = field(default=0, compare=False)
    y: float = field(default=0, compare=False)

    @property
    def is_box(self) -> bool:
        return bool(self.lines)

    @property
    def width(self) -> int:
        return LETTER * max(map(len, self.lines)) + 30 if self.is_box else 10


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="write nothing")
    is_check = parser.parse_args().check
    try:
        picture = draw(grimp.build_graph(ROOT, cache_dir=None))
    except CycleError as circle:
        print(f"packages import each other in a circle: {' -> '.join(circle.args[1])}", file=sys.stderr)
        return 1
    if not is_check:
        TARGET.write_text(picture, "utf-8")
    elif not TARGET.exists() or TARGET.read_text("utf-8") != picture:
        print(f"{TARGET.name} differs from the imports: run python tools/architecture.py", file=sys.stderr)
        return 1
    return 0


def draw(graph: grimp.ImportGraph) -> str:
    boxes = boxes_of(graph)
    imports = imports_between(graph, boxes)
    order = list(TopologicalSorter(imports).static_order())
    rows = arrange(order, shortest(imports, order), contents(graph, boxes))
    return svg(rows)


def boxes_of(graph: grimp.ImportGraph) -> dict[str, str]:
    """Return the box of each child of the root package."""
    boxes = {}
    for child in sorted(graph.find_children(ROOT)):
        name = child.removeprefix(f"{ROOT}.")
        if graph.find_children(child) and name not in SHARED_BY_ADAPTERS:
            boxes[child] = GENERATED.get(name, name)
        elif name not in ENTRANCES:
            needed = {child_of_root(each) for each in graph.find_upstream_modules(child)}
            needs_engine = any(f"{ROOT}.{engine}" in needed for engine in (ENGINE, *GENERATED))
            boxes[child] = ABOVE if needs_engine else BELOW
    return boxes


def imports_between(graph: grimp.ImportGraph, boxes: dict[str, str]) -> Imports:
    imports: Imports = {box: set() for box in sorted(set(boxes.values()))}
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            importer_box, imported_box = (boxes.get(child_of_root(each)) for each in (module, imported))
            if importer_box and imported_box and importer_box != imported_box:
                imports[importer_box].add(imported_box)
    return imports


def child_of_root(module: str) -> str:
    return ".".join(module.split(".")[:2])


def shortest(imports: Imports, order: list[str]) -> Imports:
    """Leave out each import that a longer way makes as well."""
    reached: Imports = {}
    for box in order:
        reached[box] = imports[box].union(*(reached[each] for each in imports[box]))
    return {
        box: {each for each in direct if not any(each in reached[other] for other in direct)}
        for box, direct in imports.items()
    }


def contents(graph: grimp.ImportGraph, boxes: dict[str, str]) -> dict[str, tuple[str, ...]]:
    """Return the lines of text in each box."""
    lines = {}
    for box in set(boxes.values()):
        if box in {ABOVE, BELOW}:
            inside = sorted(name(child) for child, its_box in boxes.items() if its_box == box)
        else:
            inside = sorted(name(each) for each in graph.find_children(f"{ROOT}.{box}") if graph.find_children(each))
            inside += [f"generated: {name}" for name, source in GENERATED.items() if source == box]
        lines[box] = (box, *wrapped([each for each in inside if not each.startswith("_")]))
    return lines


def name(module: str) -> str:
    return module.rsplit(".", 1)[1]


def wrapped(words: list[str]) -> list[str]:
    return [" · ".join(words[start : start + 5]) for start in range(0, len(words), 5)]


def arrange(order: list[str], imports: Imports, lines: dict[str, tuple[str, ...]]) -> list[list[Place]]:
    """Put each box into a row below all that import it, and let an arrow have a place in each row that it crosses."""
    height: dict[str, int] = {}
    for box in order:
        height[box] = 1 + max((height[each] for each in imports[box]), default=-1)
    rows: list[list[Place]] = [[] for _ in range(1 + max(height.values()))]
    places = {box: Place(box, lines[box]) for box in sorted(order)}
    for box, place in places.items():
        rows[height[box]].append(place)
        for imported in sorted(imports[box]):
            _lead(place, places[imported], rows[height[imported] + 1 : height[box]])
    rows.reverse()
    _order(rows)
    return rows


def _lead(above: Place, goal: Place, between: list[list[Place]]) -> None:
    for row in reversed(between):
        waypoint = Place(f"{above.name}>{goal.name}")
        row.append(waypoint)
        above.below.append(waypoint)
        above = waypoint
    above.below.append(goal)


ROUNDS: Final = 12


def _order(rows: list[list[Place]]) -> None:
    """Let each place stand near those that its arrows lead to and come from."""
    for row in rows:
        _spread(row)
    for _ in range(ROUNDS):
        for upper, lower in pairwise(rows):
            _sort(lower, {id(place): [each for each in upper if place in each.below] for place in lower})
        for upper in reversed(rows[:-1]):
            _sort(upper, {id(place): place.below for place in upper})
    for number, row in enumerate(rows):
        for place in row:
            place.y = MARGIN + number * ROW


def _sort(row: list[Place], neighbours: dict[int, list[Place]]) -> None:
    def middle(place: Place) -> tuple[float, str]:
        beside = neighbours[id(place)]
        return (sum(each.x for each in beside) / len(beside) if beside else place.x), place.name

    row.sort(key=middle)
    _spread(row)


def _spread(row: list[Place]) -> None:
    free = WIDTH - 2 * MARGIN - sum(place.width for place in row)
    gap = free / (len(row) + 1)
    x = MARGIN + gap
    for place in row:
        place.x = x + place.width / 2
        x += place.width + gap


def svg(rows: list[list[Place]]) -> str:
    height = 2 * MARGIN + (len(rows) - 1) * ROW + BOX_HEIGHT
    arrows = [arrow(place, below) for row in rows for place in row for below in place.below]
    boxes = [box(place) for row in rows for place in row if place.is_box]
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif">',
        "<style>text { font-size: 13px; text-anchor: middle }</style>",
        "<!-- Generated by tools/architecture.py from the imports. Do not edit. -->",
        "<title>The packages of Reseal: what imports stands above what is imported</title>",
        TIP,
        f'<rect width="{WIDTH}" height="{height}" fill="#fff"/>',
        *arrows,
        *boxes,
        "</svg>",
        "",
    ])  # fmt: skip


def arrow(above: Place, below: Place) -> str:
    start = above.y + BOX_HEIGHT
    through = "" if below.is_box else f" L{below.x:.0f} {below.y + BOX_HEIGHT:.0f}"
    tip = ' marker-end="url(#tip)"' if below.is_box else ""
    return (
        f'<path d="M{above.x:.0f} {start:.0f} C{above.x:.0f} {start + BEND:.0f} {below.x:.0f} {below.y - BEND:.0f} '
        f'{below.x:.0f} {below.y:.0f}{through}" fill="none" stroke="#57606a"{tip}/>'
    )


def box(place: Place) -> str:
    title, *rest = place.lines
    first = place.y + BOX_HEIGHT / 2 + 5 - 8 * len(rest)
    texts = [f'<text x="{place.x:.0f}" y="{first:.0f}" font-weight="bold">{title}</text>'] + [
        f'<text x="{place.x:.0f}" y="{first + 16 * number:.0f}" fill="#57606a">{line}</text>'
        for number, line in enumerate(rest, 1)
    ]
    return (
        f'<rect x="{place.x - place.width / 2:.0f}" y="{place.y:.0f}" width="{place.width}" height="{BOX_HEIGHT}" '
        f'rx="6" fill="#eef4fb" stroke="#57606a"/>' + "".join(texts)
    )


if __name__ == "__main__":
    sys.exit(main())
