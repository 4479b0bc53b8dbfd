"""Sessions of identity providers in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal.core.model import EndReason
from reseal.core.providers import ProviderEnd
from reseal.devices import about

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
            marks = [(each.handle, about.read(each.about).marks) for each in self._sessions.get(scope, {}).values()]
            found = [
                (handle, of)
                for handle, of in marks
                if (of.user == logout.user if logout.session is None else of.session == logout.session)
            ]
            if logout.user is not None and any(of.user != logout.user for _, of in found):
                return ProviderEnd(is_of_another=True)
            if not self._claim(scope, logout.claim, logout.until):
                return ProviderEnd(is_replayed=True)
            reason = EndReason.PROVIDER_LOGOUT
            return ProviderEnd(tuple(handle for handle, _ in found if self._end(scope, handle, reason, reports)))

    def _claim(self, scope: Scope, name: str, until: int) -> bool:
        now = self._steady.now()
        if until <= now or self._claims.get((scope, name), now) > now:
            return False
        self._claims[scope, name] = until
        return True
