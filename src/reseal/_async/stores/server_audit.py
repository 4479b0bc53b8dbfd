"""The audit trail on a database server."""

from __future__ import annotations

from collections.abc import Sequence

from reseal._async.stores.servers import AsyncServer, AsyncServerLink
from reseal.core.audit import AuditRow


class AsyncServerAudit:
    """The rows of one database."""

    def __init__(self, server: AsyncServer) -> None:
        self._server = server

    async def append(self, rows: Sequence[AuditRow]) -> bool:
        return bool(rows) and await self._server.run(lambda link: _append(link, rows))

    async def last(self) -> AuditRow | None:
        found = await self._server.fetch("last_audit", {})
        return AuditRow._make(found[0]) if found else None

    async def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        found = await self._server.fetch("audit", {"after": after, "limit": limit})
        return tuple(map(AuditRow._make, found))

    async def remove_before(self, seq: int, limit: int) -> int:
        return len(await self._server.fetch("remove_audit", {"seq": seq, "limit": limit}))


async def _append(link: AsyncServerLink, rows: Sequence[AuditRow]) -> bool:
    seqs, entries, hashes = map(list, zip(*rows, strict=True))
    async with link.transaction():
        await link.settle()
        await link.fetch("lock_event_number")  # one at a time; who waited sees what was committed before
        written = await link.fetch(
            "append_audit", {"after": rows[0].seq - 1, "seqs": seqs, "entries": entries, "hashes": hashes}
        )
    return bool(written)
