# Generated from src/reseal/_async/stores/batched_reads.py by tools/unasync.py; edit that file instead.
"""Sessions that are read at the same time, read in one statement. Knows no driver.

The database has to have the queries ``get`` and ``get_each``. Their rows begin with the time and the server's clock and
go on with a session, which is empty if there is none; those of ``get_each`` end with its app and tenant.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from reseal._sync.stores.batched_writes import Rows
from reseal.core.model import Found
from reseal.stores import rows
from reseal.stores.rows import Key, Values


class BatchedReads:
    """Runs batches by ``fetch(query, values)``. ``see`` is told of each statement's time and of the server's clock."""

    def __init__(self, fetch: Callable[[str, Values], Rows], see: Callable[[int, int], None]) -> None:
        self._fetch = fetch
        self._see = see

    def get(self, batch: Sequence[Key]) -> list[Found]:
        """Read a session for each key."""
        wanted = dict.fromkeys(batch)
        app_ids, tenant_ids, handles = zip(*wanted, strict=True)
        if len(wanted) == 1:
            values: Values = {"app_id": app_ids[0], "tenant_id": tenant_ids[0], "handle": handles[0]}
            found = [(*row, *batch[0][:2]) for row in self._fetch("get", values)]
        else:
            values = {"app_ids": list(app_ids), "tenant_ids": list(tenant_ids), "handles": list(handles)}
            found = self._fetch("get_each", values)
        now, wall = found[0][:2]
        self._see(now, wall)
        records = {(row[-2], row[-1], row[2]): rows.to_record(row[2:]) for row in found if row[2] is not None}
        for key in records:
            rows.require_asked(key, wanted)
        return [Found(records.get(key), now) for key in batch]
