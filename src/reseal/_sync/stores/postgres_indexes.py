# Generated from src/reseal/_async/stores/postgres_indexes.py by tools/unasync.py; edit that file instead.
"""Building indexes of the table of sessions while services use it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import psycopg

from reseal.log import LOGGER
from reseal.stores.postgres import QUERIES
from reseal.stores.postgres.indexes import building, building_of_partitions, indexes

Connection = psycopg.Connection[tuple[Any, ...]]

LOCK: Final = 7305512081362252
"""Of whoever builds indexes."""


def build_indexes(link: Connection, steps: Sequence[str], *, has_session: bool) -> None:
    """Build the indexes of these schema steps that are not there, or not whole, unless another process is at it.

    Nothing depends on them but speed. So a failure is logged, and the next start tries again.
    """
    wanted = indexes(steps)
    lacking = [name for (name,) in _rows(link, "lacking_indexes", {"names": list(wanted)})]
    if not lacking or (has_session and not (_rows(link, "begin_indexes", {"lock": LOCK}))[0][0]):
        return
    try:
        for name in lacking:
            _build(link, name, wanted[name])
    except psycopg.Error as error:
        LOGGER.warning("the index %s could not be built (%s): run reseal migrate", name, type(error).__name__)


def _build(link: Connection, name: str, rest: str) -> None:
    found = _rows(link, "partitions_lacking_index", {"name": name})
    is_whole = found == [(None,)]
    parts = [partition for (partition,) in found]
    for statement in building(name, rest) if is_whole else building_of_partitions(name, rest, parts):
        link.execute(statement.encode(), prepare=False)


def _rows(link: Connection, name: str, values: dict[str, Any]) -> list[tuple[Any, ...]]:
    return (link.execute(QUERIES[name].encode(), values, prepare=False)).fetchall()
