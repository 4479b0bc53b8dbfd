# Generated from src/reseal/_async/stores/postgres_replica.py by tools/unasync.py; edit that file instead.
"""A PostgreSQL whose lists of sessions are read from a standby, where they are only shown."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any, Final

import psycopg

from reseal._sync.stores.connection_pool import ConnectionPool
from reseal._sync.stores.postgres_server import Link, Server, Row
from reseal.core.errors import ConfigurationError, StoreUnavailable
from reseal.core.secret import Secret
from reseal.log import LOGGER
from reseal.stores.postgres.hosts import Term
from reseal.stores.postgres.lag import MAY_LAG

REST_S: Final = 10
"""For how long a standby that failed is not asked."""
_LISTS: Final = frozenset({"list_user", "list_ended"})


class ReplicatedServer(Server):
    """The primary, and a standby that is asked for nothing but lists."""

    def __init__(
        self, uri: str | Secret, replica_uri: Secret, *, pool_size: int, connect_timeout_s: float, **limits: Any
    ) -> None:
        super().__init__(uri, pool_size=pool_size, connect_timeout_s=connect_timeout_s, **limits)
        self._replica = Server(replica_uri, pool_size=pool_size, connect_timeout_s=connect_timeout_s, **limits)
        self._readers: ConnectionPool[Link] = ConnectionPool(
            self._connect_reader, pool_size, connect_timeout_s, "PostgreSQL's standby"
        )
        self._asked_again = 0.0

    def open(self, *, upgrade: bool = True) -> None:
        try:
            self._replica.cluster()
        except ConfigurationError as error:
            told = (problem.replace("database_uri", "replica_uri", 1) for problem in error.problems)
            raise ConfigurationError(tuple(told)) from None
        super().open(upgrade=upgrade)
        self._readers.open()

    def close(self) -> None:
        self._readers.close()
        super().close()

    def fetch(self, name: str, values: Mapping[str, Any]) -> list[Row]:
        if name in _LISTS and MAY_LAG.get() and time.monotonic() >= self._asked_again:
            try:
                return self._readers.run(partial(Link.fetch, name=name, values=values))
            except (psycopg.Error, StoreUnavailable) as error:
                self._asked_again = time.monotonic() + REST_S
                LOGGER.warning("replica_uri: lists are read from the primary (%s)", _told(error))
        return super().fetch(name, values)

    def _connect_reader(self) -> Link:
        try:
            link = self._replica.connect_to_any()
        except ConfigurationError as error:  # a server that is no use as a standby is no reason to show no lists
            raise StoreUnavailable("; ".join(error.problems)) from error
        link.term = Term()
        return link


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, StoreUnavailable) else type(error).__name__
