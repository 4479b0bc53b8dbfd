"""What a store promises about its kill list. Errors are those of every store: :mod:`reseal._async.ports.stores`."""

from __future__ import annotations

from typing import Protocol

from reseal._async.ports.news import AsyncNews
from reseal.core.kill_list import PAGE, KillCursor, KillPage
from reseal.core.model import Scope


class AsyncKillPages(Protocol):
    """Where verifiers learn which sessions have ended."""

    async def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:
        """Read what follows a cursor, up to about ``limit`` entries; ``None``: from the beginning, a snapshot.

        A cursor of another epoch gets the beginning as well. An entry whose end was acknowledged before the call is in
        the answer or behind it, never before it.
        """


class AsyncKillListStore(AsyncKillPages, Protocol):
    """Where the kill list is kept.

    An entry is written with the end of a session if its reports contain a :class:`reseal.core.kill_list.Kill`.
    """

    async def purge_kills(self, limit: int) -> int:
        """Remove up to ``limit`` entries that are not needed any longer; returns how many."""

    def news(self) -> AsyncNews:
        """Return what announces entries to one more reader, who closes it before the store is closed."""
