# Generated from src/reseal/_async/stores/server_counts.py by tools/unasync.py; edit that file instead.
"""Figures of the sessions on a database server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.purging import MOST_COUNTED, Backlog

if TYPE_CHECKING:
    from reseal._sync.stores.servers import Server
    from reseal.stores.rows import Values


class ServerCounts:
    """A part of the store on a database server."""

    if TYPE_CHECKING:
        _server: Server

        def _timed(self, values: Values) -> Values: ...

    def backlog(self) -> Backlog:
        [(count, overdue)] = self._server.fetch("backlog", self._timed({"most": MOST_COUNTED}))
        return Backlog(count, overdue)

    def live_sessions(self) -> int:
        [(count,)] = self._server.fetch("live_sessions", self._timed({}))
        return int(count)
