"""The page of SDKs lists what is tried here, and nothing else."""

from __future__ import annotations

from pathlib import Path

from tests.sdk.node_sdks import NODE_SDKS
from tests.sdk.python_sdks import PYTHON_SDKS

PAGE = Path(__file__).parents[2] / "docs/reference/sdks.md"
YES = {False: "no", True: "yes"}


def table(columns):
    """Give the rows of the tables with so many columns, without their heads."""
    rows = [line for line in PAGE.read_text("utf-8").splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in row[1:-1].split("|")] for row in rows]
    return [row for row in cells if len(row) == columns and row[0] != "SDK"]


def shown(sdk):
    return {
        "address": "with path" if sdk.in_app else "host and port",
        "asks": "configuration" if sdk.check_database == "config" else "option of a route",
        "headers": YES[sdk.header_mode],
        "jwts": YES[sdk.jwts is not None],
        "tenants": YES[sdk.tenants],
    }


def test_the_versions_for_node_are_listed_with_what_they_can_do():
    assert table(8) == [
        [sdk.version, sdk.cdi or "1.0", each["address"], YES[sdk.api_key], *list(each.values())[1:]]
        for sdk, each in ((sdk, shown(sdk)) for sdk in NODE_SDKS)
    ]


def test_the_versions_for_python_are_listed_with_their_frameworks_and_what_they_can_do():
    assert table(10) == [
        [f"{sdk.package} {sdk.version}", sdk.cdi, *frameworks(sdk), *shown(sdk).values()]
        for sdk in PYTHON_SDKS
        if sdk.is_main
    ]


def frameworks(sdk):
    locked = (line.split() for line in sdk.locks[0].read_text("utf-8").splitlines() if "==" in line)
    versions = dict(words[0].split("==") for words in locked)
    assert versions[sdk.package] == sdk.version
    return [versions.get(name, "") for name in ("flask", "fastapi", "django")]
