# Generated from src/reseal/_async/stores/server_cases.py by tools/unasync.py; edit that file instead.
"""Theft cases on a database server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.cases import StoredCase
from reseal.stores import case_rows, rows

if TYPE_CHECKING:
    from reseal._sync.stores.servers import Server
    from reseal.core.cases import CaseFilter, CasePlace
    from reseal.core.model import Scope


class ServerCases:
    """A part of the store on a server."""

    if TYPE_CHECKING:
        _server: Server

    def read_case(self, scope: Scope, handle: str) -> StoredCase | None:
        if not rows.storable(handle):
            return None
        found = self._server.fetch("case", rows.scoped(scope) | {"handle": handle})
        return StoredCase(*found[0]) if found else None

    def write_case(self, scope: Scope, case: StoredCase) -> bool:
        values = rows.scoped(scope) | case_rows.of_case(case)
        return bool(self._server.fetch("update_case" if case.version else "insert_case", values))

    def list_cases(self, scope: Scope, which: CaseFilter, after: CasePlace, limit: int) -> tuple[StoredCase, ...]:
        if not rows.storable(which.user_id or ""):
            return ()
        values = rows.scoped(scope) | case_rows.of_cases(which, after, limit)
        return tuple(StoredCase(*row) for row in self._server.fetch(case_rows.listing_of(which), values))

    def remove_cases(self, scope: Scope, until: int, user_id: str | None = None) -> int:
        if not rows.storable(user_id or ""):
            return 0
        name = "remove_cases" if user_id is None else "remove_cases_of_user"
        values = rows.scoped(scope) | {"until": until, "user_id": user_id}
        return len(self._server.fetch(name, values))
