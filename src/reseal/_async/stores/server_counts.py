"""Figures of the sessions on a database server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.purging import MOST_COUNTED, Backlog

if TYPE_CHECKING:
    from reseal._async.stores.servers import AsyncServer
    from reseal.stores.rows import Values


class AsyncServerCounts:
    """A part of the store on a database server."""

    if TYPE_CHECKING:
        _server: AsyncServer

        def _timed(self, values: Values) -> Values: ...

    async def backlog(self) -> Backlog:
        [(count, overdue)] = await self._server.fetch("backlog", self._timed({"most": MOST_COUNTED}))
        return Backlog(count, overdue)

    async def live_sessions(self) -> int:
        [(count,)] = await self._server.fetch("live_sessions", self._timed({}))
        return int(count)
