"""The indexes of the table of sessions, taken out of the schema steps: they are built while services use the table."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

_CREATION: Final = re.compile(r"^CREATE INDEX (\w+) ON reseal_session\s(.*?);$", re.MULTILINE | re.DOTALL)


def without_indexes(step: str) -> str:
    """Return what of a schema step is done in its transaction: to index many sessions would take too long there."""
    return _CREATION.sub("", step)


def indexes(steps: Sequence[str]) -> dict[str, str]:
    """Return the indexes by name, as they go on after the name of the table."""
    return {name: rest for step in steps for name, rest in _CREATION.findall(step)}


def building(name: str, rest: str) -> Iterator[str]:
    """Yield the statements that build an index of one table. What an interrupted run has left is of no use."""
    yield f"DROP INDEX CONCURRENTLY IF EXISTS {name}"
    yield f"CREATE INDEX CONCURRENTLY {name} ON reseal_session {rest}"


def building_of_partitions(name: str, rest: str, partitions: Sequence[str]) -> Iterator[str]:
    """Yield those that build one of these partitions after the other; with the last one the index is valid."""
    yield f"CREATE INDEX IF NOT EXISTS {name} ON ONLY reseal_session {rest}"
    for partition in partitions:
        own = partition + name.removeprefix("reseal_session")
        yield f"DROP INDEX CONCURRENTLY IF EXISTS {own}"
        yield f"CREATE INDEX CONCURRENTLY {own} ON {partition} {rest}"
        yield f"ALTER INDEX {name} ATTACH PARTITION {own}"
