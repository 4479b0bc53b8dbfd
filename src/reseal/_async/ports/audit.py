"""What a store promises about the audit trail. Errors are those of every store: :mod:`reseal._async.ports.stores`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from reseal.core.audit import AuditRow


class AsyncAuditStore(Protocol):
    """Where the rows of the audit trail are: appended in the order of their numbers, removed from the beginning.

    It knows nothing of hashes and entries: :mod:`reseal.core.audit` makes and checks them.
    """

    async def append(self, rows: Sequence[AuditRow]) -> bool:
        """Append rows whose numbers follow each other, if the first one follows the last row there is, or is 1.

        ``False`` if it does not, because somebody else has appended since: nothing was changed. All are written, or
        none. Of any number of callers that follow the same row exactly one appends.
        """

    async def last(self) -> AuditRow | None:
        """Read the last row; ``None`` if there is none."""

    async def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        """Read up to ``limit`` rows with a number above ``after``, in their order, as they are stored."""

    async def remove_before(self, seq: int, limit: int) -> int:
        """Remove up to ``limit`` of the oldest rows with a number below ``seq``; returns how many."""
