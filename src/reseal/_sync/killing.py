# Generated from src/reseal/_async/killing.py by tools/unasync.py; edit that file instead.
"""Writing the kill list: whatever ends a session puts it there, in the same transaction."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from reseal._sync.forwarding import ForwardingStore
from reseal._sync.ports import KillListStore, Store
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


def on(store: Store, tokens: _Tokens, settings: SharedFields) -> Store:
    """Return a store that also writes the kill list, or the same one if that is off.

    ``tokens``: says how long an access token lives at most.
    """
    return KillingStore(store, tokens.access_token_ms) if settings.kill_list else store


class LeftOverKills:
    """Entries from before ``kill_list`` was turned off: removed once in each process, when the last of them is over."""

    def __init__(self, settings: SharedFields, tokens: _Tokens, store: KillListStore, clock: Clock) -> None:
        self._store, self._clock = store, clock
        self._are_there = not settings.kill_list
        self._over_at = clock.monotonic() + tokens.access_token_ms + LEEWAY

    def purge(self, limit: int) -> bool:
        """Remove up to ``limit`` of them, if it is time to; returns whether there are more."""
        if not self._are_there or self._clock.monotonic() < self._over_at:
            return False
        self._are_there = self._store.purge_kills(limit) >= limit
        return self._are_there


class KillingStore(ForwardingStore):
    """A store on top of another one, in which each end of a session is written to the kill list as well."""

    def __init__(self, inner: Store, access_token_ms: int) -> None:
        super().__init__(inner)
        self._kill = (Kill(access_token_ms + LEEWAY),)

    def purge(self, limit: int, kept_ms: int | None = None) -> Purged:
        """Remove entries that are not needed any longer as well; they count as looked at."""
        gone = super().purge_kills(limit)
        purged = super().purge(limit, kept_ms)
        return purged._replace(looked_at=max(purged.looked_at, gone))

    def replace(self, scope: Scope, record: SessionRecord, reports: Reports = ()) -> bool:
        return super().replace(scope, record, reports if record.ended_at is None else reports + self._kill)

    def end(
        self, scope: Scope, handles: Iterable[str], reason: EndReason, reports: Reports = (), note: str | None = None
    ) -> tuple[str, ...]:
        return super().end(scope, handles, reason, reports + self._kill, note)

    def end_user(
        self, scope: Scope, user_id: str, reason: EndReason, keep: str | None = None, reports: Reports = ()
    ) -> tuple[str, ...]:
        return super().end_user(scope, user_id, reason, keep, reports + self._kill)

    def insert_limited(
        self, scope: Scope, new: NewSession, limit: SessionLimit, reports: Reports = (), ended_reports: Reports = ()
    ) -> Admission:
        ending = limit.ending
        if ending is not None:
            limit = limit._replace(ending=ending._replace(reports=ending.reports + self._kill))
        return super().insert_limited(scope, new, limit, reports, ended_reports + self._kill)

    def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        return super().end_by_provider(scope, logout, reports + self._kill)
