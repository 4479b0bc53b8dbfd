"""Generations that are confirmed at the same time, in one statement. Knows no driver.

The database has to have the query ``confirm``. Its rows begin with the time and the server's clock and go on with a
session, its app and tenant, and the place in the arrays of what was asked, from 1 on. They are empty if there is none.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from operator import itemgetter
from typing import Any, Final

from reseal._async.stores.batched_reads import AsyncBatchedReads
from reseal._async.stores.batched_writes import Rows
from reseal.core.model import Found
from reseal.stores import rows
from reseal.stores.rows import Values

Use = tuple[Any, ...]
"""What :meth:`Seen.values` gives."""
_PARAMETERS: Final = ("app_id", "tenant_id", "handle", "generation", "current_hash")
_KEY: Final = itemgetter(0, 1, 2)


class AsyncBatchedConfirmations:
    """Runs batches by ``fetch(query, values)``. ``see`` is told of each statement's time and of the server's clock.

    The statement leaves out what another writer has changed since it began: ``reads`` get that afterwards.
    """

    def __init__(
        self,
        fetch: Callable[[str, Values], Awaitable[Rows]],
        see: Callable[[int, int], None],
        reads: AsyncBatchedReads,
    ) -> None:
        self._fetch = fetch
        self._see = see
        self._reads = reads

    async def confirm(self, batch: Sequence[Use]) -> list[Found]:
        """Confirm generations, and read their sessions."""
        wanted = sorted(set(batch), key=_KEY)
        arrays = rows.as_arrays(dict(zip(_PARAMETERS, each, strict=True)) for each in wanted)
        found = await self._fetch("confirm", arrays)
        now, wall = found[0][:2]
        self._see(now, wall)
        results: dict[Use, Found] = {}
        for row in found:
            if row[2] is not None:
                use = wanted[row[-1] - 1]
                rows.require_asked((row[-3], row[-2], row[2]), (_KEY(use),))
                results[use] = Found(rows.to_record(row[2:]), now)
        others = [use for use in wanted if use not in results]
        if others:
            results |= zip(others, await self._reads.get([_KEY(use) for use in others]), strict=True)
        return [results[use] for use in batch]
