# Generated from src/reseal/_async/provider_logouts.py by tools/unasync.py; edit that file instead.
"""Ending what an identity provider has ended: where the store is, over the network, and passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal._sync.logout_clients import ClientNotes, ForwardingClientNotes, RemoteClientNotes
from reseal.core.model import EndReason
from reseal.core.providers import ProviderEnd

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import ParamSpec, TypeVar

    from reseal._sync.ports import Sessions, Store
    from reseal._sync.remote_calls import Calls
    from reseal.core.model import Scope
    from reseal.core.outbox import Reports
    from reseal.core.providers import ProviderLogout
    from reseal.event_emitter import EventEmitter
    from reseal.settings import Settings

    T = TypeVar("T")
    P = ParamSpec("P")

REASON: Final = EndReason.PROVIDER_LOGOUT


class ProviderLogouts(ClientNotes):
    """A part of :class:`reseal.Engine`."""

    if TYPE_CHECKING:
        settings: Settings
        _store: Store
        _emitter: EventEmitter

    def end_by_provider(self, logout: ProviderLogout) -> ProviderEnd:
        """End the sessions of a logout whose token was verified, once. Raises ``StoreUnavailable``; try again then."""
        done = self._store.end_by_provider(self.settings.scope, logout, self._emitter.draft_ended(REASON))
        self._emitter.emit_ended(done.ended, None, REASON)
        return done


class RemoteLogouts(RemoteClientNotes):
    """A part of :class:`reseal.Remote`."""

    if TYPE_CHECKING:
        _calls: Calls

    def end_by_provider(self, logout: ProviderLogout) -> ProviderEnd:
        """End the sessions of a logout whose token was verified, once. Raises ``StoreUnavailable``; try again then."""
        return self._calls.call("end_by_provider", ProviderEnd, repeatable=False, logout=logout)


class ForwardingLogouts:
    """A part of a store on top of another one."""

    if TYPE_CHECKING:
        inner: Store

        def _call(
            self, method: str, scope: Scope | None, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs
        ) -> T: ...

    def end_by_provider(self, scope: Scope, logout: ProviderLogout, reports: Reports = ()) -> ProviderEnd:
        return self._call("end_by_provider", scope, self.inner.end_by_provider, scope, logout, reports)


class ForwardingLogoutCalls(ForwardingClientNotes):
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: Sessions

    def end_by_provider(self, logout: ProviderLogout) -> ProviderEnd:
        return self.inner.end_by_provider(logout)
