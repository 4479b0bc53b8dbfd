# Generated from src/reseal/_async/stores/server_audit.py by tools/unasync.py; edit that file instead.
"""The audit trail on a database server."""

from __future__ import annotations

from collections.abc import Sequence

from reseal._sync.stores.servers import Server, ServerLink
from reseal.core.audit import AuditRow


class ServerAudit:
    """The rows of one database."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def append(self, rows: Sequence[AuditRow]) -> bool:
        return bool(rows) and self._server.run(lambda link: _append(link, rows))

    def last(self) -> AuditRow | None:
        found = self._server.fetch("last_audit", {})
        return AuditRow._make(found[0]) if found else None

    def read(self, after: int, limit: int) -> tuple[AuditRow, ...]:
        found = self._server.fetch("audit", {"after": after, "limit": limit})
        return tuple(map(AuditRow._make, found))

    def remove_before(self, seq: int, limit: int) -> int:
        return len(self._server.fetch("remove_audit", {"seq": seq, "limit": limit}))


def _append(link: ServerLink, rows: Sequence[AuditRow]) -> bool:
    seqs, entries, hashes = map(list, zip(*rows, strict=True))
    with link.transaction():
        link.settle()
        link.fetch("lock_event_number")  # one at a time; who waited sees what was committed before
        written = link.fetch(
            "append_audit", {"after": rows[0].seq - 1, "seqs": seqs, "entries": entries, "hashes": hashes}
        )
    return bool(written)
