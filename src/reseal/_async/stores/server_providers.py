"""Logouts told by an identity provider, on a database server: one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.model import EndReason
from reseal.core.providers import Marks, ProviderEnd
from reseal.stores import provider_rows, rows
from reseal.stores.deadlines import within

if TYPE_CHECKING:
    from reseal._async.stores.servers import AsyncServer, AsyncServerLink
    from reseal.core.model import Scope
    from reseal.core.outbox import Reports
    from reseal.core.providers import ProviderLogout
    from reseal.stores.rows import Values


class AsyncServerProviders:
    """A part of the store on a server."""

    if TYPE_CHECKING:
        _server: AsyncServer

        def _timed(self, values: Values) -> Values: ...
        async def _written(self) -> None: ...

    async def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        claiming = self._timed(rows.scoped(scope) | {"name": logout.claim, "until": logout.until})
        ending = rows.scoped(scope) | {"reason": EndReason.PROVIDER_LOGOUT.value, "note": None}
        ending = self._timed(rows.reported(ending, reports))

        async def end(link: AsyncServerLink) -> ProviderEnd:
            async with link.transaction():
                await link.settle()
                found = []
                for query, finding in provider_rows.finding(scope, logout).items():
                    found += await link.fetch(query, finding)
                handles = provider_rows.concerned(logout, ((row[0], Marks(*row[1:])) for row in found))
                if handles is None:
                    return ProviderEnd(is_of_another=True)
                if not await link.fetch("claim", claiming):
                    return ProviderEnd(is_replayed=True)
                ended = await link.fetch(rows.query("end", ending), ending | {"handles": handles}) if handles else []
            return ProviderEnd(tuple(row[0] for row in ended))

        with within(self._server.limit_s):
            done = await self._server.run(end)
            await self._written()
        return done
