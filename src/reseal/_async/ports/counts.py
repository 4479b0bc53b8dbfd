"""What a store promises about its figures. Errors are those of every store: :mod:`reseal._async.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal.core.purging import Backlog


class AsyncCountStore(Protocol):
    """How much there is in a store, of all apps and tenants."""

    async def backlog(self) -> Backlog:
        """Count the sessions that are due to be looked at by ``purge``. Short, whatever the number of rows."""

    async def live_sessions(self) -> int:
        """Count the sessions that have neither ended nor expired. Takes the longer the more there are."""
