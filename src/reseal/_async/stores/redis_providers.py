"""Logouts told by an identity provider, in Redis.

The sessions are in several slots: so one caller at a time has the turn of a logout, ends them, and claims it last. If
it dies before, the provider tells the logout again, and the rest is ended then.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async.stores.redis_sessions import AsyncRedisParts
from reseal.core.model import EndReason
from reseal.core.providers import ProviderEnd
from reseal.devices import about
from reseal.stores import provider_rows
from reseal.stores.redis.layout import name_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reseal.core.model import Scope
    from reseal.core.outbox import Reports
    from reseal.core.providers import Marks, ProviderLogout


class AsyncRedisProviders(AsyncRedisParts):
    """A part of the store in Redis."""

    if TYPE_CHECKING:

        async def claim(self, scope: Scope, name: str, until: int) -> bool: ...
        async def is_claimed(self, scope: Scope, name: str) -> bool: ...
        async def end(
            self, scope: Scope, handles: Sequence[str], reason: EndReason, reports: Reports = ()
        ) -> tuple[str, ...]: ...

    async def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        turn = self._layout.turn(scope, logout.claim)
        mine = await self._turns.take(turn)
        try:
            handles = provider_rows.concerned(logout, await self._marked(scope, logout))
            if handles is None:
                return ProviderEnd(is_of_another=True)
            if await self.is_claimed(scope, logout.claim):
                return ProviderEnd(is_replayed=True)
            ended = await self.end(scope, handles, EndReason.PROVIDER_LOGOUT, reports)
            is_new = await self.claim(scope, logout.claim, logout.until)
            return ProviderEnd(ended) if is_new or ended else ProviderEnd(is_replayed=True)
        finally:
            await self._turns.end(turn, mine)

    async def _marked(self, scope: Scope, logout: ProviderLogout) -> list[tuple[str, Marks]]:
        """Read the sessions that a logout may concern, with their marks."""
        named = {logout.user, logout.session} - {None}
        sets = [await self._sessions.handles_in(self._layout.marked(scope, mark or "")) for mark in named]
        found, _ = await self._sessions.require([name_of(scope, handle) for handles in sets for handle in handles])
        marked = [(each.record.handle, about.read(each.record.about).marks) for each in found if each is not None]
        return [(handle, marks) for handle, marks in marked if named & set(marks)]
