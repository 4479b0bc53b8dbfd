"""Sessions of identity providers in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.model import EndReason
from reseal.core.providers import ProviderEnd
from reseal.devices import about
from reseal.stores import provider_rows

if TYPE_CHECKING:
    from reseal.clock import SteadyClock
    from reseal.core.model import Scope, SessionRecord
    from reseal.core.outbox import Reports
    from reseal.core.providers import ProviderLogout
    from reseal.forks import OwnLock


class AsyncMemoryProviders:
    """A part of the store in memory."""

    if TYPE_CHECKING:
        _lock: OwnLock
        _sessions: dict[Scope, dict[str, SessionRecord]]
        _steady: SteadyClock
        _claims: dict[tuple[Scope, str], int]

        def _end(self, scope: Scope, handle: str, reason: EndReason, reports: Reports) -> bool: ...

    async def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        with self._lock:
            marked = [(each.handle, about.read(each.about).marks) for each in self._sessions.get(scope, {}).values()]
            found = [
                (handle, of) for handle, of in marked if {of.user, of.session} & {logout.user, logout.session} - {None}
            ]
            handles = provider_rows.concerned(logout, found)
            if handles is None:
                return ProviderEnd(is_of_another=True)
            if not self._claim(scope, logout.claim, logout.until):
                return ProviderEnd(is_replayed=True)
            reason = EndReason.PROVIDER_LOGOUT
            return ProviderEnd(tuple(handle for handle in handles if self._end(scope, handle, reason, reports)))

    def _claim(self, scope: Scope, name: str, until: int) -> bool:
        now = self._steady.now()
        if until <= now or self._claims.get((scope, name), now) > now:
            return False
        self._claims[scope, name] = until
        return True
