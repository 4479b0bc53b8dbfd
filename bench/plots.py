"""Bar charts as SVG, written by hand: readable on light and on dark pages, with the unit on the axis."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from xml.etree import ElementTree as ET

WIDTH: Final = 900
LABELS: Final = 250
"""Pixels for the labels on the left."""
RIGHT: Final = 70
BAR: Final = 20
GAP: Final = 8
GROUP_GAP: Final = 14
LETTER: Final = 7.2
"""About the width of a letter, in pixels."""
LINES: Final = 6
"""About how many lines the axis has."""
COLOURS: Final = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#b3a200", "#9a6fd0", "#8c8c8c")
"""Distinguishable without red and green, on light and on dark."""
STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 15px }
.faint { fill: #57606a }
.value { paint-order: stroke; stroke: #ffffff; stroke-width: 5px }
.page { fill: #ffffff }
line { stroke: #d0d7de; stroke-width: 1 }
line.mark { stroke: #d55e00; stroke-width: 1.5; stroke-dasharray: 5 4 }
rect.bar { stroke: #ffffff; stroke-width: 1 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .faint { fill: #9da7b1 }
  .value { stroke: #0d1117 }
  .page { fill: #0d1117 }
  line { stroke: #3d444d }
  rect.bar { stroke: #0d1117 }
}
"""


class Bar(NamedTuple):
    """A bar of several parts. ``parts``: a value for each name of the legend."""

    label: str
    parts: Mapping[str, float]
    begins_group: bool = False


def chart(
    title: str, axis: str, bars: Sequence[Bar], names: Sequence[str], mark: tuple[float, str] | None = None
) -> str:
    """Draw horizontal bars, each with its sum behind it.

    ``axis``: what is shown, with its unit. ``names``: the legend, which has all names of parts. ``mark``: a value that
    gets a line of its own, and what it is.
    """
    legend = _legend(names)
    top = 44 + 22 * (1 + max(row for row, _ in legend))
    tops, bottom = [], top + 8
    for number, bar in enumerate(bars):
        bottom += GROUP_GAP if bar.begins_group and number else 0
        tops.append(bottom)
        bottom += BAR + GAP
    height = bottom + 48
    root = ET.Element("svg", _text(xmlns="http://www.w3.org/2000/svg", viewBox=f"0 0 {WIDTH} {height}", role="img"))
    ET.SubElement(root, "title").text = f"{title}. {axis}"
    ET.SubElement(root, "style").text = STYLE
    _add(root, "rect", width=WIDTH, height=height, class_="page")
    _write(root, 16, 26, title, "title")
    for name, colour, (row, x) in zip(names, COLOURS, legend, strict=False):
        _add(root, "rect", x=x, y=38 + 22 * row, width=12, height=12, fill=colour)
        _write(root, x + 18, 49 + 22 * row, name)
    longest = max(sum(bar.parts.values()) for bar in bars)
    scale = _axis(root, longest if mark is None else max(longest, mark[0]), top, bottom, axis)
    colours = dict(zip(names, COLOURS, strict=False))
    if mark is not None:
        x = LABELS + mark[0] * scale
        _add(root, "line", x1=x, x2=x, y1=top, y2=bottom, class_="mark")
        _write(root, x, top - 6, mark[1], "faint", anchor="middle")
    for bar, y in zip(bars, tops, strict=True):
        _draw(root, bar, y, scale, colours)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode") + "\n"


def _draw(root: ET.Element, bar: Bar, y: float, scale: float, colours: Mapping[str, str]) -> None:
    _write(root, LABELS - 8, y + 15, bar.label, anchor="end")
    x = float(LABELS)
    for name, value in bar.parts.items():
        drawn = _add(root, "rect", x=x, y=y, width=value * scale, height=BAR, fill=colours[name], class_="bar")
        ET.SubElement(drawn, "title").text = f"{bar.label}, {name}: {_number(value)}"
        x += value * scale
    _write(root, x + 6, y + 15, _number(sum(bar.parts.values())), "value")


def _axis(root: ET.Element, longest: float, top: float, bottom: float, axis: str) -> float:
    """Draw the axis; return the pixels of one unit."""
    step = 10 ** math.floor(math.log10(longest / LINES))
    step *= next(factor for factor in (1, 2, 5, 10) if factor * step * LINES >= longest)
    scale = (WIDTH - LABELS - RIGHT) / longest
    for number in range(math.floor(longest / step) + 1):
        x = LABELS + number * step * scale
        _add(root, "line", x1=x, x2=x, y1=top, y2=bottom)
        _write(root, x, bottom + 16, _number(number * step), "faint", anchor="middle")
    _write(root, LABELS + (WIDTH - LABELS - RIGHT) / 2, bottom + 38, axis, "faint", anchor="middle")
    return scale


def _legend(names: Sequence[str]) -> list[tuple[int, float]]:
    """Give each name of the legend its row and its place in it."""
    places, row, x = [], 0, 16.0
    for name in names:
        width = 18 + LETTER * len(name) + 20
        if x + width > WIDTH:
            row, x = row + 1, 16.0
        places.append((row, x))
        x += width
    return places


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.1f}"


def _write(root: ET.Element, x: float, y: float, text: str, kind: str = "", *, anchor: str = "start") -> None:
    written = _add(root, "text", x=x, y=y, text_anchor=anchor, **({"class_": kind} if kind else {}))
    written.text = text


def _add(root: ET.Element, tag: str, **attributes: str | float) -> ET.Element:
    return ET.SubElement(root, tag, _text(**attributes))


def _text(**attributes: str | float) -> dict[str, str]:
    return {
        name.rstrip("_").replace("text_", "text-"): value if isinstance(value, str) else f"{value:g}"
        for name, value in attributes.items()
    }
