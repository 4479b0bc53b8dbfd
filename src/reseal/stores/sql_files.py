"""SQL as files: numbered schema steps and named queries, one folder per dialect."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files


@cache
def queries(dialect: str) -> dict[str, str]:
    """Read the queries of a dialect by name. In the file each one follows a line ``-- name: NAME``."""
    text = files("reseal.stores").joinpath(dialect, "queries.sql").read_text("utf-8")
    parts = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: body.strip() for name, body in zip(parts[1::2], parts[2::2], strict=True)}


@cache
def schema_steps(dialect: str) -> tuple[str, ...]:
    """Read the schema steps of a dialect in order: step n is the file whose name begins with n, from 0001 on."""
    folder = files("reseal.stores").joinpath(dialect)
    names = sorted(f.name for f in folder.iterdir() if re.match(r"\d{4}_", f.name))
    return tuple(folder.joinpath(name).read_text("utf-8") for name in names)
