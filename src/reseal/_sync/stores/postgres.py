# Generated from src/reseal/_async/stores/postgres.py by tools/unasync.py; edit that file instead.
"""Sessions in PostgreSQL: for several processes and machines."""

from __future__ import annotations

from functools import partial
from typing import Final

import psycopg
from psycopg.errors import DeadlockDetected, SerializationFailure

from reseal._sync.ports import News
from reseal._sync.stores.postgres_news import PostgresNews
from reseal._sync.stores.postgres_replica import ReplicatedServer
from reseal._sync.stores.postgres_server import Server
from reseal._sync.stores.server_store import ServerStore
from reseal.clock import Clock
from reseal.core.errors import StoreUnavailable
from reseal.core.secret import Secret
from reseal.stores.postgres import CLOCKED_QUERIES, QUERIES

POOL_SIZE: Final = 10
_OF_ONE_ROW: Final = (
    UnicodeError,
    psycopg.DataError,
    psycopg.IntegrityError,
    psycopg.ProgrammingError,
    DeadlockDetected,
    SerializationFailure,
)


class PostgresStore(ServerStore):
    """A store in the database that a connection URI names. Share one object in a process, not one a request.

    The URI is one of libpq's: several hosts, ``sslmode``, ``options`` and the rest mean what they mean there. It is
    kept as a secret. ``connect_timeout_s`` bounds the wait for a connection, from the server or from the pool;
    ``statement_timeout_ms`` each statement, by the server's own measure and two seconds later by ours.

    The time is the server's; ``clock`` takes its place in tests. ``looks_only``: nothing is changed.
    ``replica_uri``: a standby from which lists are read that are only shown.
    """

    def __init__(
        self,
        uri: str | Secret,
        *,
        pool_size: int = POOL_SIZE,
        connect_timeout_s: float = 5,
        statement_timeout_ms: int = 5000,
        clock: Clock | None = None,
        looks_only: bool = False,
        replica_uri: Secret | None = None,
    ) -> None:
        server_of = Server if replica_uri is None else partial(ReplicatedServer, replica_uri=replica_uri)
        server = server_of(
            uri,
            pool_size=pool_size,
            connect_timeout_s=connect_timeout_s,
            statement_timeout_ms=statement_timeout_ms,
            queries=QUERIES if clock is None else CLOCKED_QUERIES,
        )
        super().__init__(server, _is_of_one_row, clock=clock, looks_only=looks_only)
        self._postgres = server

    def news(self) -> News:
        return PostgresNews(self._postgres)


def _is_of_one_row(error: StoreUnavailable) -> bool:
    """Return whether what failed was about a row: if the server is away, there is no use in trying each of them."""
    return isinstance(error.__cause__, _OF_ONE_ROW)
