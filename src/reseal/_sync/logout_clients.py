# Generated from src/reseal/_async/logout_clients.py by tools/unasync.py; edit that file instead.
"""Clients that have a session: the call of an application, where the store is, over the network, and passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._sync.awaited import awaited
from reseal.core import ids
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.logout_clients import LogoutClient
from reseal.core.model import printable
from reseal.devices import about

if TYPE_CHECKING:
    from reseal._sync.ports import Sessions
    from reseal._sync.remote_calls import Calls
    from reseal._sync.token_families import TokenFamilies


class LogoutClients:
    """A part of :class:`reseal.Reseal`."""

    backend: Sessions

    @awaited
    def remember_client(
        self, session_handle: str, client_id: str, *, sub: str | None = None, sid: str | None = None
    ) -> None:
        """Note that a client gets an ID token of a session, before it does: it is told when the session ends.

        For an application that is an identity provider. ``sub`` and ``sid``: what the ID token says; the logout token
        repeats it. An endpoint of ``webhooks`` with ``format: logout`` and this ``client_id`` says where it goes.
        Raises ``InvalidInput``, ``Unauthorised`` if the session has ended, ``StoreUnavailable``.
        """
        self.backend.remember_client(session_handle, LogoutClient(client_id, sub, sid))


class ClientNotes:
    """A part of :class:`reseal.Engine`."""

    if TYPE_CHECKING:
        _families: TokenFamilies

    def remember_client(self, handle: str, client: LogoutClient) -> int:
        """Note that a client has a live session; returns how many have it.

        Raises ``InvalidInput``, ``Unauthorised``, ``StoreUnavailable``.
        """
        its = client.checked()
        record = self._families.change(ids.handle(handle), lambda record, _: about.with_client(record, its))
        return len(about.read(record.about).clients)


class RemoteClientNotes:
    """A part of :class:`reseal.Remote`."""

    if TYPE_CHECKING:
        _calls: Calls

    def remember_client(self, handle: str, client: LogoutClient) -> int:
        """Note that a client has a live session; returns how many have it.

        Raises ``InvalidInput``, ``Unauthorised``, ``StoreUnavailable``.
        """
        its = client.checked()
        if printable(ids.handle(handle)) != handle:
            raise Unauthorised(Refusal.UNKNOWN_SESSION)
        return self._calls.call("remember_client", int, repeatable=True, handle=handle, client=its)


class ForwardingClientNotes:
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: Sessions

    def remember_client(self, handle: str, client: LogoutClient) -> int:
        return self.inner.remember_client(handle, client)
