"""The output of commands: rows as a table for people, or as JSON for programs."""

from __future__ import annotations

import json
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from reseal.server.cli.exits import CommandFailed

Row = dict[str, Any]


def show(rows: Sequence[Row], options: Namespace, *, empty: str = "") -> None:
    """Print rows as a table, or as JSON."""
    if options.json:
        print_json(list(rows))
        return
    if not rows:
        print(empty)
        return
    cells = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for line in cells:
        print("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def print_json(value: object) -> None:
    print(json.dumps(value, indent=2))


def printable(text: str) -> str:
    """Remove control characters, which could change the terminal's state."""
    return "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text)


def time_of(milliseconds: int) -> str:
    """Format a time for people and programs: UTC, to the second."""
    return datetime.fromtimestamp(milliseconds / 1000, UTC).isoformat(timespec="seconds")


def moment_of(text: str) -> int:
    """Parse a date and time with its zone, or ``now``, to milliseconds. Raises ``CommandFailed``."""
    if text == "now":
        return int(datetime.now(UTC).timestamp() * 1000)
    with suppress(ValueError):
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is not None:
            return int(moment.timestamp() * 1000)
    raise CommandFailed(
        f"{printable(text)} is not a moment: write now, or a date and time with its zone, 2026-11-29T10:00Z"
    )


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return printable(", ".join(value) if isinstance(value, list) else "-" if value is None else str(value))
