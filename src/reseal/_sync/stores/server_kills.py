# Generated from src/reseal/_async/stores/server_kills.py by tools/unasync.py; edit that file instead.
"""The kill list on a database server. Entries get their numbers when they can be read, as events do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from reseal._sync.stores.polled_news import PolledNews
from reseal.core.kill_list import PAGE
from reseal.stores import kill_rows
from reseal.stores.deadlines import within

if TYPE_CHECKING:
    from reseal._sync.ports import News
    from reseal._sync.stores.servers import Server, ServerLink, Row
    from reseal.core.kill_list import KillCursor, KillPage
    from reseal.core.model import Scope
    from reseal.stores.rows import Values

NUMBERED_AT_ONCE: Final = 5_000
"""Entries that one reading numbers: bounds how long it takes."""


class ServerKills:
    """A part of the store on a server."""

    if TYPE_CHECKING:
        _server: Server

        def _timed(self, values: Values) -> Values: ...

    def kill_page(self, scope: Scope, after: KillCursor | None, limit: int = PAGE) -> KillPage:
        more = False
        with within(self._server.limit_s):
            found = self._kills(scope, after, limit)
            if found[0][-1]:  # some have no number yet
                more = self._server.run(self._number_kills)
                found = self._kills(scope, after, limit)
        page = kill_rows.to_page(found, scope, after, limit, found[0][-2])
        if page is None:
            return self.kill_page(scope, None, limit)
        return page._replace(more=page.more or more)

    def news(self) -> News:
        return PolledNews()

    def purge_kills(self, limit: int) -> int:
        return len(self._server.fetch("purge_kills", self._timed({"limit": limit})))

    def _kills(self, scope: Scope, after: KillCursor | None, limit: int) -> list[Row]:
        """Read epoch, last number, number, handle, end, the time, and whether there are entries without a number."""
        return self._server.fetch("kills", self._timed(kill_rows.of_page(scope, after, limit)))

    def _number_kills(self, link: ServerLink) -> bool:
        """Number what is committed; returns whether there may be more than one reading numbers.

        What is committed meanwhile is for the next reading: else there would be no last page while sessions end.
        """
        with link.transaction():
            link.settle()
            link.fetch("lock_kill_number")
            numbered = link.fetch("number_kills", self._timed({"limit": NUMBERED_AT_ONCE}))
            return bool(numbered) and numbered[0][0] >= NUMBERED_AT_ONCE
