"""Ending what an identity provider has ended: where the store is, over the network, and passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal._async.logout_clients import AsyncClientNotes, AsyncForwardingClientNotes, AsyncRemoteClientNotes
from reseal.core.model import EndReason
from reseal.core.providers import ProviderEnd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._async.ports import AsyncSessions, AsyncStore
    from reseal._async.remote_calls import AsyncCalls
    from reseal.core.model import Scope
    from reseal.core.outbox import Reports
    from reseal.core.providers import ProviderLogout
    from reseal.event_emitter import EventEmitter
    from reseal.settings import Settings

    T = TypeVar("T")
    P = ParamSpec("P")

REASON: Final = EndReason.PROVIDER_LOGOUT


class AsyncProviderLogouts(AsyncClientNotes):
    """A part of :class:`reseal.AsyncEngine`."""

    if TYPE_CHECKING:
        settings: Settings
        _store: AsyncStore
        _emitter: EventEmitter

    async def end_by_provider(self, logout: ProviderLogout) -> ProviderEnd:
        """End the sessions of a logout whose token was verified, once. Raises ``StoreUnavailable``; try again then."""
        done = await self._store.end_by_provider(self.settings.scope, logout, self._emitter.draft_ended(REASON))
        self._emitter.emit_ended(done.ended, None, REASON)
        return done


class AsyncRemoteLogouts(AsyncRemoteClientNotes):
    """A part of :class:`reseal.AsyncRemote`."""

    if TYPE_CHECKING:
        _calls: AsyncCalls

    async def end_by_provider(self, logout: ProviderLogout) -> ProviderEnd:
        """End the sessions of a logout whose token was verified, once. Raises ``StoreUnavailable``; try again then."""
        return await self._calls.call("end_by_provider", ProviderEnd, repeatable=False, logout=logout)


class AsyncForwardingLogouts:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: AsyncStore

        async def _call(
            self, method: str, scope: Scope | None, call: Callable[P, Awaitable[T]], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    async def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        return await self._call("end_by_provider", scope, self.inner.end_by_provider, scope, logout, reports)


class AsyncForwardingLogoutCalls(AsyncForwardingClientNotes):
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: AsyncSessions

    async def end_by_provider(self, logout: ProviderLogout) -> ProviderEnd:
        return await self.inner.end_by_provider(logout)
