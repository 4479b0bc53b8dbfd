"""Batches of inserts and rotations on a server, each in one statement. Knows no driver.

The database has to have the queries ``insert``, ``insert_many``, ``rotate`` and ``rotate_many``, whose rows begin with
app, tenant and handle; those of ``insert`` go on with the time at which the session begins. Each has a second form,
``..._reported``, that writes events too.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from reseal.core.errors import StoreUnavailable
from reseal.core.model import NewSession, Rotation, Scope
from reseal.core.outbox import Reports
from reseal.core.rotation import begun
from reseal.stores import batching, rows
from reseal.stores.batching import Insert, Result, Rotate
from reseal.stores.rows import Key, Values

Row = tuple[Any, ...]
Rows = list[Row]


class AsyncBatchedWrites:
    """Runs batches by ``fetch(query, values)``.

    ``is_of_one_row`` tells whether an error is that of one of several rows, and not that of the whole server.
    ``see`` is told of the time in the rows of ``rotate`` and of the server's clock, with which they end.
    """

    def __init__(
        self,
        fetch: Callable[[str, Values], Awaitable[Rows]],
        is_of_one_row: Callable[[StoreUnavailable], bool],
        see: Callable[[int, int], None],
    ) -> None:
        self._fetch = fetch
        self._is_of_one_row = is_of_one_row
        self._see = see

    async def insert(self, batch: Sequence[Insert]) -> list[Result]:
        """Of several that want one handle the first gets it, if any of them does."""
        first = batching.first_of_each(batching.keys_of_inserts(batch))
        written = await self._write("insert", {key: _of_insert(*batch[n]) for key, n in first.items()})
        results: list[Result] = [None] * len(batch)
        for key, row in written.items():
            n = first[key]
            results[n] = row if isinstance(row, Exception) else begun(batch[n][1], row[3])
        return results

    async def rotate(self, batch: Sequence[Rotate]) -> list[Result]:
        """Advance the first one of each session, then those that are not settled by it."""
        first = batching.first_of_each(batching.keys_of_rotations(batch))
        written = await self._write("rotate", {key: _of_rotate(*batch[n]) for key, n in first.items()})
        results: list[Result] = [None] * len(batch)
        times = set()
        for key, row in written.items():
            if isinstance(row, Exception):
                results[first[key]] = row
            else:
                results[first[key]] = rows.to_record(row[2:])
                times.add(row[-2:])
        for time in times:  # one for each statement
            self._see(*time)
        after = batching.unsettled(batch, results) if len(first) < len(batch) else []
        if after:
            for n, result in zip(after, await self.rotate([batch[n] for n in after]), strict=True):
                results[n] = result
        return results

    async def _write(self, name: str, wanted: Mapping[Key, Values]) -> dict[Key, Row | StoreUnavailable]:
        """Write in one statement, a row for each key; returns those that were written, and errors.

        If the statement fails for one of its rows, each row goes by itself, so that only its owner sees the error.
        """
        if len(wanted) > 1:
            together = rows.as_arrays(wanted[key] for key in sorted(wanted))
            try:
                return rows.by_key(await self._fetch(rows.query(f"{name}_many", together), together), wanted)
            except StoreUnavailable as error:
                if not self._is_of_one_row(error):
                    raise
        written: dict[Key, Row | StoreUnavailable] = {}
        for key, values in wanted.items():
            try:
                written |= rows.by_key(await self._fetch(rows.query(name, values), values), wanted)
            except StoreUnavailable as error:
                if not self._is_of_one_row(error):
                    raise
                written[key] = error
        return written


def _of_insert(scope: Scope, new: NewSession, reports: Reports) -> Values:
    return rows.reported(rows.of_new(scope, new), reports)


def _of_rotate(scope: Scope, rotation: Rotation, reports: Reports) -> Values:
    return rows.reported(rows.of_rotation(scope, rotation), reports)
