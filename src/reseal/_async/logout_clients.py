"""Clients that have a session: the call of an application, where the store is, over the network, and passed on."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reseal._async.awaited import awaited
from reseal.core import ids
from reseal.core.errors import Refusal, Unauthorised
from reseal.core.logout_clients import LogoutClient
from reseal.core.model import printable
from reseal.devices import about

if TYPE_CHECKING:
    from reseal._async.ports import AsyncSessions
    from reseal._async.remote_calls import AsyncCalls
    from reseal._async.token_families import AsyncTokenFamilies


class AsyncLogoutClients:
    """A part of :class:`reseal.AsyncReseal`."""

    backend: AsyncSessions

    @awaited
    async def remember_client(
        self, session_handle: str, client_id: str, *, sub: str | None = None, sid: str | None = None
    ) -> None:
        """Note that a client gets an ID token of a session, before it does: it is told when the session ends.

        For an application that is an identity provider. ``sub`` and ``sid``: what the ID token says; the logout token
        repeats it. An endpoint of ``webhooks`` with ``format: logout`` and this ``client_id`` says where it goes.
        Raises ``InvalidInput``, ``Unauthorised`` if the session has ended, ``StoreUnavailable``.
        """
        await self.backend.remember_client(session_handle, LogoutClient(client_id, sub, sid))


class AsyncClientNotes:
    """A part of :class:`reseal.AsyncEngine`."""

    if TYPE_CHECKING:
        _families: AsyncTokenFamilies

    async def remember_client(self, handle: str, client: LogoutClient) -> int:
        """Note that a client has a live session; returns how many have it.

        Raises ``InvalidInput``, ``Unauthorised``, ``StoreUnavailable``.
        """
        its = client.checked()
        record = await self._families.change(ids.handle(handle), lambda record, _: about.with_client(record, its))
        return len(about.read(record.about).clients)


class AsyncRemoteClientNotes:
    """A part of :class:`reseal.AsyncRemote`."""

    if TYPE_CHECKING:
        _calls: AsyncCalls

    async def remember_client(self, handle: str, client: LogoutClient) -> int:
        """Note that a client has a live session; returns how many have it.

        Raises ``InvalidInput``, ``Unauthorised``, ``StoreUnavailable``.
        """
        its = client.checked()
        if printable(ids.handle(handle)) != handle:
            raise Unauthorised(Refusal.UNKNOWN_SESSION)
        return await self._calls.call("remember_client", int, repeatable=True, handle=handle, client=its)


class AsyncForwardingClientNotes:
    """A part of sessions on top of others."""

    if TYPE_CHECKING:
        inner: AsyncSessions

    async def remember_client(self, handle: str, client: LogoutClient) -> int:
        return await self.inner.remember_client(handle, client)
