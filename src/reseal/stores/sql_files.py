"""SQL as files: numbered schema steps and named queries, one folder per database."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Final

_PART: Final = re.compile(r"^-- (name|fragment): (\w+)$", re.MULTILINE)
_INCLUDED: Final = re.compile(r"\{([\w.]+)\}")
_WORD: Final = re.compile(r"^[A-Z]", re.MULTILINE)
"""A line that is no comment."""


def queries(database: str, fragments: Mapping[str, str], file: str = "queries.sql") -> dict[str, str]:
    """Read the queries of a database by name. In the file each one follows a line ``-- name: NAME``.

    ``{NAME}`` in a query stands for one of ``fragments``, or for what follows a line ``-- fragment: NAME`` above it.
    """
    text = files("reseal.stores").joinpath(database, file).read_text("utf-8")
    known, found = dict(fragments), dict[str, str]()
    parts = _PART.split(text)[1:]
    for kind, name, body in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        whole = _INCLUDED.sub(lambda included: known[included[1]], body.strip())
        (found if kind == "name" else known)[name] = whole
    return found


@cache
def schema_steps(database: str) -> tuple[str, ...]:
    """Read the schema steps of a database in order: step n is the file whose name begins with n, from 0001 on."""
    folder = files("reseal.stores").joinpath(database)
    names = sorted(f.name for f in folder.iterdir() if re.match(r"\d{4}_", f.name))
    return tuple(folder.joinpath(name).read_text("utf-8") for name in names)


def statements_of(step: str) -> tuple[str, ...]:
    """Split a schema step for servers that take one statement at a time. Each ends a line with a semicolon."""
    return tuple(each.strip() for each in re.split(r";\n", step) if _WORD.search(each))
