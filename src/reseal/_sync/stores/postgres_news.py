# Generated from src/reseal/_async/stores/postgres_news.py by tools/unasync.py; edit that file instead.
"""Announcements of the kill list by ``LISTEN`` and ``NOTIFY``.

They arrive on a connection that executes nothing else and is in no transaction: the server keeps an announcement until
the last listener has taken it. PostgreSQL keeps none for a connection that is gone, so each new one begins with a read.
"""

from __future__ import annotations

from typing import Final

import psycopg

from reseal._sync.stores.polled_news import POLL, PolledNews
from reseal._sync.stores.postgres_server import Link, Server
from reseal.core.errors import ResealError
from reseal.log import LOGGER
from reseal.stores.postgres import QUERIES

POLLS: Final = 10
"""Reads without an announcement before the next attempt to listen."""
_POOLED: Final = (
    "kill_list: a pooler (PgBouncer) is between, which passes no announcements on: other processes' ended sessions are "
    f"looked for every {POLL} seconds; name the server itself in database_uri to learn of them at once"
)


class PostgresNews:
    """The announcements of one database to one reader."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._link: Link | None = None
        self._instead = PolledNews()
        self._is_pooled = False
        self._polls = 0
        """Reads to go before the next attempt to listen."""

    def wait(self, timeout_s: float) -> bool:
        """Wait for an announcement; where there can be none, for the next read at an interval."""
        if self._link is None and self._polls == 0 and self._listen():
            return True  # what was committed before is not announced
        if self._link is None:
            is_time = self._instead.wait(timeout_s)
            self._polls = max(0, self._polls - is_time) if not self._is_pooled else 1
            return is_time
        try:
            return bool([each for each in self._link.notifies(timeout=timeout_s, stop_after=1)])
        except (psycopg.Error, OSError):
            self.close()
            return True

    def close(self) -> None:
        """Close the connection."""
        link, self._link = self._link, None
        if link is not None:
            link.close()

    def _listen(self) -> bool:
        """Listen from now on; returns whether that is possible."""
        self._polls = POLLS
        try:
            link = self._server.connect()
        except ResealError:
            return False
        if not link.has_session:
            link.close()
            self._is_pooled = True
            LOGGER.warning("%s", _POOLED)
            return False
        try:
            link.execute(QUERIES["listen_kill_list"], prepare=False)
        except psycopg.Error:
            link.close()
            return False
        self._link, self._polls = link, 0
        return True
