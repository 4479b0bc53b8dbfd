"""Limited sign-ins on a database server: one transaction, of which each user has one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal._async.stores.server_kills import AsyncServerKills
from reseal.core.model import EndReason
from reseal.core.rotation import begun
from reseal.core.selection import UserPlace
from reseal.core.session_policy import Admission
from reseal.stores import rows
from reseal.stores.deadlines import within

if TYPE_CHECKING:
    from reseal._async.stores.servers import AsyncServer, AsyncServerLink
    from reseal.core.model import NewSession, Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.core.session_policy import Ending, SessionLimit
    from reseal.stores.rows import Values

_ALL: Final = 2**31 - 1


class _Stale(Exception):
    """Rolls the transaction back."""


class AsyncServerLimits(AsyncServerKills):
    """A part of the store on a server."""

    if TYPE_CHECKING:
        _server: AsyncServer

        def _timed(self, values: Values) -> Values: ...
        async def _written(self) -> None: ...

    async def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        beginning = self._timed(rows.reported(rows.of_new(scope, new), reports))
        ending = rows.scoped(scope) | {"reason": EndReason.LIMIT.value, "note": None}
        ending = self._timed(rows.reported(ending, ended_reports))
        listing = self._timed(rows.of_user(scope, new.user_id, UserPlace(), _ALL))

        async def admit(link: AsyncServerLink) -> Admission:
            async with link.transaction():
                await link.settle()
                evicted = limit.evicted(await self._of_user(link, listing) if limit.most else ())
                if evicted is None:
                    return Admission(None, (), is_full=True)
                begins = await link.fetch(rows.query("insert", beginning), beginning)
                if begins and limit.ending and not await self._replaced(link, scope, limit.ending):
                    raise _Stale
                if begins and evicted:
                    await link.fetch(rows.query("end", ending), ending | {"handles": list(evicted)})
            return Admission(begun(new, begins[0][3]), evicted) if begins else Admission(None, ())

        with within(self._server.limit_s):
            try:
                admission = await self._server.run(admit)
            except _Stale:
                return Admission(None, (), is_stale=True)
            await self._written()
        return admission

    async def _of_user(self, link: AsyncServerLink, listing: Values) -> list[SessionRecord]:
        """Read the live sessions of a user, of whom nobody else begins one until the transaction ends."""
        await link.fetch("lock_user", listing)
        return list(map(rows.to_record, await link.fetch("list_user", listing)))

    async def _replaced(self, link: AsyncServerLink, scope: Scope, ending: Ending) -> bool:
        """Write the end of a visitor's session; ``False`` if its row has changed."""
        values = rows.reported(rows.of_record(scope, ending.record), ending.reports)
        return bool(await link.fetch(rows.query("replace", values), self._timed(values) if ending.reports else values))
