"""Writing the kill list: whatever ends a session puts it there, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reseal._async.forwarding import AsyncForwardingStore
from reseal._async.ports import AsyncKillListStore, AsyncStore
from reseal.clock import Clock
from reseal.core.kill_list import LEEWAY, Kill
from reseal.core.model import EndReason, NewSession, Scope, SessionRecord
from reseal.core.outbox import Reports
from reseal.core.providers import ProviderEnd, ProviderLogout
from reseal.core.purging import Purged
from reseal.core.session_policy import Admission, SessionLimit
from reseal.settings.fields import SharedFields


class _Tokens(Protocol):
    @property
    def access_token_ms(self) -> int: ...


def on(store: AsyncStore, tokens: _Tokens, settings: SharedFields) -> AsyncStore:
    """Return a store that also writes the kill list, or the same one if that is off.

    ``tokens``: says how long an access token lives at most.
    """
    return AsyncKillingStore(store, tokens.access_token_ms) if settings.kill_list else store


class AsyncLeftOverKills:
    """Entries from before ``kill_list`` was turned off: removed once in each process, when the last of them is over."""

    def __init__(self, settings: SharedFields, tokens: _Tokens, store: AsyncKillListStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._are_there = not settings.kill_list
        self._over_at = clock.monotonic() + tokens.access_token_ms + LEEWAY

    async def purge(self, limit: int) -> bool:
        """Remove up to ``limit`` of them, if it is time to; returns whether there are more."""
        if not self._are_there or self._clock.monotonic() < self._over_at:
            return False
        self._are_there = await self._store.purge_kills(limit) >= limit
        return self._are_there


class AsyncKillingStore(AsyncForwardingStore):
    """A store on top of another one, in which each end of a session is written to the kill list as well."""

    def __init__(self, inner: AsyncStore, access_token_ms: int) -> None:
        super().__init__(inner)
        self._kill = (Kill(access_token_ms + LEEWAY),)

    async def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        """Remove entries that are not needed any longer as well; they count as looked at."""
        gone = await super().purge_kills(limit)
        purged = await super().purge(limit, kept_ms)
        return purged._replace(looked_at=max(purged.looked_at, gone))

    async def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        return await super().replace(scope, record, reports if record.ended_at is None else reports + self._kill)

    async def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        return await super().end(scope, handles, reason, reports + self._kill, note)

    async def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        return await super().end_user(scope, user_id, reason, keep, reports + self._kill)

    async def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        ending = limit.ending
        if ending is not None:
            limit = limit._replace(ending=ending._replace(reports=ending.reports + self._kill))
        return await super().insert_limited(scope, new, limit, reports, ended_reports + self._kill)

    async def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        return await super().end_by_provider(scope, logout, reports + self._kill)
