"""Announcements of the kill list by ``LISTEN`` and ``NOTIFY``.

They arrive on a connection that executes nothing else and is in no transaction: the server keeps an announcement until
the last listener has taken it. PostgreSQL keeps none for a connection that is gone, so each new one begins with a read.
"""

from __future__ import annotations

from typing import Final

import psycopg

from reseal._async.stores.polled_news import POLL, AsyncPolledNews
from reseal._async.stores.postgres_server import AsyncLink, AsyncServer
from reseal.core.errors import ResealError
from reseal.log import LOGGER
from reseal.stores.postgres import QUERIES

POLLS: Final = 10
"""Reads without an announcement before the next attempt to listen."""
_POOLED: Final = (
    "kill_list: a pooler (PgBouncer) is between, which passes no announcements on: other processes' ended sessions are "
    f"looked for every {POLL} seconds; name the server itself in database_uri to learn of them at once"
)


class AsyncPostgresNews:
    """The announcements of one database to one reader."""

    def __init__(self, server: AsyncServer) -> None:
        self._server = server
        self._link: AsyncLink | None = None
        self._instead = AsyncPolledNews()
        self._is_pooled = False
        self._polls = 0
        """Reads to go before the next attempt to listen."""

    async def wait(self, timeout_s: float) -> bool:
        """Wait for an announcement; where there can be none, for the next read at an interval."""
        if self._link is None and self._polls == 0 and await self._listen():
            return True  # what was committed before is not announced
        if self._link is None:
            is_time = await self._instead.wait(timeout_s)
            self._polls = max(0, self._polls - is_time) if not self._is_pooled else 1
            return is_time
        try:
            return bool([each async for each in self._link.notifies(timeout=timeout_s, stop_after=1)])
        except (psycopg.Error, OSError):
            await self.close()
            return True

    async def close(self) -> None:
        """Close the connection."""
        link, self._link = self._link, None
        if link is not None:
            await link.close()

    async def _listen(self) -> bool:
        """Listen from now on; returns whether that is possible."""
        self._polls = POLLS
        try:
            link = await self._server.connect()
        except ResealError:
            return False
        if not link.has_session:
            await link.close()
            self._is_pooled = True
            LOGGER.warning("%s", _POOLED)
            return False
        try:
            await link.execute(QUERIES["listen_kill_list"], prepare=False)
        except psycopg.Error:
            await link.close()
            return False
        self._link, self._polls = link, 0
        return True
