"""The pages show the recorded figures, and what is computed from them."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import pytest

from bench import plots, report, sizing
from bench.plots import Bar
from bench.sizing import Cost, Habits
from tests.docs.pages import ROOT

SVG = "{http://www.w3.org/2000/svg}"
COSTS = {
    "refresh and its first verify": Cost(own=500, database=100),
    "create": Cost(own=200, database=40),
    "verify against the store": Cost(own=70, database=20),
}


@pytest.mark.parametrize("path", report.pages(sizing.recorded()), ids=lambda path: path.name)
def test_tables_and_plots_are_made_from_the_recorded_figures(path):
    assert path.read_text("utf-8") == report.pages(sizing.recorded())[path], "run python -m bench.report"


@pytest.mark.parametrize(
    ("heading", "habits"),
    [
        ("<!-- begin: users -->", Habits(3600)),
        ("<!-- begin: users, 15 minutes -->", Habits(900)),
        ("<!-- begin: users, store -->", Habits(3600, verify_every=10)),
    ],
)
def test_the_table_of_users_follows_from_the_formula(heading, habits):
    page = (ROOT / "docs" / "how-to" / "sizing.md").read_text("utf-8")
    table = page.partition(f"{heading}\n")[2].partition("<!-- end -->")[0].strip().splitlines()
    for line in table[2:]:
        name, *cells = (cell.strip() for cell in line.strip("|").split("|"))
        store, algorithm = name.split(", ")
        costs = sizing.costs_of(sizing.recorded(), store, algorithm)
        of_user = costs["refresh and its first verify"].total / habits.refresh_every + costs["create"].total / 86_400
        if habits.verify_every:
            of_user += costs["verify against the store"].total / habits.verify_every
        for cores, cell in zip((1, 2, 4, 8), cells, strict=True):
            if cell == "the same":
                assert (store, cores > 1) == ("SQLite", True)
            else:
                users = int(cell.replace(",", ""))
                assert users <= cores * 0.5 * 1e6 / of_user < users * 1.1


def test_users_are_the_time_of_the_cores_by_the_time_of_a_user():
    hourly, asking = Habits(3600), Habits(3600, verify_every=10)
    # 600 µs in 3,600 s, and 240 µs in 86,400 s: 0.1694 µs in a second
    assert sizing.users(COSTS, hourly, 1, 0.5, database=True) == 2_900_000
    assert sizing.users(COSTS, hourly, 4, 0.5, database=True) == 11_000_000
    assert sizing.users(COSTS, hourly, 4, 0.5, database=False) == 2_900_000
    # 90 µs in 10 s more
    assert sizing.users(COSTS, asking, 1, 0.5, database=True) == 54_000


def test_what_is_not_recorded_is_named():
    with pytest.raises(LookupError, match="nothing is recorded of SQLite with HS256"):
        sizing.costs_of({"service": []}, "SQLite", "HS256")


def test_a_place_without_a_part_and_a_part_without_a_place_are_refused():
    with pytest.raises(LookupError, match=r"\['b'\]"):
        report._filled("<!-- begin: b -->\n<!-- end -->", {})
    with pytest.raises(LookupError, match=r"\['a'\]"):
        report._filled("", {"a": "…"})


def test_a_chart_shows_its_bars_to_scale_with_units_on_light_and_on_dark_pages():
    bars = [Bar("create", {"own": 30, "database": 10}), Bar("verify", {"own": 10})]
    drawn = plots.chart("Calls", "time, µs", bars, ("own", "database"))
    root = ET.fromstring(drawn)
    widths = [float(rect.get("width")) for rect in root.iter(f"{SVG}rect") if rect.get("class") == "bar"]
    assert widths == pytest.approx([3 * widths[1], widths[1], widths[1]], rel=0.01)
    texts = [text.text for text in root.iter(f"{SVG}text")]
    assert {"Calls", "time, µs", "create", "verify", "own", "database", "40", "10"} <= set(texts)
    assert "prefers-color-scheme: dark" in drawn
